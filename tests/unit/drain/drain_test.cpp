#include "agent/drain/drain.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/faulty_files.h"
#include "tests/support/results.h"
#include "tests/support/segment_folder.h"
#include "tests/support/simulated_disk.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
constexpr std::uint64_t kNow = 1'800'000'000 * kNsPerS;

using Keys = std::vector<std::string>;

class DrainTest : public testing::Test {
  protected:
    SimulatedDisk disk_;
    FaultyFiles files_{disk_};
    ArchiveStore store_{files_, {"/archive", std::uint64_t{1} << 30, 15 * 86400}};
    SegmentFolder host_{files_, "/segments"};
    DrainOptions options_;
    std::uint64_t monotonic_ns_ = 1000 * kNsPerS;

    void SetUp() override { ASSERT_TRUE(make_directories(disk_, "/segments").ok()); }

    std::string make(std::uint64_t seed) {
        MemorySource source = random_vm(seed, 6, 4);
        source.info.exit_cause = ExitCause::kKilled;
        source.info.state = VmState::kExited;
        source.info.closed_ns = 0;
        host_.make(disk_, source);
        return vm_key(source.info);
    }
    DrainTime now() const { return {kNow, monotonic_ns_}; }
    bool has_segment(const std::string& key) const { return disk_.content(host_.path_of(key)).has_value(); }
    void fail(const std::string& key, DrainStep step, Code code) {
        host_.before = [=](const std::string& of, DrainStep at) -> Result<void> {
            if (of == key && at == step) return error(code, "not now");
            return {};
        };
    }
    // A batch of three whose `failing_sync`th fsync, from 1 on, comes to nothing.
    Keys drain_three(Drain& drain, int failing_sync) {
        Keys keys;
        for (std::uint64_t seed : {1, 2, 3}) keys.push_back(make(seed));
        for (const std::string& key : keys) drain.submit(key);
        EXPECT_TRUE(store_.open().ok());
        files_.fail_when([failing_sync, syncs = 0](const std::string& call, const std::string&) mutable {
            return call == "fsync" && ++syncs == failing_sync ? EIO : 0;
        });
        drain.tick(now());
        return keys;
    }
};

TEST_F(DrainTest, TakesADeadVmFromSegmentToArchive) {
    Drain drain(options_, store_, host_);
    std::string key = make(1);
    drain.submit(key);
    EXPECT_EQ(drain.status().pending, 1u);
    EXPECT_EQ(drain.tick(now()), 1u);
    EXPECT_EQ(host_.done, Keys{key});
    EXPECT_EQ(host_.handed_over, Keys{key});
    EXPECT_FALSE(has_segment(key));
    auto archived = store_.find(key);
    ASSERT_NE(archived, nullptr);
    EXPECT_EQ(archived->info().exit_cause, ExitCause::kKilled);
    EXPECT_EQ(archived->info().state, VmState::kDrained);
    MemorySource expected = host_.source(key);
    expected.info.exit_cause = ExitCause::kKilled;
    expected.info.state = VmState::kDrained;
    EXPECT_EQ(difference(expected, *archived), "");
    EXPECT_EQ(drain.status().pending, 0u);
    EXPECT_EQ(drain.status().drained[static_cast<std::size_t>(ExitCause::kKilled)], 1u);
}

TEST_F(DrainTest, SubmittingTwiceDrainsOnce) {
    Drain drain(options_, store_, host_);
    std::string key = make(1);
    drain.submit(key);
    drain.submit(key);
    EXPECT_EQ(drain.tick(now()), 1u);
    EXPECT_EQ(drain.tick(now()), 0u);
    EXPECT_EQ(host_.done.size(), 1u);
}

