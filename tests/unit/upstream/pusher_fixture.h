// An upstream's core against a strict receiver: VMs that count, an agent that can be started anew on the same disk. Time
// is virtual; windows are of 10 s.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/upstream/pusher.h"
#include "agent/upstream/remote_write_sender.h"
#include "tests/support/memory_source.h"
#include "tests/support/mock_receiver.h"
#include "tests/support/results.h"
#include "tests/support/simulated_disk.h"
#include "tests/support/virtual_clock.h"

namespace ringside::agent {

inline constexpr std::uint64_t kSecond = 1'000'000'000;
inline constexpr std::uint64_t kStart = 1'700'000'000 * kSecond;  // a window's end
inline constexpr std::int64_t kStartMs = 1'700'000'000'000;
inline constexpr std::uint64_t kWindow = 10 * kSecond;
inline constexpr char kCursors[] = "/state/t.cursors";

// A VM with `counters` counters c0_total, c1_total, ... that count one a second from its start on.
class CountingVm : public MemorySource {
  public:
    CountingVm(std::string vm_id, std::uint8_t epoch, std::uint64_t created_ns, std::uint32_t counters = 1) {
        info.vm_id = std::move(vm_id);
        info.epoch.fill(epoch);
        info.created_ns = info.attached_ns = created_ns;
        info.series_count = counters;
        layout->name = "counting";
        layout->hash = counters;
        layout->tiers = {{10, 100, kColumnsAll}};
        for (std::uint32_t n = 0; n < counters; ++n) {
            MetricInfo metric;
            metric.name = "c" + std::to_string(n) + "_total";
            metric.max_series = 1;
            layout->metrics.push_back(metric);
            list.push_back({n, n, {}, created_ns});
        }
    }
    Result<std::vector<SeriesInfo>> series() const override {
        if (series_error) return *series_error;
        return list;
    }
    // Windows up to now, as a live source would answer.
    void live_until(std::uint64_t now_ns) {
        for (; filled_ns_ <= now_ns; filled_ns_ += kWindow) {
            if (filled_ns_ > info.created_ns) put(filled_ns_, 0);
        }
    }
    // As drained: the last window ends at `ended_ns`.
    void end(std::uint64_t ended_ns) {
        live_until(ended_ns);
        info.ended_ns = ended_ns;
        info.state = VmState::kDrained;
        if (ended_ns % kWindow != 0) put(ended_ns, kPointPartial);
    }

    std::optional<Error> series_error;

  private:
    void put(std::uint64_t end_ns, std::uint8_t flags) {
        for (const SeriesInfo& series : list) {
            SeriesData& data = runs[{series.index, 0}];
            data.end_ns.push_back(end_ns);
            data.flags.push_back(flags);
            data.value.push_back((end_ns - info.created_ns) / kSecond);
        }
    }
    std::uint64_t filled_ns_ = kStart;
};

class Sources : public SourceProvider {
  public:
    std::vector<UpstreamSource> sources() override {
        std::vector<UpstreamSource> all;
        for (const auto& vm : vms) all.push_back({vm_key(vm->info), vm});
        return all;
    }
    CountingVm& add(std::string vm_id, std::uint8_t epoch, std::uint64_t created_ns, std::uint32_t counters = 1) {
        vms.push_back(std::make_shared<CountingVm>(std::move(vm_id), epoch, created_ns, counters));
        return *vms.back();
    }
    std::vector<std::shared_ptr<CountingVm>> vms;
};

// What an agent keeps in memory: gone with it.
struct Agent {
    Agent(UpstreamOptions given, SourceProvider& sources, FileSystem& files, VirtualClock& the_clock)
        : options(std::move(given)), clock(the_clock), store(opened(files, options)) {
        events.pushed = [this](const std::string& key, std::uint64_t end_ns, std::size_t samples) {
            pushed.push_back(key.substr(0, key.find('.')) + "@" + std::to_string((end_ns - kStart) / kSecond) + "x" +
                             std::to_string(samples));
        };
        events.epoch_done = [this](const std::string& key) { done.push_back(key.substr(0, key.find('.'))); };
        events.log = [this](bool, const std::string& text) { log.push_back(text); };
        Result<std::unique_ptr<Sender>> made = RemoteWriteSender::create(options);
        EXPECT_TRUE(made.ok());
        sender = std::move(*made);
        tracker = std::make_unique<VmTracker>(options, sources, store, stats, events);
        delivery = std::make_unique<Delivery>(
            options, *sender, pacer, stats, [this](bool, const std::string& text) { log.push_back(text); }, [] {}, 1);
        pusher = std::make_unique<Pusher>(options, *tracker, store, *delivery, pacer, stats, events);
    }
    static CursorStore opened(FileSystem& files, const UpstreamOptions& options) {
        Result<CursorStore> store = CursorStore::open(files, kCursors, options.cursors_max);
        EXPECT_TRUE(store.ok()) << message_of(store);
        return std::move(*store);
    }
    // Rounds at `now_ns` until nothing is due.
    Pusher::Round run(std::uint64_t now_ns) {
        clock.set(now_ns);
        for (int n = 0; n < 10'000; ++n) {
            Pusher::Round round = pusher->round();
            if (!round.more || pacer.stopped()) return round;
        }
        ADD_FAILURE() << "rounds without end";
        return {};
    }

