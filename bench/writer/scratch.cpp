#include "bench/writer/scratch.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>

namespace ringside::bench {
namespace {

// A signal ends the program: what fails from then on fails because of that.
std::atomic<bool> ending = false;

// Written once by Scratch before there is a second thread.
std::string root;

std::array<std::atomic<pid_t>, 16> children;

void remove_root() {
    for (const std::atomic<pid_t>& child : children) {
        if (child == 0) continue;
        kill(-child, SIGKILL);
        waitpid(child, nullptr, 0);
    }
    std::error_code error;
    // The children's own children end in a moment as well, and may make a file until then.
    for (int tries = 0; tries < 100; ++tries) {
        std::filesystem::remove_all(root, error);
        if (!error) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    std::fprintf(stderr, "%s: remove %s by hand: %s\n", program_invocation_short_name, root.c_str(),
                 error.message().c_str());
}

void await_end(sigset_t signals) {
    int number = 0;
    sigwait(&signals, &number);
    ending = true;
    remove_root();
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    raise(number);
}

}  // namespace

void fail(const std::string& text) {
    while (ending) pause();
    std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, text.c_str());
    remove_root();
    std::_Exit(1);
}

Scratch::Scratch() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, number);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    char path[] = "/dev/shm/ringside-bench.XXXXXX";
    if (mkdtemp(path) == nullptr) {
        std::fprintf(stderr, "%s: cannot make %s: %s\n", program_invocation_short_name, path, std::strerror(errno));
        std::_Exit(1);
    }
    root = path;
    std::thread(await_end, signals).detach();
}

Scratch::~Scratch() { remove_root(); }

void end_before_scratch(pid_t child) {
    setpgid(child, child);  // It does so itself, but maybe not yet.
    for (std::atomic<pid_t>& place : children) {
        pid_t none = 0;
        if (place.compare_exchange_strong(none, child)) return;
    }
    kill(-child, SIGKILL);
    fail("too many child processes at a time");
}

void ended_before_scratch(pid_t child) {
    for (std::atomic<pid_t>& place : children) {
        pid_t expected = child;
        if (place.compare_exchange_strong(expected, 0)) return;
    }
}

std::string scratch_folder(const std::string& name) {
    const std::string path = root + '/' + name;
    std::error_code error;
    std::filesystem::create_directory(path, error);
    if (error) fail("cannot make " + path + ": " + error.message());
    return path;
}

}  // namespace ringside::bench