TEST_F(DrainTest, MakesSoManyAttemptsATickAndTheOldestFirst) {
    options_.max_per_tick = 2;
    Drain drain(options_, store_, host_);
    Keys keys;
    for (std::uint64_t seed : {5, 3, 4}) {
        keys.push_back(make(seed));
        drain.submit(keys.back());
    }
    EXPECT_EQ(drain.tick(now()), 2u);
    EXPECT_EQ(host_.done, (Keys{keys[0], keys[1]}));
    EXPECT_EQ(drain.tick(now()), 1u);
    EXPECT_EQ(host_.done, keys);
}

TEST_F(DrainTest, AFailureAtAnyStepKeepsTheSegmentAndIsRepeatedLater) {
    const auto steps = {DrainStep::kFinalise, DrainStep::kHandOver, DrainStep::kBlackBox, DrainStep::kUnlink};
    for (DrainStep step : steps) {
        Drain drain(options_, store_, host_);
        std::string key = make(10 + static_cast<std::uint64_t>(step));
        fail(key, step, Code::kUnavailable);
        drain.submit(key);
        EXPECT_EQ(drain.tick(now()), 1u);
        EXPECT_TRUE(has_segment(key)) << drain_step_name(step);
        ASSERT_EQ(drain.pending().size(), 1u);
        PendingDrain pending = drain.pending()[0];
        EXPECT_EQ(pending.failed_at, step);
        EXPECT_EQ(pending.last_error.context, "not now");
        EXPECT_EQ(pending.attempts, 1u);
        EXPECT_EQ(drain.status().failures[static_cast<std::size_t>(step)], 1u);
        EXPECT_EQ(drain.status().retrying, 1u);
        host_.before = {};
        EXPECT_EQ(drain.tick(now()), 0u) << "before its time";
        monotonic_ns_ += options_.retry_min_ns;
        EXPECT_EQ(drain.tick(now()), 1u);
        EXPECT_FALSE(has_segment(key));
        EXPECT_NE(store_.find(key), nullptr);
        EXPECT_EQ(drain.status().pending, 0u);
    }
    EXPECT_EQ(store_.status().written_files, steps.size()) << "archived once each";
}

TEST_F(DrainTest, WaitsTwiceAsLongAfterEachFailureUpToABound) {
    options_.retry_min_ns = 10;
    options_.retry_max_ns = 50;
    Drain drain(options_, store_, host_);
    std::string key = make(1);
    fail(key, DrainStep::kFinalise, Code::kIo);
    drain.submit(key);
    std::vector<std::uint64_t> waits;
    for (int i = 0; i < 80; ++i) {
        ASSERT_EQ(drain.tick(now()), 1u);
        std::uint64_t next_ns = drain.pending()[0].next_try_ns;
        waits.push_back(next_ns - monotonic_ns_);
        monotonic_ns_ = next_ns;
    }
    EXPECT_EQ(std::vector<std::uint64_t>(waits.begin(), waits.begin() + 5),
              (std::vector<std::uint64_t>{10, 20, 40, 50, 50}));
    EXPECT_EQ(waits.back(), 50u);
}

TEST_F(DrainTest, AVmThatFailsHoldsNoOtherUp) {
    options_.max_per_tick = 1;
    Drain drain(options_, store_, host_);
    std::string bad = make(1);
    std::string good = make(2);
    fail(bad, DrainStep::kUnlink, Code::kIo);
    drain.submit(bad);
    drain.submit(good);
    for (int i = 0; i < 3; ++i) drain.tick(now());
    EXPECT_EQ(host_.done, Keys{good});
    EXPECT_EQ(drain.status().pending, 1u);
}

TEST_F(DrainTest, ACorruptSegmentIsGivenUpAndNotUnlinked) {
    for (Code code : {Code::kCorrupt, Code::kInvalid}) {
        Drain drain(options_, store_, host_);
        std::string key = make(1);
        fail(key, DrainStep::kFinalise, code);
        drain.submit(key);
        drain.tick(now());
        EXPECT_TRUE(has_segment(key));
        EXPECT_EQ(drain.status().pending, 0u);
        EXPECT_EQ(drain.status().given_up, 1u);
        ASSERT_FALSE(host_.failures.empty());
        EXPECT_TRUE(host_.failures.back().given_up);
        EXPECT_EQ(store_.find(key), nullptr);
    }
}

