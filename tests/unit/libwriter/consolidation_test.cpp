// Exact consolidation: random records at random times, with every slot of every tier as a slow oracle says, and each window
// of a tier the sum of what it consists of.
#include <gmock/gmock.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "oracle.h"
#include "tier_sums.h"
#include "writer.h"

namespace ringside {
namespace {

constexpr std::uint64_t kGrain = kSecond / 64;  // parts of a second that doubles add up exactly
constexpr std::uint64_t kYear = 365 * 86400 * kSecond;
constexpr std::uint64_t kTimeEnd = 4294967295 * kSecond;

// How the clock of a script behaves. Each does what those before it do.
enum class Clock {
    kForward,     // stands, runs, jumps ahead by hours and years, up to 2106 and beyond
    kSmallSteps,  // steps back by up to one window of the coarsest tier
    kLargeSteps,  // and by years
    kWild,        // jumps to both ends of time; numbers are wild as well: totals wrap around, doubles are of any size
};

std::uint64_t chosen_seed() {
    const char* given = std::getenv("RINGSIDE_SEED");
    return given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

int rounds(int usually) { return std::getenv("RINGSIDE_SOAK") ? usually * 50 : usually; }

constexpr int kScripts = 150;

class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t below(std::uint64_t n) { return engine_() % n; }
    std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
    bool once_in(std::uint64_t n) { return below(n) == 0; }

  private:
    std::mt19937_64 engine_;
};

// Half of them as people have them, with fewer slots; half of them with whatever the rules allow.
void add_tiers(SchemaSpec& spec, Random& random) {
    switch (random.below(8)) {
        case 0: spec.tier(1, 40).tier(10, 30).tier(300, 8); return;
        case 1: spec.tier(1, 700).tier(10, 70).tier(300, 6); return;  // each reaches beyond windows of the next
        case 2: spec.tier(1, 130).tier(5, 60).tier(60, 70).tier(3600, 4); return;
        case 3: spec.tier(random.once_in(2) ? 1 : 60, static_cast<std::uint32_t>(random.between(2, 40))); return;
        default: break;
    }
    const std::uint32_t resolutions[] = {1, 1, 1, 2, 3, 5, 7};
    std::uint32_t resolution = resolutions[random.below(7)];
    for (std::uint64_t t = 0, tiers = random.between(1, 4); t < tiers; ++t) {
        std::uint32_t columns = random.once_in(3) ? static_cast<std::uint32_t>(random.below(128)) : RSIDE_COLUMNS_ALL;
        spec.tier(resolution, static_cast<std::uint32_t>(random.between(2, 40)), columns);
        resolution *= static_cast<std::uint32_t>(random.between(2, 12));
    }
}

SchemaSpec random_schema(Random& random) {
    SchemaSpec spec("random");
    add_tiers(spec, random);
    spec.metric("counter", RSIDE_COUNTER, 2, {"n"}).metric("shared", RSIDE_COUNTER, 1, {}, RSIDE_METRIC_SHARED);
    spec.metric("counter_f64", RSIDE_COUNTER_F64, 2, {"n"});
    spec.metric("gauge", RSIDE_GAUGE, 2, {"n"}).metric("level", RSIDE_LEVEL, 2, {"n"});
    return spec.histogram("histogram", 0, 2, 64);
}

// One segment, its handles, and an oracle beside each series.
class Script {
  public:
    Script(std::uint64_t seed, Clock clock)
        : random_(seed), clock_(clock), writer_(random_schema(random_), start_time()) {
        plain::Segment empty = writer_.decoded();
        tiers_ = empty.tiers;
        auto oracle = [&](std::size_t metric) { return Oracle(empty.metrics[metric], tiers_, now_); };
        for (const char* n : {"0", "1"}) {
            counters_.push_back(rside_counter_register(writer_.segment(), "counter", &n, 1, nullptr));
            counters_f64_.push_back(rside_counter_f64_register(writer_.segment(), "counter_f64", &n, 1, nullptr));
            gauges_.push_back(rside_gauge_register(writer_.segment(), "gauge", &n, 1, nullptr));
            levels_.push_back(rside_level_register(writer_.segment(), "level", &n, 1, nullptr));
        }
        shared_ = rside_shared_counter_register(writer_.segment(), "shared", nullptr, 0, nullptr);
        histogram_ = rside_histogram_register(writer_.segment(), "histogram", nullptr, 0, nullptr);
        // In directory order.
        for (std::size_t metric : {0, 0, 1, 2, 2, 3, 3, 4, 4, 5}) oracles_.push_back(oracle(metric));
    }

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            move_time();
            rside_tick(writer_.segment(), now_);
            record();
        }
    }