    UpstreamOptions options;
    VirtualClock& clock;
    UpstreamEvents events;
    StatsBoard stats;
    Pacer pacer{clock};
    CursorStore store;
    std::unique_ptr<Sender> sender;
    std::unique_ptr<VmTracker> tracker;
    std::unique_ptr<Delivery> delivery;
    std::unique_ptr<Pusher> pusher;
    std::vector<std::string> pushed, done, log;
};

class PusherTest : public ::testing::Test {
  protected:
    PusherTest() {
        options.url = receiver.url();
        options.job = "j";
        options.instance = "h";
        options.grace = std::chrono::seconds(1);
        options.timeout = std::chrono::seconds(30);
        options.backlog_max = std::chrono::hours(1);
        start();
    }
    ~PusherTest() override { EXPECT_EQ(receiver.breaches(), std::vector<std::string>{}); }

    // A new agent on the same disk, as after a restart.
    void start() { agent = std::make_unique<Agent>(options, sources, disk, clock); }

    // Agents one after the other until all is done, each dead once its second request is stored: the answer comes to nobody.
    // How many there were.
    std::size_t agents_that_die(std::uint64_t now_ns) {
        std::size_t lives = 0;
        for (bool finished = false; !finished && lives < 100; ++lives) {
            start();
            const std::size_t before = receiver.requests().size();
            receiver.decide([&](std::size_t number, const auto&) {
                MockReceiver::Answer answer;
                answer.status = 0;
                if (number > before) {
                    answer.status = 204;
                    agent->pacer.stop();
                    agent->sender->abort();
                }
                return answer;
            });
            agent->run(now_ns);
            finished = std::ranges::all_of(
                sources.sources(), [&](const UpstreamSource& one) { return agent->tracker->progress(one.key).done; });
        }
        EXPECT_LT(lives, 100u);
        return lives;
    }

    // "value@seconds" from kStart, a stale marker as "stale@...".
    std::vector<std::string> series(const std::string& name, const std::string& vm_id = "a") {
        std::vector<std::string> all;
        auto stored = receiver.stored();
        for (const MockReceiver::Sample& sample : stored[name + "{instance=\"h\",job=\"j\",vm_id=\"" + vm_id + "\"}"]) {
            char text[64];
            const bool stale = sample.value_bits == kStaleBits;
            std::snprintf(
                text, sizeof text, "%s@%g",
                stale ? "stale" : std::to_string(static_cast<int>(std::bit_cast<double>(sample.value_bits))).c_str(),
                static_cast<double>(sample.timestamp_ms - kStartMs) / 1000);
            all.push_back(text);
        }
        return all;
    }

    using Texts = std::vector<std::string>;
    MockReceiver receiver;
    SimulatedDisk disk;
    VirtualClock clock{kStart};
    UpstreamOptions options;
    Sources sources;
    std::unique_ptr<Agent> agent;
};

inline std::uint64_t at(double seconds) { return kStart + static_cast<std::uint64_t>(seconds * 1e9); }

}  // namespace ringside::agent
