// A small stand-in for a VMM: links the writer library as a VMM author would, and records real work of several threads.
//
//   vcpu 0, 1   touch fresh memory (page faults that the kernel serves), compute, and rest
//   block       timed reads and writes on a real file, one request at a time
//   timer       sleeps 10 ms and measures how late it woke up
//
// Each series belongs to one thread; the fault counter alone is shared. SIGTERM ends it with a clean close, SIGKILL without.

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "schema.h"

namespace demo {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::atomic<bool> stop{false};

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double thread_cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// One guest exit: 64 pages of memory that the kernel has to provide, and a little arithmetic on them.
void handle_exit(unsigned& state) {
    constexpr std::size_t kBytes = 64 * 4096;
    void* at = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return;
    auto* bytes = static_cast<volatile unsigned char*>(at);
    for (std::size_t i = 0; i < kBytes; i += 4096) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = static_cast<unsigned char>(state >> 24);
    }
    munmap(at, kBytes);
}

void run_vcpu(ringside::Segment& segment, unsigned number, ringside::SharedCounter minor,
              ringside::SharedCounter major) {
    std::string label = std::to_string(number);
    auto run = segment.counter_f64("vmm_vcpu_run_seconds_total", {label.c_str()});
    auto exits = segment.counter("vmm_vcpu_exits_total", {label.c_str()});
    auto duration = segment.histogram("vmm_vcpu_exit_duration_seconds", {label.c_str()});
    unsigned state = number + 1;
    rusage before{};
    getrusage(RUSAGE_THREAD, &before);
    while (!stop) {
        auto begin = Clock::now();
        handle_exit(state);
        duration.record(seconds_since(begin));
        exits.add();
        run.total(thread_cpu_seconds());
        rusage after{};
        getrusage(RUSAGE_THREAD, &after);
        minor.add(static_cast<std::uint64_t>(after.ru_minflt - before.ru_minflt));
        major.add(static_cast<std::uint64_t>(after.ru_majflt - before.ru_majflt));
        before = after;
        std::this_thread::sleep_for(milliseconds(state % 5 + 1));
    }
}

// Requests of one kind.
struct Requests {
    ringside::Counter count;
    ringside::Counter bytes;
    ringside::Histogram duration;

    Requests(ringside::Segment& segment, const char* op)
        : count(segment.counter("vmm_block_requests_total", {"vda", op})),
          bytes(segment.counter("vmm_block_bytes_total", {"vda", op})),
          duration(segment.histogram("vmm_block_request_duration_seconds", {"vda", op})) {}

    void ended(Clock::time_point begin, ssize_t moved) const {
        duration.record(seconds_since(begin));
        count.add();
        if (moved > 0) bytes.add(static_cast<std::uint64_t>(moved));
    }
};

void run_block(ringside::Segment& segment, std::FILE* disk) {
    constexpr off_t kDiskBytes = 16 << 20;
    Requests reads(segment, "read");
    Requests writes(segment, "write");
    Requests flushes(segment, "flush");
    auto depth = segment.level("vmm_block_queue_depth", {"vda"});
    std::vector<char> buffer(16384, 'r');
    int fd = fileno(disk);
    unsigned state = 7;
    for (unsigned round = 0; !stop; ++round) {
        state = state * 1664525u + 1013904223u;
        off_t at = static_cast<off_t>(state) % (kDiskBytes - static_cast<off_t>(buffer.size()));
        std::size_t size = 512u << (state >> 29 & 3u) << (state >> 27 & 1u);
        depth.set(1);
        auto begin = Clock::now();
        if (state >> 31) {
            writes.ended(begin, pwrite(fd, buffer.data(), size, at));
        } else {
            reads.ended(begin, pread(fd, buffer.data(), size, at));
        }
        if (round % 64 == 63) {
            begin = Clock::now();
            flushes.ended(begin, fdatasync(fd));
        }
        depth.set(0);
        std::this_thread::sleep_for(milliseconds(2));
    }
}

void run_timer(ringside::Segment& segment) {
    auto lateness = segment.gauge("vmm_timer_lateness_seconds");
    auto resident = segment.level("vmm_memory_resident_bytes");
    double page = static_cast<double>(sysconf(_SC_PAGESIZE));
    for (unsigned round = 0; !stop; ++round) {
        auto due = Clock::now() + milliseconds(10);
        std::this_thread::sleep_until(due);
        lateness.record(seconds_since(due));
        if (round % 100) continue;
        std::ifstream statm("/proc/self/statm");
        double total = 0, pages = 0;
        if (statm >> total >> pages) resident.set(pages * page);
    }
}

int run(const rside_options& options, double for_seconds) {
    auto segment = ringside::Segment::create(options);
    if (!segment) {
        // A real VMM would go on without metrics; a demo of metrics has nothing to show then.
        std::fprintf(stderr, "ringside-demo-vmm: %s\n", segment.error().text);
        return 1;
    }
    std::FILE* disk = std::tmpfile();
    if (!disk || ftruncate(fileno(disk), 16 << 20) < 0) {
        std::perror("ringside-demo-vmm: cannot make the backing file");
        if (disk) std::fclose(disk);
        return 1;
    }
    std::printf("%s\n", segment.path());
    std::fflush(stdout);
    segment.info("vmm_info", {"demo", "none"});
    auto minor = segment.shared_counter("vmm_memory_faults_total", {"minor"});
    auto major = segment.shared_counter("vmm_memory_faults_total", {"major"});

    std::vector<std::thread> threads;
    for (unsigned vcpu = 0; vcpu < 2; ++vcpu) {
        threads.emplace_back([&, vcpu] { run_vcpu(segment, vcpu, minor, major); });
    }
    threads.emplace_back([&] { run_block(segment, disk); });
    threads.emplace_back([&] { run_timer(segment); });

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    timespec wait{static_cast<time_t>(for_seconds),
                  static_cast<long>((for_seconds - static_cast<double>(static_cast<time_t>(for_seconds))) * 1e9)};
    int got = for_seconds > 0 ? sigtimedwait(&ends, nullptr, &wait) : sigwaitinfo(&ends, nullptr);
    stop = true;
    for (auto& thread : threads) thread.join();
    segment.close(0, got > 0 ? "asked to stop" : "time is over");
    std::fclose(disk);
    return 0;
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) {
    CLI::App app{"A stand-in for a VMM that records real work of several threads into a segment."};
    std::string vm_id = "demo-vm";
    std::string directory = RSIDE_DEFAULT_DIRECTORY;
    double for_seconds = 0;
    app.add_option("--vm-id", vm_id, "name of the VM")->capture_default_str();
    app.add_option("--directory", directory, "folder of the segments")->capture_default_str();
    app.add_option("--for", for_seconds, "end by itself after so many seconds; 0: run until SIGTERM")
        ->check(CLI::NonNegativeNumber);
    CLI11_PARSE(app, argc, argv);

    // Before any thread: they all inherit the mask, and only main waits for the signals.
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);

    rside_options options;
    rside_options_init(&options);
    options.vm_id = vm_id.c_str();
    options.directory = directory.c_str();
    options.schema = &demo::kSchema;
    return demo::run(options, for_seconds);
}
