// Real writers of segments for tests of the agent's parts: one in this process, and one in a child that can be killed.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ringside/ringside.hpp>
#include <string>

namespace ringside::agent {

inline constexpr const char* kWriterLabels[] = {"device"};
inline constexpr rside_tier kWriterTiers[] = {{1, 16, 0}, {10, 4, 0}};
inline constexpr rside_metric kWriterMetrics[] = {
    {"test_requests_total", RSIDE_COUNTER, 0, "", "Requests.", kWriterLabels, 1, 4, 0, 0, 0},
};
inline constexpr rside_schema kWriterSchema = {"test", 1, kWriterTiers, 2, kWriterMetrics, 1, 0};

inline rside_options writer_options(const std::string& directory, const std::string& vm_id) {
    rside_options options;
    rside_options_init(&options);
    options.directory = directory.c_str();
    options.vm_id = vm_id.c_str();
    options.schema = &kWriterSchema;
    return options;
}

// Creates the segment; the caller holds it open.
inline Segment make_segment(const std::string& directory, const std::string& vm_id) {
    Segment segment = Segment::create(writer_options(directory, vm_id));
    if (!segment) {
        std::fprintf(stderr, "cannot create a segment: %s\n", segment.error().text);
        std::abort();
    }
    return segment;
}

// Lays a segment out for a writer that may come; the path.
inline std::string provision_segment(const std::string& directory, const std::string& vm_id) {
    char path[512];
    rside_error error{};
    rside_options options = writer_options(directory, vm_id);
    if (rside_segment_provision(&options, path, sizeof path, &error) < 0) {
        std::fprintf(stderr, "cannot provision a segment: %s\n", error.text);
        std::abort();
    }
    return path;
}

// A writer in a process of its own, which records `count` into one counter and then waits to be killed.
class ChildWriter {
  public:
    ChildWriter(const std::string& directory, const std::string& vm_id, unsigned count) {
        int ends[2];
        if (::pipe(ends) != 0) std::abort();
        pid_ = ::fork();
        if (pid_ == 0) {
            Segment segment = make_segment(directory, vm_id);
            Counter counter = segment.counter("test_requests_total", {"vda"});
            for (unsigned i = 0; i < count; ++i) counter.add(1);
            if (::write(ends[1], "x", 1) != 1) ::_exit(1);
            for (;;) ::pause();
        }
        ::close(ends[1]);
        char ready = 0;
        if (pid_ < 0 || ::read(ends[0], &ready, 1) != 1) std::abort();
        ::close(ends[0]);
    }
    ChildWriter(const ChildWriter&) = delete;
    ChildWriter& operator=(const ChildWriter&) = delete;
    ~ChildWriter() { kill(); }

    // SIGKILL, and waits until the kernel has let go of everything it held.
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

  private:
    pid_t pid_ = -1;
};

}  // namespace ringside::agent
