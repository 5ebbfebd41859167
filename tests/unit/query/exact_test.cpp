// Functions over the windows of a real writer's segment, beside the same functions over what was recorded, one by one. All
// values are multiples of 1/4 and few enough for their sums to be exact in whatever order.
#include <gtest/gtest.h>
#include <ringside/ringside.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/promql/engine/engine.h"
#include "agent/promql/syntax/parser.h"
#include "agent/query/vm_samples.h"
#include "agent/segment/open.h"
#include "tests/simulation/simulated_time.h"
#include "tests/support/open_segment.h"
#include "tests/support/results.h"
#include "tests/support/run_length.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

using simulation::kHour;
using simulation::kMinute;
using simulation::kMs;
using simulation::kSecond;

constexpr rside_tier kTiers[] = {{1, 300, 0}, {10, 420, 0}, {300, 48, 0}};
constexpr rside_metric kMetrics[] = {
    {"t_requests_total", RSIDE_COUNTER, 0, "", "", nullptr, 0, 1, 0, 0, 0},
    {"t_depth", RSIDE_GAUGE, 0, "", "", nullptr, 0, 1, 0, 0, 0},
    {"t_memory", RSIDE_LEVEL, 0, "", "", nullptr, 0, 1, 0, 0, 0},
    {"t_delay_seconds", RSIDE_HISTOGRAM, 0, "", "", nullptr, 0, 1, 3, 0.001, 64},
};
constexpr rside_schema kSchema = {"exact", 1, kTiers, 3, kMetrics, 4, 0};

struct Observation {
    std::uint64_t at_ns;
    double value;
};
using Observations = std::vector<Observation>;

class ExactTest : public testing::Test {
  protected:
    void SetUp() override {
        std::printf("RINGSIDE_SEED=%llu repeats this run\n", static_cast<unsigned long long>(seed_));
        // The clock of the process is simulated: begin at a multiple of all tiers.
        time_.step(static_cast<std::int64_t>(kHour - time_.realtime_ns() % kHour));
        record_an_hour();
        open();
    }
    void TearDown() override { rside_segment_close(segment_, 0, ""); }

    void record_an_hour() {
        rside_options options;
        rside_options_init(&options);
        const std::string folder = folder_.path();
        options.vm_id = "vm-1";
        options.directory = folder.c_str();
        options.schema = &kSchema;
        options.flags = 0;
        rside_error failure{};
        ASSERT_EQ(rside_segment_create(&options, &segment_, &failure), 0) << failure.text;
        begin_ns_ = time_.realtime_ns();
        rside_counter counter = rside_counter_register(segment_, "t_requests_total", nullptr, 0, &failure);
        rside_gauge gauge = rside_gauge_register(segment_, "t_depth", nullptr, 0, &failure);
        rside_level level = rside_level_register(segment_, "t_memory", nullptr, 0, &failure);
        rside_histogram histogram = rside_histogram_register(segment_, "t_delay_seconds", nullptr, 0, &failure);
        set_level(level);
        while (time_.realtime_ns() < begin_ns_ + kHour) {
            // Never on a window's edge; now and then nothing for minutes.
            const std::uint64_t pause_ns = random_() % 200 == 0 ? random_() % (8 * kMinute) : random_() % (3 * kSecond);
            time_.advance_to(time_.monotonic_ns() + pause_ns);
            const std::uint64_t off_edge = time_.realtime_ns() % kSecond;
            if (off_edge < 10 * kMs) time_.advance_to(time_.monotonic_ns() + 10 * kMs);
            const double value = static_cast<double>(random_() % 4000) / 4 - 300;
            switch (random_() % 4) {
                case 0: rside_counter_add(counter, note(requests_, static_cast<double>(random_() % 9))); break;
                case 1: rside_gauge_record(gauge, (depth_.push_back({now(), value}), value)); break;
                case 2: set_level(level); break;
                case 3: {
                    const double delay = 0.002 * std::exp2(static_cast<double>(random_() % 1400) / 100);
                    rside_histogram_record(histogram, delay);
                    delays_.push_back({now(), delay});
                }
            }
        }
        // Past the reader's grace.
        now_ns_ = time_.realtime_ns();
        time_.advance_to(time_.monotonic_ns() + kSecond);
    }
    std::uint64_t now() const { return time_.realtime_ns(); }
    std::uint64_t note(Observations& into, double value) {
        into.push_back({now(), value});
        return static_cast<std::uint64_t>(value);
    }
    // A level holds for eighths of seconds, so that value x time is exact.
    void set_level(rside_level& level) {
        const std::uint64_t eighth = kSecond / 8;
        time_.advance_to(time_.monotonic_ns() + (eighth - now() % eighth) % eighth);
        if (now() % kSecond == 0) time_.advance_to(time_.monotonic_ns() + eighth);
        const double value = static_cast<double>(random_() % 64);
        rside_level_set(level, value);
        memory_.push_back({now(), value});
    }