TEST_F(DrainTest, ASegmentThatVanishedBeforeItWasArchivedIsCounted) {
    Drain drain(options_, store_, host_);
    std::string key = make(1);
    ASSERT_TRUE(remove_file(disk_, host_.path_of(key)).ok());
    drain.submit(key);
    drain.tick(now());
    EXPECT_EQ(drain.status().given_up, 1u);
    EXPECT_EQ(host_.failures.at(0).error.code, Code::kNotFound);
    EXPECT_TRUE(host_.done.empty());
}

TEST_F(DrainTest, ASegmentThatIsGoneAfterItWasArchivedIsDone) {
    Drain drain(options_, store_, host_);
    std::string key = make(1);
    const MemorySource& source = host_.source(key);
    ASSERT_TRUE(store_.add(source, source.info, kNow).ok());
    ASSERT_TRUE(remove_file(disk_, host_.path_of(key)).ok());
    drain.submit(key);
    drain.tick(now());
    EXPECT_EQ(host_.done, Keys{key});
    EXPECT_EQ(drain.status().given_up, 0u);
}

TEST_F(DrainTest, AfterARestartItUnlinksWhatWasArchivedBefore) {
    std::string key = make(1);
    {
        Drain drain(options_, store_, host_);
        fail(key, DrainStep::kUnlink, Code::kIo);
        drain.submit(key);
        drain.tick(now());
        host_.before = {};
    }
    ASSERT_TRUE(has_segment(key));
    ArchiveStore store(files_, {"/archive", std::uint64_t{1} << 30, 15 * 86400});
    Drain drain(options_, store, host_);
    drain.submit(key);
    drain.tick(now());
    EXPECT_FALSE(has_segment(key));
    EXPECT_EQ(store.status().written_files, 0u);
}

TEST_F(DrainTest, ACorruptArchiveIsWrittenAnewBeforeTheSegmentGoes) {
    std::string key = make(1);
    Drain drain(options_, store_, host_);
    fail(key, DrainStep::kUnlink, Code::kIo);
    drain.submit(key);
    drain.tick(now());
    host_.before = {};
    std::string bytes = *disk_.content(store_.path_of(key));
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    disk_.put(store_.path_of(key), bytes);
    monotonic_ns_ += options_.retry_max_ns;
    drain.tick(now());
    EXPECT_FALSE(has_segment(key));
    EXPECT_TRUE(store_.verified(key).ok());
    EXPECT_EQ(store_.status().corrupt_files, 1u);
}

TEST_F(DrainTest, ANewFileUnderTheSegmentsNameStays) {
    std::string key = make(1);
    host_.before = [&](const std::string&, DrainStep step) -> Result<void> {
        if (step == DrainStep::kHandOver) disk_.put(host_.path_of(key), "somebody else's");
        return {};
    };
    Drain drain(options_, store_, host_);
    drain.submit(key);
    drain.tick(now());
    EXPECT_EQ(host_.done, Keys{key});
    EXPECT_EQ(disk_.content(host_.path_of(key)), "somebody else's");
}

TEST_F(DrainTest, AnotherVmInTheArchiveKeepsTheSegment) {
    std::string key = make(1);
    MemorySource other = host_.source(key);
    other.info.segment_bytes += 1;
    ASSERT_TRUE(store_.add(other, other.info, kNow).ok());
    Drain drain(options_, store_, host_);
    drain.submit(key);
    drain.tick(now());
    EXPECT_TRUE(has_segment(key));
    EXPECT_EQ(drain.pending().at(0).failed_at, DrainStep::kArchive);
    EXPECT_EQ(drain.pending().at(0).last_error.code, Code::kExists);
}

