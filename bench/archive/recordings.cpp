#include "bench/archive/recordings.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "agent/segment/open.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

using agent::LayoutCache;
using agent::OpenOptions;

std::shared_ptr<const agent::SeriesSource> open(const std::string& path, LayoutCache& layouts) {
    std::ifstream file(path, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    if (content.empty()) fail("cannot read the segment " + path);
    const auto* bytes = reinterpret_cast<const std::byte*>(content.data());
    agent::Opened opened = open_segment_image({bytes, bytes + content.size()}, nullptr, layouts, OpenOptions{});
    if (!opened.segment) fail(path + ": " + opened.refusal.message());
    // As the drain does: nothing changes from here on.
    if (auto settled = opened.segment->settle(); !settled.ok()) fail(path + ": " + settled.error().message());
    return opened.segment;
}

// A program that records into `folder` until it is killed.
pid_t start(const std::vector<std::string>& command, const std::string& folder) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(const_cast<char*>("--directory"));
    arguments.push_back(const_cast<char*>(folder.c_str()));
    arguments.push_back(nullptr);
    if (!std::freopen("/dev/null", "w", stdout)) ::_exit(127);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
}

void record(const std::string& folder) {
    const char* given = std::getenv("RINGSIDE_BENCH_SECONDS");
    const unsigned seconds = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : 30;
    const pid_t programs[] = {start({RINGSIDE_BRIDGE, "host", "--vm-id", "host-1"}, folder),
                              start({RINGSIDE_DEMO_VMM, "--vm-id", "demo-1"}, folder)};
    ::sleep(seconds);
    for (pid_t program : programs) {
        int status = 0;
        if (::kill(program, SIGKILL) < 0 || ::waitpid(program, &status, 0) < 0 || !WIFSIGNALED(status)) {
            fail("the programs that record ended by themselves; run them by hand with --directory " + folder);
        }
    }
}

}  // namespace

std::vector<Recording> recordings() {
    static const std::shared_ptr<LayoutCache> layouts = agent::make_layout_cache();
    std::vector<std::string> paths;
    if (const char* given = std::getenv("RINGSIDE_BENCH_SEGMENTS")) {
        std::istringstream list(given);
        for (std::string path; std::getline(list, path, ':');) paths.push_back(path);
    } else {
        const std::string folder = scratch_folder("segments");
        record(folder);
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            if (entry.path().extension() == ".seg") paths.push_back(entry.path());
        }
    }
    if (paths.empty()) fail("there is no segment to pack: name some in RINGSIDE_BENCH_SEGMENTS");
    std::vector<Recording> all;
    for (const std::string& path : paths) {
        auto source = open(path, *layouts);
        all.push_back({source->schema()->name, source});
    }
    return all;
}

}  // namespace ringside::bench
