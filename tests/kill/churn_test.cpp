// Thousands of VMs that live for a moment, through one agent: each is in the archive in the end, with what it recorded.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "agent/archive/store.h"
#include "tests/support/agent_program.h"
#include "tests/support/live_writer.h"
#include "tests/support/run_length.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t kAliveMax = 100;
constexpr auto kPatience = std::chrono::minutes(5);

enum class End { kKilled, kClosed, kExited };

struct Vm {
    std::uint64_t total = 0;  // what it adds to its counter
    std::uint64_t life_ms = 0;
    End end = End::kKilled;
};

// In a process of its own: records for as long as it lives, then ends.
[[noreturn]] void live(const std::string& directory, const std::string& id, const Vm& vm) {
    Segment segment = make_segment(directory, id);
    Counter counter = segment.counter("test_requests_total", {"vda"});
    std::uint64_t added = 0;
    for (std::uint64_t ms = 0; ms < vm.life_ms; ms += 20) {
        const std::uint64_t due = vm.total * ms / vm.life_ms;
        counter.add(due - added);
        added = due;
        std::this_thread::sleep_for(milliseconds(20));
    }
    counter.add(vm.total - added);
    if (vm.end == End::kKilled) (void)::raise(SIGKILL);
    if (vm.end == End::kClosed) segment.close(static_cast<int>(vm.total % 100), "as planned");
    ::_exit(static_cast<int>(vm.total % 100));
}

class Churn : public testing::Test {
  protected:
    // Starts VMs, kAliveMax at a time, until `count` have lived.
    void live_through(const AgentProgram& agent, const std::string& prefix, std::uint64_t count,
                      std::mt19937_64& random) {
        std::uint64_t alive = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            const Vm vm{1 + random() % 1'000'000, 200 + random() % (i % 10 == 0 ? 4800 : 400),
                        static_cast<End>(random() % 3)};
            const std::string id = prefix + "-" + std::to_string(i);
            vms[id] = vm;
            if (alive == kAliveMax && ::wait(nullptr) > 0) --alive;
            const pid_t child = ::fork();
            if (child == 0) live(agent.segments(), id, vm);
            ASSERT_GT(child, 0);
            ++alive;
        }
        for (; alive > 0; --alive) {
            // The agent is a child, too.
            int status = 0;
            ASSERT_NE(::wait(&status), agent.pid()) << "the agent ended";
        }
    }
    void wait_until_drained(const AgentProgram& agent) {
        const auto deadline = steady_clock::now() + kPatience;
        while (agent.segments_left() > 0 && steady_clock::now() < deadline) {
            std::this_thread::sleep_for(milliseconds(20));
        }
        ASSERT_EQ(agent.segments_left(), 0u);
    }
    // What the archive says of each VM against what it did.
    void compare() {
        ArchiveStore store(FileSystem::real(), {disk / "archive", UINT64_MAX, kArchiveAgeWithoutLimit});
        ASSERT_TRUE(store.open().ok());
        ASSERT_EQ(store.status().corrupt_files + store.status().leftovers_removed, 0u);
        std::map<std::string, std::uint64_t> found;
        for (const auto& archived : store.list()) {
            const VmInfo vm = archived->info();
            ++found[vm.vm_id];
            ASSERT_TRUE(vms.contains(vm.vm_id));
            const Vm& lived = vms[vm.vm_id];
            auto data = archived->read(0, {.tier = 0});
            ASSERT_TRUE(data.ok() && data->size() > 0) << vm.vm_id;
            EXPECT_EQ(data->value.back(), lived.total) << vm.vm_id;
            causes[exit_cause_name(vm.exit_cause)] += 1;
            if (lived.end == End::kClosed) {
                EXPECT_EQ(vm.exit_cause, ExitCause::kClosed) << vm.vm_id;
                EXPECT_EQ(vm.close_code, static_cast<int>(lived.total % 100)) << vm.vm_id;
            }
            // Where the kernel told how the process ended, it told the truth.
            const bool told = vm.exit_signal != 0;
            EXPECT_TRUE(!told || (lived.end == End::kKilled && vm.exit_signal == SIGKILL)) << vm.vm_id;
            if (vm.exit_cause == ExitCause::kExited) {
                EXPECT_TRUE(lived.end == End::kExited) << vm.vm_id;
                EXPECT_EQ(vm.close_code, static_cast<int>(lived.total % 100)) << vm.vm_id;
            }
        }
        EXPECT_EQ(found.size(), vms.size()) << "a VM was lost";
        for (const auto& [id, times] : found) EXPECT_EQ(times, 1u) << id;
    }

    TemporaryFolder memory{"/dev/shm"};
    TemporaryFolder disk;
    std::map<std::string, Vm> vms;
    std::map<std::string, std::uint64_t> causes;
};

TEST_F(Churn, LosesNoVmAndKeepsNothingOfThem) {
    const std::uint64_t seed = chosen_seed();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 random(seed);
    const std::uint64_t count = longer_in_soak(500);  // 10,000
    AgentProgram agent(std::string(std::getenv("RINGSIDE_BUILD_DIR")) + "/agent/ringside-agent", memory.path(),
                       disk.path(), {"--scan-interval", "200ms"});
    // What VMs leave for good is a tenth of the rest's: the first have made the heap what it stays.
    live_through(agent, "first", count / 10, random);
    wait_until_drained(agent);
    const std::uint64_t before_kib = agent.memory_kib("RssAnon");
    // The last drain's segment is let go of after its name.
    std::this_thread::sleep_for(milliseconds(100));
    const std::size_t descriptors = agent.descriptors();
    live_through(agent, "vm", count, random);
    wait_until_drained(agent);
    const std::uint64_t after_kib = agent.memory_kib("RssAnon");
    std::this_thread::sleep_for(milliseconds(100));
    EXPECT_LE(agent.descriptors(), descriptors);
    // An archived VM stays in the index and in the catalog, and its three events in a ring: some KiB.
    EXPECT_LT(after_kib, before_kib + 4096 + count * 8);
    EXPECT_EQ(agent.stop(SIGTERM), 0);
    compare();
    std::printf("%zu VMs; memory %llu KiB, then %llu KiB;", vms.size(), static_cast<unsigned long long>(before_kib),
                static_cast<unsigned long long>(after_kib));
    for (const auto& [cause, times] : causes)
        std::printf(" %s %llu", cause.c_str(), static_cast<unsigned long long>(times));
    std::puts("");
}

}  // namespace
}  // namespace ringside::agent
