// What a cursor keeps for an audit: the tally of what was acknowledged, and the losses with their reasons.
#include <set>
#include <string>
#include <vector>

#include "agent/upstream/loss.h"
#include "agent/upstream/tally.h"
#include "tests/unit/upstream/pusher_fixture.h"

namespace ringside::agent {
namespace {

using Losses = std::vector<Loss>;

class LedgerTest : public PusherTest {
  protected:
    Ledger ledger(const CountingVm& vm) {
        std::optional<Ledger> found = agent->store.ledger(vm_key(vm.info));
        EXPECT_TRUE(found);
        return found ? *found : Ledger{};
    }
    // Of all window samples that the receiver has stored of a VM with one counter; zeros and stale markers are none.
    Tally stored(const std::string& vm_id) {
        const LabelSet labels = {{"__name__", "c0_total"}, {"instance", "h"}, {"job", "j"}, {"vm_id", vm_id}};
        Tally tally;
        auto all = receiver.stored();
        for (const auto& sample : all["c0_total{instance=\"h\",job=\"j\",vm_id=\"" + vm_id + "\"}"]) {
            const double value = std::bit_cast<double>(sample.value_bits);
            if (sample.value_bits == kStaleBits || value == 0) continue;
            tally.add({&labels, nullptr, sample.timestamp_ms, value});
        }
        return tally;
    }
    void refuse_at(std::int64_t timestamp_ms) {
        receiver.decide([=](std::size_t, const prometheus::WriteRequest& request) {
            for (const prometheus::TimeSeries& series : request.timeseries()) {
                const bool is_a = series.labels(series.labels_size() - 1).value() == "a";
                if (is_a && series.samples(0).timestamp() == timestamp_ms) return MockReceiver::Answer{400, "bad", {}};
            }
            return MockReceiver::Answer{};
        });
    }
};

TEST_F(LedgerTest, TalliesWhatTheReceiverHas) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(40));
    agent->run(at(41));
    EXPECT_EQ(ledger(vm).cursor.answered.samples, 4u);
    EXPECT_EQ(ledger(vm).cursor.answered, stored("a"));
    EXPECT_EQ(ledger(vm).cursor.tallied_ns, kStart);
    vm.end(at(57));
    agent->run(at(61));
    EXPECT_EQ(ledger(vm).cursor.answered.samples, 6u);
    EXPECT_EQ(ledger(vm).cursor.answered, stored("a"));
    EXPECT_EQ(ledger(vm).losses, Losses{});
}

TEST_F(LedgerTest, CountsARequestThatACrashRepeatedOnce) {
    CountingVm& vm = sources.add("a", 1, at(3));
    for (int n = 1; n <= 6; ++n) {
        vm.live_until(at(10 * n));
        if (n % 2 == 0) disk.set_capacity(1);  // Nothing is known of this push after the crash.
        agent->run(at(10 * n + 1));
        disk.set_capacity(UINT64_MAX);
        disk.kill_process();
        start();
    }
    EXPECT_GT(receiver.repeated(), 0u);
    agent->run(at(62));
    EXPECT_EQ(ledger(vm).cursor.answered.samples, 6u);
    EXPECT_EQ(ledger(vm).cursor.answered, stored("a"));
}

TEST_F(LedgerTest, NamesASampleThatWasRefused) {
    CountingVm& vm = sources.add("a", 1, at(3));
    sources.add("b", 2, at(3)).live_until(at(30));
    vm.live_until(at(30));
    refuse_at(kStartMs + 20'000);
    agent->run(at(31));
    start();  // It is in the file.
    EXPECT_EQ(ledger(vm).losses, (Losses{{"http_400", 0, at(10), at(20), 1}}));
    EXPECT_EQ(ledger(vm).cursor.answered.samples, 3u);
    EXPECT_EQ(ledger(vm).cursor.accepted, 2u);
    EXPECT_EQ(stored("a").samples, 2u);
}

TEST_F(LedgerTest, NamesWindowsThatCameTooLate) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(20));
    agent->run(at(21));
    vm.live_until(at(1500));  // The ring holds 990 s and the open window.
    agent->run(at(1501));
    EXPECT_EQ(ledger(vm).losses, (Losses{{"lapped", kEverySeries, at(20), at(510), 0}}));
    EXPECT_EQ(ledger(vm).cursor.accepted, 2u + 99u);
    EXPECT_GE(ledger(vm).cursor.tallied_ns, at(510));  // What the ring has lost cannot be counted again.
}

// What was lost before the first acknowledgement has no cursor to be saved with, while others are saved.
TEST_F(LedgerTest, KeepsALossThatCameBeforeTheFirstCursor) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.live_until(at(1500));
    sources.add("b", 2, at(1495)).live_until(at(1500));  // goes first
    agent->run(at(1501));
    const Losses losses = ledger(vm).losses;
    ASSERT_EQ(losses.size(), 1u);
    EXPECT_EQ(losses[0].reason, "lapped");
    EXPECT_EQ(losses[0].after_ns, kStart);
    start();
    EXPECT_EQ(ledger(vm).losses, losses);
}

