// The drain killed at random instants, again and again, until nothing is left to do.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "agent/drain/drain.h"
#include "tests/support/results.h"
#include "tests/support/segment_folder.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
constexpr std::uint64_t kNow = 1'800'000'000 * kNsPerS;
constexpr std::size_t kVms = 6;

class DrainKill : public testing::Test {
  protected:
    TemporaryFolder folder_{"/dev/shm"};
    const ArchiveOptions archive_{folder_ / "archive", std::uint64_t{1} << 30, 15 * 86400};

    // One life of the agent's drain, as another process, with a SIGKILL coming after `delay_ns`: from a timer of the
    // kernel, so that it hits at any instruction, however busy the machine is. Whether it came before the end.
    bool live(const std::vector<MemorySource>& sources, const std::string& segments, std::uint64_t delay_ns) {
        pid_t child = fork();
        if (child == 0) {
            set_timer(delay_ns);
            ArchiveStore store(FileSystem::real(), archive_);
            static_cast<void>(store.open());
            SegmentFolder host(FileSystem::real(), segments);
            for (const MemorySource& source : sources) host.know(source);
            Drain drain({}, store, host);
            for (const std::string& key : host.keys()) {
                if (access(host.path_of(key).c_str(), F_OK) == 0) drain.submit(key);
            }
            drain.tick({kNow, 1});
            _exit(drain.status().pending == 0 ? 0 : 1);
        }
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        EXPECT_TRUE(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << "status " << status;
        return killed;
    }

    static void set_timer(std::uint64_t delay_ns) {
        sigevent event{};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGKILL;
        timer_t timer{};
        itimerspec when{};
        when.it_value.tv_sec = static_cast<time_t>(delay_ns / kNsPerS);
        when.it_value.tv_nsec = static_cast<long>(delay_ns % kNsPerS);
        if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &when, nullptr) != 0)
            _exit(2);
    }

    // Each VM is in its segment or whole in the archive, and a file that was there before still is the same one.
    void expect_nothing_lost(const std::vector<MemorySource>& sources, const std::string& segments,
                             std::map<std::string, ino_t>* archived) {
        SegmentFolder host(FileSystem::real(), segments);
        SchemaPool pool;
        for (const MemorySource& source : sources) {
            std::string key = vm_key(source.info);
            std::string path = archive_.directory + "/" + key + ".rsa";
            struct stat status {};
            bool there = lstat(path.c_str(), &status) == 0;
            if (there) {
                auto vm = ArchivedVm::open(FileSystem::real(), path, pool);
                ASSERT_TRUE(vm.ok()) << message_of(vm);
                MemorySource expected = source;
                expected.info.exit_cause = ExitCause::kKilled;
                EXPECT_EQ(difference(expected, **vm), "");
                auto [first, added] = archived->try_emplace(key, status.st_ino);
                EXPECT_EQ(first->second, status.st_ino) << key << " was archived twice";
            }
            EXPECT_TRUE(there || access(host.path_of(key).c_str(), F_OK) == 0) << key << " is lost";
            EXPECT_TRUE(there || !archived->contains(key)) << key << " was archived and is gone";
        }
    }
};

TEST_F(DrainKill, EachVmIsArchivedExactlyOnce) {
    std::uint64_t seed = std::random_device{}();
    if (const char* given = std::getenv("RINGSIDE_SEED")) seed = std::strtoull(given, nullptr, 10);
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    RecordProperty("seed", std::to_string(seed));
    std::mt19937_64 random(seed);
    std::uint64_t kills_wanted = std::getenv("RINGSIDE_SOAK") != nullptr ? 10'000 : 200;
    std::uint64_t lives = 0, kills = 0, drained = 0;
    std::uint64_t delay_max_ns = 10'000'000;
    for (std::uint64_t round = 0; kills < kills_wanted && round < 10 * kills_wanted; ++round) {
        std::vector<MemorySource> sources;
        for (std::uint64_t i = 0; i < kVms; ++i) {
            sources.push_back(random_vm(random(), 6, 4));
            sources.back().info.closed_ns = 0;
            sources.back().info.exit_cause = ExitCause::kKilled;
        }
        std::string segments = folder_ / ("segments-" + std::to_string(round));
        ASSERT_TRUE(make_directories(FileSystem::real(), segments).ok());
        SegmentFolder host(FileSystem::real(), segments);
        for (const MemorySource& source : sources) host.make(FileSystem::real(), source);
        std::map<std::string, ino_t> archived;
        for (bool killed = true; killed;) {
            killed = live(sources, segments, 1 + random() % delay_max_ns);
            // Settles where about two lives in three are cut off, on a fast machine and on a slow one.
            delay_max_ns = killed ? delay_max_ns + delay_max_ns / 20 : delay_max_ns - delay_max_ns / 10;
            lives += 1;
            kills += killed ? 1 : 0;
            expect_nothing_lost(sources, segments, &archived);
            if (HasFailure()) return;
        }
        EXPECT_EQ(archived.size(), kVms);
        EXPECT_TRUE(list_directory(FileSystem::real(), segments)->empty());
        EXPECT_EQ(list_directory(FileSystem::real(), archive_.directory)->size(), kVms) << "a leftover, or quarantine";
        drained += kVms;
        std::filesystem::remove_all(archive_.directory);
        std::filesystem::remove_all(segments);
    }
    std::printf("%llu lives, %llu of them killed, %llu VMs drained\n", static_cast<unsigned long long>(lives),
                static_cast<unsigned long long>(kills), static_cast<unsigned long long>(drained));
    EXPECT_GE(kills, kills_wanted) << "too few kills landed inside a drain to prove anything";
}

}  // namespace
}  // namespace ringside::agent