    void open() {
        options_.now = [] { return realtime_ns(); };
        auto live = test::open_only_segment(folder_.path(), *layout_cache_, options_);
        ASSERT_NE(live, nullptr);
        auto series = live->series();
        ASSERT_TRUE(series.ok()) << message_of(series);
        auto layout = layouts_.intern(live->schema(), *series);
        ASSERT_TRUE(layout.ok()) << message_of(layout);
        vm_ = std::make_shared<const CatalogVm>(live->vm(), live, *layout);
    }

    // The one value of an instant query; nothing where there is none.
    std::optional<double> ask(const std::string& query, std::uint64_t at_ns) {
        promql::ParseOptions parse;
        parse.extended_range_selectors = true;
        auto expr = promql::parse_query(query, parse);
        EXPECT_TRUE(expr.ok()) << query << ": " << message_of(expr);
        if (!expr.ok()) return std::nullopt;
        VmSamples samples(std::make_shared<const std::vector<CatalogVmPtr>>(1, vm_), {"host", "job"}, realtime_ns());
        auto answer = promql::Engine().instant(**expr, static_cast<std::int64_t>(at_ns / kMs), samples, {});
        EXPECT_TRUE(answer.ok()) << query << ": " << message_of(answer);
        if (!answer.ok()) return std::nullopt;
        EXPECT_TRUE(answer->warnings.empty()) << query;
        const auto* vector = std::get_if<promql::VectorValue>(&answer->value);
        if (!vector || vector->empty()) return std::nullopt;
        EXPECT_EQ(vector->size(), 1u) << query;
        return vector->front().value;
    }

    // A tier, a range of some of its windows, and where it ends, within the hour and the ring.
    struct Place {
        std::string tier, range;
        std::uint64_t begin_ns, end_ns;
    };
    Place any_place() {
        const rside_tier& tier = kTiers[random_() % 3];
        const std::uint64_t step_ns = tier.resolution_s * kSecond;
        const std::uint64_t held = std::min<std::uint64_t>(tier.slots - 2, (now_ns_ - begin_ns_) / step_ns);
        const std::uint64_t windows = 1 + random_() % std::min<std::uint64_t>(held, 40);
        const std::uint64_t back = random_() % (held - windows + 1);
        const std::uint64_t end_ns = now_ns_ / step_ns * step_ns - back * step_ns;
        const std::string seconds = std::to_string(tier.resolution_s) + "s";
        return {"ringside_tier=\"" + seconds + "\"", "[" + std::to_string(windows * tier.resolution_s) + "s]",
                end_ns - windows * step_ns, end_ns};
    }
    static std::vector<double> within(const Observations& all, const Place& place) {
        std::vector<double> values;
        for (const Observation& one : all) {
            if (one.at_ns >= place.begin_ns && one.at_ns < place.end_ns) values.push_back(one.value);
        }
        return values;
    }
    static double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }
    int rounds() const { return static_cast<int>(longer_in_soak(300)); }

    const std::uint64_t seed_ = chosen_seed();
    std::mt19937_64 random_{seed_};
    simulation::SimulatedTime time_{seed_};
    TemporaryFolder folder_{"/dev/shm"};
    rside_segment* segment_ = nullptr;
    std::uint64_t begin_ns_ = 0, now_ns_ = 0;
    Observations requests_, depth_, memory_, delays_;
    std::shared_ptr<LayoutCache> layout_cache_ = make_layout_cache();
    OpenOptions options_;
    LayoutTable layouts_;
    CatalogVmPtr vm_;
};

TEST_F(ExactTest, FunctionsOverAGaugeAreThoseOverItsObservations) {
    int with_data = 0;
    for (int round = 0; round < rounds(); ++round) {
        const Place at = any_place();
        const std::vector<double> raw = within(depth_, at);
        auto over = [&](const std::string& function) {
            return ask(function + "_over_time(t_depth{" + at.tier + "}" + at.range + ")", at.end_ns);
        };
        if (raw.empty()) {
            EXPECT_EQ(over("max"), std::nullopt);
            EXPECT_EQ(over("count"), std::nullopt);
            continue;
        }
        ++with_data;
        const auto [least, greatest] = std::ranges::minmax(raw);
        EXPECT_EQ(over("max"), greatest) << at.tier << at.range;
        EXPECT_EQ(over("min"), least) << at.tier << at.range;
        EXPECT_EQ(over("sum"), sum(raw)) << at.tier << at.range;
        EXPECT_EQ(over("count"), static_cast<double>(raw.size())) << at.tier << at.range;
        EXPECT_EQ(over("avg"), sum(raw) / static_cast<double>(raw.size())) << at.tier << at.range;
        EXPECT_EQ(over("last"), raw.back()) << at.tier << at.range;
    }
    EXPECT_GT(with_data, rounds() / 2);
}

