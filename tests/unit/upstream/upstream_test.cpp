// The thread around it: start, wake, flush, stop. Real time, real threads, a disk in memory.
#include "agent/upstream/upstream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "tests/support/memory_source.h"
#include "tests/support/mock_receiver.h"
#include "tests/support/results.h"
#include "tests/support/simulated_disk.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

// VMs that were drained, one minute old, with one counter.
class Drained : public SourceProvider {
  public:
    std::string add(std::uint8_t number) {
        auto vm = std::make_shared<MemorySource>();
        const std::uint64_t end_ns = (Clock::real().now_ns() / kSecond - 60) * kSecond;
        vm->info.vm_id = "vm" + std::to_string(number);
        vm->info.epoch.fill(number);
        vm->info.state = VmState::kDrained;
        vm->info.created_ns = end_ns - 5 * kSecond;
        vm->info.ended_ns = end_ns;
        vm->info.series_count = 1;
        vm->layout->tiers = {{1, 100, kColumnsAll}};
        vm->layout->metrics.resize(1);
        vm->layout->metrics[0].name = "c_total";
        vm->list.push_back({0, 0, {}, vm->info.created_ns});
        SeriesData& data = vm->runs[{0, 0}];
        for (std::uint64_t n = 1; n <= 5; ++n) {
            data.end_ns.push_back(vm->info.created_ns + n * kSecond);
            data.flags.push_back(0);
            data.value.push_back(n);
        }
        std::lock_guard lock(mutex_);
        vms_.push_back({vm_key(vm->info), vm});
        return vms_.back().key;
    }
    std::vector<UpstreamSource> sources() override {
        std::lock_guard lock(mutex_);
        ++calls;
        return vms_;
    }
    std::atomic<int> calls{0};

  private:
    std::mutex mutex_;
    std::vector<UpstreamSource> vms_;
};

// Epochs that were said to be done, and a wait for them.
class Done {
  public:
    void add(const std::string& key) {
        std::lock_guard lock(mutex_);
        keys_.insert(key);
        changed_.notify_all();
    }
    bool wait_for(const std::string& key) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(60), [&] { return keys_.contains(key); });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string> keys_;
};

class UpstreamTest : public ::testing::Test {
  protected:
    std::unique_ptr<Upstream> create(const std::string& url, const std::string& name = "default") {
        UpstreamOptions options;
        options.name = name;
        options.url = url;
        options.instance = "h";
        options.state_directory = "/state";
        options.poll = poll;
        UpstreamEvents events;
        events.epoch_done = [this](const std::string& key) { done.add(key); };
        Result<std::unique_ptr<Upstream>> upstream = Upstream::create(options, drained, events, Clock::real(), disk);
        EXPECT_TRUE(upstream.ok()) << message_of(upstream);
        return upstream.ok() ? std::move(*upstream) : nullptr;
    }

    std::chrono::milliseconds poll{3'600'000};  // so that only wake() is seen
    MockReceiver receiver;
    SimulatedDisk disk;
    Drained drained;
    Done done;
};

TEST_F(UpstreamTest, PushesWhatIsThereAtTheStart) {
    std::string key = drained.add(1);
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    EXPECT_FALSE(upstream->progress(key).done);
    upstream->start();
    EXPECT_TRUE(done.wait_for(key));
    EXPECT_TRUE(upstream->progress(key).done);
    EXPECT_EQ(receiver.stored().at("c_total{instance=\"h\",job=\"ringside\",vm_id=\"vm1\"}").size(), 7u);
    EXPECT_EQ(upstream->stats().windows_sent, 5u);
    EXPECT_EQ(receiver.breaches(), std::vector<std::string>{});
}

TEST_F(UpstreamTest, AWakeShowsItWhatIsNew) {
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    upstream->start();
    for (std::uint8_t number = 1; number <= 20; ++number) {
        std::string key = drained.add(number);
        upstream->wake();
        EXPECT_TRUE(done.wait_for(key));
    }
}

TEST_F(UpstreamTest, LooksByItselfNowAndThen) {
    poll = std::chrono::milliseconds(10);
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    upstream->start();
    EXPECT_TRUE(done.wait_for(drained.add(1)));
}

TEST_F(UpstreamTest, AFlushWaitsForWhatIsDueAtTheCall) {
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    upstream->start();
    for (std::uint8_t number = 1; number <= 50; ++number) {
        std::string key = drained.add(number);
        ASSERT_TRUE(upstream->flush(std::chrono::seconds(60)));
        EXPECT_TRUE(upstream->progress(key).done) << static_cast<int>(number);
    }
}

TEST_F(UpstreamTest, AFlushEndsWithTheFirstFailureAndStopIsBounded) {
    ClosedPort closed;
    std::string key = drained.add(1);
    std::unique_ptr<Upstream> upstream = create(closed.url());
    upstream->start();
    EXPECT_FALSE(upstream->flush(std::chrono::hours(1)));
    EXPECT_FALSE(upstream->flush(std::chrono::hours(1)));  // in a wait of up to 5 s
    upstream->stop();                                      // which it cuts
    upstream->stop();
    EXPECT_FALSE(upstream->flush(std::chrono::hours(1)));
    EXPECT_FALSE(upstream->progress(key).done);
    EXPECT_GT(upstream->stats().requests, 0u);
    EXPECT_EQ(upstream->stats().backlog_windows, 5u);
}