    std::string differences() const {
        plain::Segment segment = writer_.decoded();
        std::string out;
        std::uint64_t steps = 0, rebases = 0, windows = 0, rejected = rejected_;
        if (segment.series.size() != oracles_.size()) return "other series\n";
        for (std::size_t i = 0; i < oracles_.size(); ++i) {
            std::string wrong = oracles_[i].differences(segment.series[i]);
            if (!wrong.empty())
                out += segment.metrics[segment.series[i].metric].name + " " + std::to_string(i) + ":\n" + wrong;
            steps += oracles_[i].steps_back();
            rebases += oracles_[i].rebases();
            windows += oracles_[i].rebased_windows();
            rejected += oracles_[i].rejected();
        }
        auto compare = [&](const char* name, std::uint64_t found, std::uint64_t wanted) {
            if (found != wanted)
                out += std::string(name) + " is " + std::to_string(found) + ", not " + std::to_string(wanted) + "\n";
        };
        compare("clock_steps_back", segment.clock_steps_back, steps);
        compare("rebases", segment.rebases, rebases);
        compare("rebased_windows", segment.rebased_windows, windows);
        compare("rejected_samples", segment.rejected_samples, rejected);
        return out;
    }

    // What of coarser tiers is not the sum of finer ones. Counts the windows that were compared.
    std::string sum_differences(std::uint64_t* compared) const {
        plain::Segment segment = writer_.decoded();
        std::string out;
        for (std::size_t i = 0; i < oracles_.size(); ++i) {
            const plain::Series& series = segment.series.at(i);
            TierSums sums(segment, series, oracles_[i].first_ns());
            const std::string wrong = sums.differences();
            if (!wrong.empty()) out += segment.metrics[series.metric].name + " " + std::to_string(i) + ":\n" + wrong;
            *compared += sums.compared();
        }
        return out;
    }

    std::uint64_t steps_back() const { return sum(&Oracle::steps_back); }
    std::uint64_t rebases() const { return sum(&Oracle::rebases); }
    std::uint64_t rebased_windows() const { return sum(&Oracle::rebased_windows); }

  private:
    std::uint64_t sum(std::uint64_t (Oracle::*figure)() const) const {
        std::uint64_t out = 0;
        for (const Oracle& oracle : oracles_) out += (oracle.*figure)();
        return out;
    }
    std::uint64_t start_time() {
        const std::uint64_t span = random_.once_in(4) ? kTimeEnd - kYear / 365 : random_.between(1, 120) * kYear;
        now_ = span + random_.below(random_.once_in(2) ? kYear / kGrain : 3600 * 64) * kGrain;
        if (clock_ == Clock::kWild && random_.once_in(4)) now_ = end_of_time();
        return newest_ = now_;
    }
    // Either of the two, from both sides.
    std::uint64_t end_of_time() {
        const std::uint64_t near = random_.below(4 * 64) * kGrain;
        switch (random_.below(4)) {
            case 0: return near;
            case 1: return kTimeEnd - near;
            case 2: return kTimeEnd + near;
            default: return ~std::uint64_t{0} / kGrain * kGrain;
        }
    }
    std::uint64_t edge_after(std::uint64_t ns) {
        std::uint64_t resolution = tiers_[random_.below(tiers_.size())].resolution_ns();
        return ns - ns % resolution + resolution;
    }