TEST_F(DrainTest, AFullDiskKeepsSegmentsUntilThereIsRoom) {
    Drain drain(options_, store_, host_);
    Keys keys;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        keys.push_back(make(seed));
        drain.submit(keys.back());
    }
    disk_.set_capacity(6000);
    drain.tick(now());
    EXPECT_GT(drain.status().pending, 0u);
    for (const std::string& key : keys) {
        EXPECT_NE(has_segment(key), store_.find(key) != nullptr) << key;
    }
    disk_.set_capacity(UINT64_MAX);
    monotonic_ns_ += options_.retry_max_ns;
    drain.tick(now());
    EXPECT_EQ(drain.status().pending, 0u);
    EXPECT_EQ(host_.done.size(), 5u);
    EXPECT_EQ(store_.status().written_files, 5u);
}

TEST_F(DrainTest, DrainNowGivesTheArchivedVm) {
    Drain drain(options_, store_, host_);
    std::string key = make(1);
    auto archived = drain.drain_now(key, now());
    ASSERT_TRUE(archived.ok()) << message_of(archived);
    EXPECT_EQ(vm_key((*archived)->info()), key);
    EXPECT_FALSE(has_segment(key));
    EXPECT_TRUE(drain.drain_now(key, now()).ok()) << "once more is no error";
    EXPECT_EQ(host_.done.size(), 1u);
    EXPECT_EQ(code_of(drain.drain_now("nobody", now())), Code::kNotFound);
}

TEST_F(DrainTest, DrainNowDoesNotWaitForTheBackoff) {
    Drain drain(options_, store_, host_);
    std::string key = make(1);
    fail(key, DrainStep::kHandOver, Code::kUnavailable);
    drain.submit(key);
    drain.tick(now());
    EXPECT_EQ(code_of(drain.drain_now(key, now())), Code::kUnavailable);
    host_.before = {};
    EXPECT_TRUE(drain.drain_now(key, now()).ok());
    EXPECT_EQ(drain.status().pending, 0u);
}

TEST_F(DrainTest, DrainNowWaitsForAnAttemptThatRuns) {
    Drain drain(options_, store_, host_);
    std::string key = make(1);
    std::mutex mutex;
    std::condition_variable changed;
    bool inside = false;
    bool go_on = false;
    host_.before = [&](const std::string&, DrainStep step) -> Result<void> {
        if (step != DrainStep::kHandOver) return {};
        std::unique_lock lock(mutex);
        inside = true;
        changed.notify_all();
        changed.wait(lock, [&] { return go_on; });
        return {};
    };
    drain.submit(key);
    std::thread ticker([&] { drain.tick(now()); });
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return inside; });
    }
    EXPECT_TRUE(drain.pending().at(0).running);
    Result<std::shared_ptr<const ArchivedVm>> second = error(Code::kInternal, "not asked");
    std::thread asker([&] { second = drain.drain_now(key, now()); });
    {
        std::lock_guard lock(mutex);
        go_on = true;
    }
    changed.notify_all();
    ticker.join();
    asker.join();
    EXPECT_TRUE(second.ok()) << message_of(second);
    EXPECT_EQ(host_.done.size(), 1u);
    EXPECT_EQ(host_.finalised.size(), 1u);
}

TEST_F(DrainTest, StopEndsAfterTheBatchInHand) {
    options_.max_per_tick = 1;
    Drain drain(options_, store_, host_);
    std::string first = make(1);
    std::string second = make(2);
    drain.submit(first);
    drain.submit(second);
    host_.before = [&](const std::string&, DrainStep step) -> Result<void> {
        if (step == DrainStep::kHandOver) drain.stop();
        return {};
    };
    EXPECT_EQ(drain.tick(now()), 1u);
    EXPECT_EQ(host_.done, Keys{first});
    EXPECT_TRUE(has_segment(second));
    EXPECT_EQ(drain.tick(now()), 0u);
}

