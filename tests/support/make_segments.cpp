// Small segments of many VMs, quickly.
//
//     make_segments DIRECTORY PREFIX COUNT
//
// Creates one for each of PREFIX-0 and so on, records 1 into it, prints "ready" and keeps them open until its standard
// input ends or it is killed. It closes none of them: all their VMs end as killed.
#include <sys/resource.h>

#include <string>
#include <vector>

#include "tests/support/live_writer.h"

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: make_segments DIRECTORY PREFIX COUNT\n", stderr);
        return 2;
    }
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);

    std::vector<ringside::Segment> segments;
    for (int i = 0; i < std::atoi(argv[3]); ++i) {
        segments.push_back(ringside::agent::make_segment(argv[1], std::string(argv[2]) + "-" + std::to_string(i)));
        segments.back().counter("test_requests_total", {"vda"}).add(1);
    }
    std::puts("ready");
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    ::_exit(0);
}