    void move_time() {
        if (clock_ == Clock::kWild && random_.once_in(100)) {
            now_ = random_.once_in(2) ? end_of_time() : random_.between(1, 120) * kYear;
            return;
        }
        const std::uint64_t before = now_;
        random_.below(1000) < 900 ? move_on() : move_back();
        // Nobody but a wild clock comes close to either end by itself: years at once would overshoot.
        if (clock_ != Clock::kWild && (now_ < kYear || now_ > kTimeEnd + kYear)) now_ = before;
        now_ -= now_ % kGrain;  // a wild one wraps around
        newest_ = std::max(newest_, now_);
        // Two small steps in a row are one for a series that had no record between them, and that one is to be small.
        const std::uint64_t first = tiers_[0].resolution_ns(), last = tiers_.back().resolution_ns();
        if (clock_ <= Clock::kSmallSteps) now_ = std::max(now_, newest_ - newest_ % first - last);
    }
    void move_on() {
        const std::uint64_t first = tiers_[0].resolution_ns(), last = tiers_.back().resolution_ns();
        const std::uint64_t dice = random_.below(900);
        if (dice < 400) return;
        if (dice < 600) {
            now_ += random_.below(first / kGrain) * kGrain;
        } else if (dice < 700) {
            now_ = edge_after(now_);
        } else if (dice < 740) {
            now_ = edge_after(now_) - kGrain;
        } else if (dice < 840) {
            now_ += random_.between(1, 5) * first;
        } else if (dice < 880) {
            now_ += random_.between(1, 3 * last / kGrain) * kGrain;
        } else if (dice < 897) {
            now_ += random_.between(1, 6 * 3600 * 64) * kGrain;
        } else {
            now_ += random_.between(1, 20 * kYear / kGrain) * kGrain;
        }
    }
    void move_back() {
        const std::uint64_t first = tiers_[0].resolution_ns(), last = tiers_.back().resolution_ns();
        if (clock_ == Clock::kForward) return;
        const std::uint64_t dice = random_.below(100);
        if (dice < 40) {
            now_ -= random_.between(1, first / kGrain) * kGrain;
        } else if (dice < 70 || clock_ == Clock::kSmallSteps) {
            now_ -= random_.between(1, last / kGrain) * kGrain;
        } else if (dice < 80) {  // just at, just within and just over what still counts as a small step
            now_ = now_ - now_ % first - last + random_.below(3) * (first - kGrain) - random_.below(2) * first;
        } else if (dice < 93) {
            now_ -= random_.between(1, 100 * last / kGrain) * kGrain;
        } else {
            now_ -= std::min(now_, random_.between(1, 30 * kYear / kGrain) * kGrain);
        }
    }

    // Whole numbers that a counter is fed with: small ones, or any, of which the largest take it past 2^64.
    std::uint64_t amount(std::uint64_t usually_below) {
        if (clock_ != Clock::kWild || random_.once_in(2)) return random_.below(usually_below);
        return random_.once_in(2) ? ~std::uint64_t{0} - random_.below(1000) : random_.below(~std::uint64_t{0});
    }
    // The same for doubles, none of which is negative: also subnormals, and sums that have to round.
    double amount_f64(double usually) {
        if (clock_ != Clock::kWild || random_.once_in(2)) return usually;
        const int exponent = static_cast<int>(random_.below(2050)) - 1080;
        return std::ldexp(static_cast<double>(random_.below(std::uint64_t{1} << 53)) * 0x1p-53, exponent);
    }

    void record() {
        std::size_t n = random_.below(2);
        double value = static_cast<double>(random_.below(4096)) - 1024;
        switch (random_.below(10)) {
            case 0: return add(n, amount(1000));
            case 1: return total(n);
            case 2: {
                std::uint64_t delta = amount(5);
                rside_shared_counter_add(shared_, delta);
                return oracles_[2].add(now_, delta);
            }
            case 3: return add_f64(n);
            case 4: return total_f64(n);
            case 5:
            case 6: rside_gauge_record(gauges_[n], value); return oracles_[5 + n].observe(now_, value);
            case 7: rside_level_set(levels_[n], value); return oracles_[7 + n].set(now_, value);
            case 8: return fill(value);
            default: return reject();
        }
    }
    void add(std::size_t n, std::uint64_t delta) {
        rside_counter_add(counters_[n], delta);
        oracles_[n].add(now_, delta);
    }
    // A raw total that at times starts again from a small figure.
    void total(std::size_t n) {
        bool restart = random_.once_in(4);
        std::uint64_t grown = amount(100);
        if (random_.once_in(10)) {
            raw_[n] = amount(100000);
            return rside_counter_baseline(counters_[n], raw_[n]);
        }
        std::uint64_t next = restart ? std::min(grown, raw_[n]) : raw_[n] + grown;
        std::uint64_t delta = next < raw_[n] ? next : next - raw_[n];
        raw_[n] = next;
        rside_counter_total(counters_[n], next);
        oracles_[n].add(now_, delta);
    }
    void add_f64(std::size_t n) {
        double delta = amount_f64(static_cast<double>(random_.below(1000)) / 64);
        rside_counter_f64_add(counters_f64_[n], delta);
        oracles_[3 + n].add_f64(now_, delta);
    }
    void total_f64(std::size_t n) {
        double grown = amount_f64(static_cast<double>(random_.below(100)));
        double next = random_.once_in(4) ? 0.25 : raw_f64_[n] + grown;
        double delta = next < raw_f64_[n] ? next : next - raw_f64_[n];
        raw_f64_[n] = next;
        rside_counter_f64_total(counters_f64_[n], next);
        oracles_[3 + n].add_f64(now_, delta);
    }
    void fill(double value) {
        value = amount_f64(std::max(value / 16, 0.0));
        // Scale 0 and lowest 2: values up to 1 are zero, then (1, 2], (2, 4] ... (32, 64], then overflow.
        int exponent = 0;
        const bool power_of_two = std::frexp(value, &exponent) == 0.5;
        std::size_t bucket = value <= 1 ? 0 : static_cast<std::size_t>(exponent - power_of_two);
        rside_histogram_record(histogram_, value);
        oracles_[9].fill(now_, value, bucket);
    }
    void reject() {
        const double inf = std::numeric_limits<double>::infinity();
        const double bad[] = {std::numeric_limits<double>::quiet_NaN(), inf, -inf};
        double value = bad[random_.below(3)];
        ++rejected_;
        switch (random_.below(5)) {
            case 0: return rside_gauge_record(gauges_[0], value);
            case 1: return rside_level_set(levels_[0], value);
            case 2: return rside_histogram_record(histogram_, random_.once_in(2) ? value : -1.0);
            case 3: return rside_counter_f64_add(counters_f64_[0], random_.once_in(2) ? value : -5e-324);
            default: return rside_counter_f64_total(counters_f64_[0], value);
        }
    }

