#include "bench/query/segment_fleet.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "bench/query/standing_clock.h"
#include "bench/query/workload.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

struct Vm {
    rside_segment* segment = nullptr;
    std::vector<rside_counter> counters;
    rside_histogram histogram{};
};

// In the child, which has no folder to remove.
void check(int result, const rside_error& error) {
    if (result >= 0) return;
    std::fprintf(stderr, "query_bench: %s\n", error.text);
    _exit(1);
}

Vm make(const std::string& directory, std::uint32_t number, std::uint64_t begin_ns) {
    const std::string id = vm_name(number);
    rside_options options;
    rside_options_init(&options);
    options.vm_id = id.c_str();
    options.directory = directory.c_str();
    options.schema = &schema();
    options.clock = RSIDE_CLOCK_TICK;
    Vm vm;
    rside_error error{};
    check(rside_segment_create(&options, &vm.segment, &error), error);
    rside_tick(vm.segment, begin_ns);
    for (std::uint32_t i = 0; i < kCounters; ++i) {
        const std::string value = std::to_string(i);
        const char* const values[] = {value.c_str()};
        error.code = 0;
        vm.counters.push_back(rside_counter_register(vm.segment, "m", values, 1, &error));
        check(error.code, error);
    }
    vm.histogram = rside_histogram_register(vm.segment, "h", nullptr, 0, &error);
    check(error.code, error);
    return vm;
}

// A second of the workload, at a moment in it.
void record(const Vm& vm, std::uint32_t number, std::uint64_t second, std::uint64_t now_ns) {
    rside_tick(vm.segment, now_ns);
    for (std::uint32_t i = 0; i < kCounters; ++i) {
        rside_counter_add(vm.counters[i], counter_delta(number, i, second));
    }
    for (std::uint32_t i = 0; i < kObservations; ++i) {
        rside_histogram_record(vm.histogram, observed_value(observed_bucket(number, second, i)));
    }
}

void record_each_second(const std::vector<Vm>& vms) {
    using namespace std::chrono;
    std::uint64_t second = kDataSeconds;
    for (;;) {
        // The middle of the next second.
        std::this_thread::sleep_until(floor<seconds>(system_clock::now()) + 1500ms);
        const auto now_ns = static_cast<std::uint64_t>(system_clock::now().time_since_epoch().count());
        ++second;
        for (std::uint32_t i = 0; i < vms.size(); ++i) record(vms[i], i, second, now_ns);
    }
}

[[noreturn]] void live(const std::string& directory, std::uint32_t count, std::uint64_t end_s, int orders, int ready) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    const std::uint64_t begin_s = end_s - kDataSeconds;
    stand_at(begin_s * kNsPerSecond);
    std::vector<Vm> vms;
    for (std::uint32_t i = 0; i < count; ++i) {
        vms.push_back(make(directory, i, begin_s * kNsPerSecond));
        for (std::uint64_t second = 1; second <= kDataSeconds; ++second) {
            record(vms.back(), i, second, (begin_s + second - 1) * kNsPerSecond + kNsPerSecond / 2);
        }
        rside_tick(vms.back().segment, end_s * kNsPerSecond);  // The last second is over.
    }
    char order = 'r';
    (void)!write(ready, &order, 1);
    if (read(orders, &order, 1) == 1) record_each_second(vms);
    _exit(0);
}

}  // namespace

SegmentFleet::SegmentFleet(const std::string& directory, std::uint32_t vms, std::uint64_t end_s)
    : vms_(vms), end_s_(end_s) {
    int orders[2], ready[2];
    if (pipe2(orders, O_CLOEXEC) != 0 || pipe2(ready, O_CLOEXEC) != 0) fail("no pipe");
    pid_ = fork();
    if (pid_ < 0) fail("no process for the VMs");
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        close(orders[1]);
        close(ready[0]);
        live(directory, vms, end_s, orders[0], ready[1]);
    }
    end_before_scratch(pid_);
    close(orders[0]);
    close(ready[1]);
    orders_ = orders[1];
    char answer = 0;
    if (read(ready[0], &answer, 1) != 1) fail("the segments could not be made");
    close(ready[0]);
}

SegmentFleet::~SegmentFleet() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    ended_before_scratch(pid_);
    close(orders_);
}

void SegmentFleet::go_on() {
    if (write(orders_, "g", 1) != 1) fail("the VMs have ended");
}

}  // namespace ringside::bench
