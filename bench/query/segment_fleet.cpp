#include "bench/query/segment_fleet.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
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

constexpr std::uint32_t kVmsAProcess = 10;

std::uint32_t process_count(std::uint32_t vms) { return (vms + kVmsAProcess - 1) / kVmsAProcess; }

void record_each_second(const std::vector<Vm>& vms, std::uint32_t first) {
    using namespace std::chrono;
    std::uint64_t second = kDataSeconds;
    for (;;) {
        // The middle of the next second.
        std::this_thread::sleep_until(floor<seconds>(system_clock::now()) + 1500ms);
        const auto now_ns = static_cast<std::uint64_t>(system_clock::now().time_since_epoch().count());
        ++second;
        for (std::uint32_t i = 0; i < vms.size(); ++i) record(vms[i], first + i, second, now_ns);
    }
}

// What the processes have: `ready` is told when the data are there, and a byte of `orders` lets one of them go on.
struct Place {
    std::string directory;
    std::uint64_t end_s;
    int orders, ready;
};

[[noreturn]] void live(const Place& place, std::uint32_t first, std::uint32_t count) {
    const std::uint64_t begin_s = place.end_s - kDataSeconds;
    std::vector<Vm> vms;
    for (std::uint32_t vm = first; vm < first + count; ++vm) {
        vms.push_back(make(place.directory, vm, begin_s * kNsPerSecond));
        for (std::uint64_t second = 1; second <= kDataSeconds; ++second) {
            record(vms.back(), vm, second, (begin_s + second - 1) * kNsPerSecond + kNsPerSecond / 2);
        }
        rside_tick(vms.back().segment, place.end_s * kNsPerSecond);  // The last second is over.
    }
    char order = 'r';
    (void)!write(place.ready, &order, 1);
    if (read(place.orders, &order, 1) == 1) record_each_second(vms, first);
    _exit(0);
}

// The parent of all: they end with it.
[[noreturn]] void keep(const Place& place, std::uint32_t vms) {
    stand_at((place.end_s - kDataSeconds) * kNsPerSecond);
    for (std::uint32_t first = 0; first < vms; first += kVmsAProcess) {
        const pid_t pid = fork();
        if (pid < 0) _exit(1);
        if (pid > 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        live(place, first, std::min(kVmsAProcess, vms - first));
    }
    close(place.ready);
    while (wait(nullptr) > 0) {
    }
    _exit(1);
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
        keep({directory, end_s, orders[0], ready[1]}, vms);
    }
    end_before_scratch(pid_);
    close(orders[0]);
    close(ready[1]);
    orders_ = orders[1];
    for (std::uint32_t i = 0; i < process_count(vms); ++i) {
        char answer = 0;
        if (read(ready[0], &answer, 1) != 1) fail("the segments could not be made");
    }
    close(ready[0]);
}

SegmentFleet::~SegmentFleet() {
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    ended_before_scratch(pid_);
    close(orders_);
}

void SegmentFleet::go_on() {
    const std::string orders(process_count(vms_), 'g');
    if (write(orders_, orders.data(), orders.size()) != static_cast<ssize_t>(orders.size())) fail("the VMs have ended");
}

}  // namespace ringside::bench