    Random random_;
    Clock clock_;
    std::uint64_t now_ = 0, newest_ = 0;
    Writer writer_;
    std::vector<plain::Tier> tiers_;
    std::vector<rside_counter> counters_;
    std::vector<rside_counter_f64> counters_f64_;
    std::vector<rside_gauge> gauges_;
    std::vector<rside_level> levels_;
    rside_shared_counter shared_ = {};
    rside_histogram histogram_ = {};
    std::vector<Oracle> oracles_;
    std::uint64_t raw_[2] = {}, rejected_ = 0;
    double raw_f64_[2] = {};
};

struct Seen {
    std::uint64_t steps = 0, rebases = 0, windows = 0, compared = 0;
};

Seen run_scripts(Clock clock) {
    std::uint64_t seed = chosen_seed();
    Seen seen;
    for (int round = 0; round < rounds(kScripts); ++round, ++seed) {
        SCOPED_TRACE("RINGSIDE_SEED=" + std::to_string(seed));
        Script script(seed, clock);
        for (int check = 0; check < 8; ++check) {
            script.run(check < 4 ? 25 : 200);
            EXPECT_EQ(script.differences(), "") << "after check " << check;
            if (clock <= Clock::kSmallSteps) {
                EXPECT_EQ(script.sum_differences(&seen.compared), "") << "after check " << check;
            }
            if (testing::Test::HasFailure()) return seen;
        }
        seen.steps += script.steps_back();
        seen.rebases += script.rebases();
        seen.windows += script.rebased_windows();
    }
    return seen;
}

// That the scripts still try what they are for.
constexpr const char* kTooTame = "the scripts do not try what they are for";

TEST(Consolidation, FillsEverySlotAsTheOracleSays) {
    const Seen seen = run_scripts(Clock::kForward);
    EXPECT_EQ(seen.rebases, 0u);
    EXPECT_EQ(seen.steps, 0u);
    EXPECT_GT(seen.compared, 10'000u) << kTooTame;
}

TEST(Consolidation, FillsEverySlotAsTheOracleSaysWhileTheClockStepsBackALittle) {
    const Seen seen = run_scripts(Clock::kSmallSteps);
    EXPECT_EQ(seen.rebases, 0u);
    EXPECT_GT(seen.steps, 1000u) << kTooTame;
    EXPECT_GT(seen.compared, 10'000u) << kTooTame;
}

TEST(Consolidation, FillsEverySlotAsTheOracleSaysWhileTheClockStepsBackFar) {
    const Seen seen = run_scripts(Clock::kLargeSteps);
    EXPECT_GT(seen.steps, 1000u) << kTooTame;
    EXPECT_GT(seen.rebases, 300u) << kTooTame;
    EXPECT_GT(seen.windows, 1000u) << kTooTame;
}

TEST(Consolidation, FillsEverySlotAsTheOracleSaysAtBothEndsOfTimeAndOfNumbers) {
    EXPECT_GT(run_scripts(Clock::kWild).rebases, 1000u) << kTooTame;
}

}  // namespace
}  // namespace ringside