TEST_F(LedgerTest, KnowsTheLossesOfAVmThatWasNeverPushed) {
    CountingVm& vm = sources.add("a", 1, at(3));
    vm.end(at(57));
    agent->run(at(57 + 3700));
    EXPECT_EQ(ledger(vm).cursor, Cursor{});
    EXPECT_EQ(ledger(vm).losses, (Losses{{"too_old", kEverySeries, kStart, at(57), 0}}));
    start();  // It is as old then.
    agent->run(at(57 + 3701));
    EXPECT_EQ(ledger(vm).losses, (Losses{{"too_old", kEverySeries, kStart, at(57), 0}}));
    const std::string key = vm_key(vm.info);
    sources.vms.clear();
    agent->run(at(57 + 3900));
    EXPECT_FALSE(agent->store.ledger(key));
}

TEST_F(LedgerTest, TalliesNoMoreThanTheRingHolds) {
    CountingVm& vm = sources.add("a", 1, at(3));
    for (int seconds = 10; seconds <= 4000; seconds += 10) {
        vm.live_until(at(seconds));
        agent->run(at(seconds + 1));
        const Cursor cursor = ledger(vm).cursor;
        ASSERT_LE(cursor.acked_ns - cursor.tallied_ns, 980 * kSecond) << seconds;
        ASSERT_EQ(cursor.answered.samples, (cursor.acked_ns - cursor.tallied_ns) / kWindow) << seconds;
        ASSERT_GE(cursor.answered.samples, seconds > 500 ? 48u : 1u) << seconds;
    }
    EXPECT_EQ(ledger(vm).cursor.accepted, 400u);
}

TEST_F(LedgerTest, NamesASeriesThatCannotBeRead) {
    CountingVm& vm = sources.add("a", 1, at(3), 2);
    vm.live_until(at(20));
    vm.errors[{1, 0}] = error(Code::kCorrupt, "bad slot");
    agent->run(at(21));
    EXPECT_EQ(ledger(vm).losses, (Losses{{"read_failed", 1, kStart, at(20), 0}}));
}

TEST(LossList, MergesNeighboursAndIgnoresRepeats) {
    LossList list;
    EXPECT_EQ(list.add({"http_400", 7, 0, 10, 2}), 0u);
    EXPECT_EQ(list.add({"http_400", 7, 10, 20, 3}), 0u);
    EXPECT_EQ(list.add({"http_400", 7, 10, 20, 3}), 1u);  // nothing new
    EXPECT_EQ(list.add({"http_400", 8, 20, 30, 1}), 1u);
    EXPECT_EQ(list.add({"http_422", 7, 20, 30, 1}), 2u);
    EXPECT_EQ(list.add({"http_400", 7, 40, 50, 1}), 3u);  // not a neighbour
    EXPECT_EQ(list.all()[0], (Loss{"http_400", 7, 0, 20, 5}));
}

TEST(LossList, MergesWhatGoesOverItsRoomAndSaysSo) {
    LossList list;
    for (std::uint32_t n = 0; n < kLossesMax; ++n) list.add({"http_400", n, n * 100, n * 100 + 10, 1});
    EXPECT_EQ(list.add({"http_422", 99, 5000, 5010, 4}), kLossesMax - 1);
    ASSERT_EQ(list.all().size(), kLossesMax);
    EXPECT_EQ(list.all().back(), (Loss{kManyReasons, kUnnamedSeries, 3100, 5010, 5}));
    EXPECT_EQ(list.all().front(), (Loss{"http_400", 0, 0, 10, 1}));
}

TEST(Tally, DependsOnEachPartOfASampleAndNotOnTheOrder) {
    const LabelSet a = {{"__name__", "x"}, {"vm_id", "a"}}, b = {{"__name__", "x"}, {"vm_id", "b"}};
    NativeHistogram histogram;
    histogram.buckets = {1, 2};
    NativeHistogram other = histogram;
    other.buckets[1] = 3;
    const std::vector<WireSample> all = {{&a, nullptr, 1, 1.0},
                                         {&b, nullptr, 1, 1.0},
                                         {&a, nullptr, 2, 1.0},
                                         {&a, nullptr, 1, 2.0},
                                         {&a, nullptr, 1, 1.0, 0, &histogram},
                                         {&a, nullptr, 1, 1.0, 0, &other}};
    std::set<std::uint64_t> digests;
    Tally forward, backward;
    for (const WireSample& sample : all) {
        Tally one;
        one.add(sample);
        digests.insert(one.digest);
        forward.add(sample);
    }
    for (auto sample = all.rbegin(); sample != all.rend(); ++sample) backward.add(*sample);
    EXPECT_EQ(digests.size(), all.size());
    EXPECT_EQ(forward, backward);
    EXPECT_EQ(forward.samples, all.size());
}

}  // namespace
}  // namespace ringside::agent