TEST_F(ExactTest, ALevelIsWeighedByTime) {
    for (int round = 0; round < rounds(); ++round) {
        const Place at = any_place();
        const std::uint64_t first_ns = std::max(at.begin_ns, memory_.front().at_ns);
        double weighed = 0, least = INFINITY, greatest = -INFINITY;
        for (std::size_t i = 0; i < memory_.size(); ++i) {
            const std::uint64_t from = std::max(memory_[i].at_ns, at.begin_ns);
            const std::uint64_t to = std::min(i + 1 < memory_.size() ? memory_[i + 1].at_ns : UINT64_MAX, at.end_ns);
            if (to <= from) continue;
            weighed += memory_[i].value * (static_cast<double>(to - from) / 1e9);
            least = std::min(least, memory_[i].value);
            greatest = std::max(greatest, memory_[i].value);
        }
        auto over = [&](const std::string& function) {
            return ask(function + "_over_time(t_memory{" + at.tier + "}" + at.range + ")", at.end_ns);
        };
        const double seconds = static_cast<double>(at.end_ns - first_ns) / 1e9;
        EXPECT_EQ(over("sum"), weighed) << at.tier << at.range;
        EXPECT_EQ(over("count"), seconds) << at.tier << at.range;
        EXPECT_EQ(over("avg"), weighed / seconds) << at.tier << at.range;
        EXPECT_EQ(over("max"), greatest) << at.tier << at.range;
        EXPECT_EQ(over("min"), least) << at.tier << at.range;
    }
}

// From edge to edge; without `anchored` a range has no sample where it begins, and PromQL extrapolates.
TEST_F(ExactTest, TheIncreaseOfACounterIsWhatWasAdded) {
    for (int round = 0; round < rounds(); ++round) {
        const Place at = any_place();
        const std::string series = "t_requests_total{" + at.tier + "}";
        EXPECT_EQ(ask("increase(" + series + at.range + " anchored)", at.end_ns), sum(within(requests_, at)))
            << at.tier << at.range;
    }
    const std::uint64_t end_ns = begin_ns_ + kHour;
    EXPECT_EQ(ask("increase(t_requests_total[2h] anchored)", end_ns),
              sum(within(requests_, {"", "", begin_ns_, end_ns})))
        << "from the zero at its begin";
}

TEST_F(ExactTest, QuantilesAreThoseOfAllObservationsWithinABucket) {
    const double bucket = std::exp2(1.0 / 8);
    int with_data = 0;
    for (int round = 0; round < rounds(); ++round) {
        const Place at = any_place();
        std::vector<double> raw = within(delays_, at);
        if (raw.size() < 2 || at.begin_ns <= begin_ns_) continue;
        ++with_data;
        std::ranges::sort(raw);
        const std::string series = "t_delay_seconds{" + at.tier + "}";
        const std::string range = at.range.substr(1, at.range.size() - 2);
        for (double q : {0.5, 0.9, 0.99}) {
            auto answer = ask(
                "histogram_quantile(" + std::to_string(q) + ", " + series + " - " + series + " offset " + range + ")",
                at.end_ns);
            const double rank = q * static_cast<double>(raw.size());
            // Where the rank falls between two observations, anything between them is right.
            const double low = raw[static_cast<std::size_t>(std::ceil(rank - 1e-6)) - 1];
            const double high = raw[std::min(static_cast<std::size_t>(rank + 1e-6), raw.size() - 1)];
            ASSERT_TRUE(answer) << at.tier << at.range;
            EXPECT_LE(*answer, high * bucket) << at.tier << at.range << " " << q;
            EXPECT_GE(*answer, low / bucket) << at.tier << at.range << " " << q;
        }
        EXPECT_EQ(ask("histogram_count(" + series + " - " + series + " offset " + range + ")", at.end_ns),
                  static_cast<double>(raw.size()));
    }
    EXPECT_GT(with_data, rounds() / 4);
}

}  // namespace
}  // namespace ringside::agent