TEST_F(DrainTest, ABatchSyncsTheArchivesFolderOnceAndUnlinksAfterThat) {
    std::vector<std::string> calls;
    files_.fail_when([&](const std::string& call, const std::string& path) {
        if (call == "fsync" || call == "rename" || (call == "unlink" && path.starts_with("/segments")))
            calls.push_back(call);
        return 0;
    });
    ASSERT_TRUE(store_.open().ok());
    calls.clear();
    Drain drain(options_, store_, host_);
    for (std::uint64_t seed : {1, 2, 3}) drain.submit(make(seed));
    EXPECT_EQ(drain.tick(now()), 3u);
    EXPECT_EQ(calls,
              (Keys{"fsync", "fsync", "fsync", "rename", "rename", "rename", "fsync", "unlink", "unlink", "unlink"}));
}

TEST_F(DrainTest, OneThatFailsAtAnyStepFailsNoOtherOfItsBatch) {
    for (DrainStep step : {DrainStep::kFinalise, DrainStep::kHandOver, DrainStep::kBlackBox, DrainStep::kUnlink}) {
        Drain drain(options_, store_, host_);
        const auto seed = 10 * static_cast<std::uint64_t>(step);
        const std::string first = make(seed + 1), bad = make(seed + 2), last = make(seed + 3);
        for (const std::string& key : {first, bad, last}) drain.submit(key);
        fail(bad, step, Code::kUnavailable);
        EXPECT_EQ(drain.tick(now()), 3u);
        EXPECT_FALSE(has_segment(first));
        EXPECT_FALSE(has_segment(last));
        EXPECT_TRUE(has_segment(bad)) << drain_step_name(step);
        EXPECT_EQ(drain.status().pending, 1u);
    }
}

TEST_F(DrainTest, AFileThatCannotBeSyncedFailsNoOtherOfItsBatch) {
    Drain drain(options_, store_, host_);
    const Keys keys = drain_three(drain, 2);
    EXPECT_EQ(host_.done, (Keys{keys[0], keys[2]}));
    EXPECT_TRUE(has_segment(keys[1]));
    EXPECT_EQ(store_.find(keys[1]), nullptr);
    EXPECT_EQ(drain.pending().at(0).failed_at, DrainStep::kArchive);
    EXPECT_EQ(store_.status().write_errors, 1u);
    EXPECT_EQ(list_directory(disk_, "/archive")->size(), 2u) << "no leftover of the third";
}

TEST_F(DrainTest, AFolderThatCannotBeSyncedKeepsAllSegmentsOfTheBatch) {
    Drain drain(options_, store_, host_);
    const Keys keys = drain_three(drain, 4);
    EXPECT_TRUE(host_.unlinked.empty());
    for (const std::string& key : keys) EXPECT_EQ(store_.find(key), nullptr) << "not durable, so not in the index";
    monotonic_ns_ += options_.retry_max_ns;
    drain.tick(now());
    EXPECT_EQ(host_.unlinked.size(), 3u);
    EXPECT_EQ(store_.status().written_files, 0u) << "the files of the first time are kept";
}

TEST_F(DrainTest, ExportsItsCounters) {
    Drain drain(options_, store_, host_);
    Metrics metrics;
    drain.export_to(metrics);
    std::string key = make(1);
    fail(key, DrainStep::kUnlink, Code::kIo);
    drain.submit(key);
    drain.tick(now());
    std::string text = metrics.text();
    EXPECT_NE(text.find("ringside_drain_pending 1\n"), std::string::npos) << text;
    EXPECT_NE(text.find("ringside_drain_failures_total{step=\"unlink\"} 1\n"), std::string::npos) << text;
    host_.before = {};
    monotonic_ns_ += options_.retry_max_ns;
    drain.tick(now());
    text = metrics.text();
    EXPECT_NE(text.find("ringside_drain_drained_total{cause=\"killed\"} 1\n"), std::string::npos) << text;
    EXPECT_NE(text.find("ringside_drain_pending 0\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace ringside::agent