TEST_F(UpstreamTest, AFlushToAReceiverThatDoesNotAnswerEndsAtItsLimit) {
    receiver.decide([](std::size_t, const auto&) {
        MockReceiver::Answer answer;
        answer.hang = true;
        return answer;
    });
    std::string key = drained.add(1);
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    upstream->start();
    EXPECT_TRUE(receiver.wait_for_requests(1));
    EXPECT_FALSE(upstream->flush(std::chrono::milliseconds(50)));
    upstream->stop();
    EXPECT_FALSE(upstream->progress(key).done);
}

TEST_F(UpstreamTest, AReceiverThatHangsOrIsAwaySlowsNoOther) {
    MockReceiver hanging;
    hanging.decide([](std::size_t, const auto&) {
        MockReceiver::Answer answer;
        answer.hang = true;
        return answer;
    });
    ClosedPort closed;
    std::unique_ptr<Upstream> hangs = create(hanging.url(), "hangs");
    std::unique_ptr<Upstream> away = create(closed.url(), "away");
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    const std::string first = drained.add(1);
    hangs->start();
    away->start();
    EXPECT_TRUE(hanging.wait_for_requests(1));  // From here on it waits, until the end of the test.
    while (away->stats().requests == 0) std::this_thread::yield();
    upstream->start();
    EXPECT_TRUE(done.wait_for(first));
    const std::string second = drained.add(2);
    upstream->wake();
    EXPECT_TRUE(done.wait_for(second));
    EXPECT_TRUE(upstream->progress(second).done);
    EXPECT_FALSE(hangs->progress(first).done);
    EXPECT_FALSE(away->progress(first).done);
    EXPECT_EQ(hanging.requests().size(), 1u);
    EXPECT_EQ(upstream->stats().retries, 0u);
}

TEST_F(UpstreamTest, AFlushWaitsForAReceiverThatIsBack) {
    receiver.decide([](std::size_t number, const auto&) {
        MockReceiver::Answer answer;
        answer.status = number == 0 ? 503 : 0;
        return answer;
    });
    std::string key = drained.add(1);
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    upstream->start();
    EXPECT_TRUE(done.wait_for(key));
    key = drained.add(2);
    EXPECT_TRUE(upstream->flush(std::chrono::seconds(60)));
    EXPECT_TRUE(upstream->progress(key).done);
}

// It was away for one request, and nobody has tried it since.
TEST_F(UpstreamTest, AFlushTriesAReceiverThatHasFailedOnceMore) {
    receiver.decide([](std::size_t number, const auto&) {
        MockReceiver::Answer answer;
        if (number == 0) answer = {503, "", {{"Retry-After", "300"}}};
        return answer;
    });
    std::string key = drained.add(1);
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    upstream->start();
    EXPECT_TRUE(receiver.wait_for_requests(1));
    while (upstream->stats().requests == 0) std::this_thread::yield();
    // Should the failure not have been counted before, the first flush ends with it, and its cut counts for the pause.
    if (!upstream->flush(std::chrono::seconds(60))) {
        EXPECT_TRUE(upstream->flush(std::chrono::seconds(60)));
    }
    EXPECT_TRUE(upstream->progress(key).done);
}

TEST_F(UpstreamTest, StopsInTheMiddleOfARequestAndGoesOnInTheNextRun) {
    std::string key = drained.add(1);
    receiver.decide([](std::size_t number, const auto&) {
        MockReceiver::Answer answer;
        answer.hang = number == 2;
        return answer;
    });
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    upstream->start();
    EXPECT_TRUE(receiver.wait_for_requests(3));
    upstream.reset();  // stops
    receiver.release();
    upstream = create(receiver.url());
    upstream->start();
    EXPECT_TRUE(done.wait_for(key));
    EXPECT_EQ(receiver.stored().begin()->second.size(), 7u);
    EXPECT_EQ(receiver.repeated(), 1u);  // the one whose answer was never seen
    EXPECT_EQ(upstream->stats().samples_refused.size(), 0u);
}

TEST_F(UpstreamTest, MayBeStoppedWithoutHavingBeenStarted) {
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    EXPECT_FALSE(upstream->flush(std::chrono::hours(1)));
    upstream->stop();
    EXPECT_EQ(drained.calls, 0);
}

TEST_F(UpstreamTest, SaysWhatIsWrongWithItsOptions) {
    UpstreamOptions options;
    options.url = "ftp://x";
    options.instance = "h";
    options.state_directory = "/state";
    Result<std::unique_ptr<Upstream>> upstream = Upstream::create(options, drained, {}, Clock::real(), disk);
    EXPECT_EQ(code_of(upstream), Code::kInvalid);
}

TEST_F(UpstreamTest, TellsOfDamagedCursorsAtTheStart) {
    disk.put("/state/default.cursors", "garbage");
    std::unique_ptr<Upstream> upstream = create(receiver.url());
    EXPECT_GT(upstream->stats().cursor_records_damaged, 0u);
    EXPECT_EQ(disk.content("/state/default.cursors.damaged"), "garbage");
}

}  // namespace
}  // namespace ringside::agent
