// Exact consolidation: random records at random times, with every slot of every tier as a slow oracle says.
#include <gmock/gmock.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "oracle.h"
#include "writer.h"

namespace ringside {
namespace {

constexpr std::uint64_t kGrain = kSecond / 64;  // parts of a second that doubles add up exactly
constexpr std::uint64_t kYear = 365 * 86400 * kSecond;

std::uint64_t chosen_seed() {
    const char* given = std::getenv("RINGSIDE_SEED");
    return given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

int rounds(int usually) { return std::getenv("RINGSIDE_SOAK") ? usually * 50 : usually; }

class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t below(std::uint64_t n) { return engine_() % n; }
    std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
    bool once_in(std::uint64_t n) { return below(n) == 0; }

  private:
    std::mt19937_64 engine_;
};

SchemaSpec random_schema(Random& random) {
    SchemaSpec spec("random");
    const std::uint32_t resolutions[] = {1, 1, 1, 2, 3, 5, 7};
    std::uint32_t resolution = resolutions[random.below(7)];
    for (std::uint64_t t = 0, tiers = random.between(1, 4); t < tiers; ++t) {
        std::uint32_t columns = random.once_in(3) ? static_cast<std::uint32_t>(random.below(128)) : RSIDE_COLUMNS_ALL;
        spec.tier(resolution, static_cast<std::uint32_t>(random.between(2, 40)), columns);
        resolution *= static_cast<std::uint32_t>(random.between(2, 12));
    }
    spec.metric("counter", RSIDE_COUNTER, 2, {"n"}).metric("shared", RSIDE_COUNTER, 1, {}, RSIDE_METRIC_SHARED);
    spec.metric("counter_f64", RSIDE_COUNTER_F64, 2, {"n"});
    spec.metric("gauge", RSIDE_GAUGE, 2, {"n"}).metric("level", RSIDE_LEVEL, 2, {"n"});
    return spec.histogram("histogram", 0, 2, 64);
}

// One segment, its handles, and an oracle beside each series.
class Script {
  public:
    Script(std::uint64_t seed, bool steps_back)
        : random_(seed), steps_back_(steps_back), writer_(random_schema(random_), start_time()) {
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
        std::uint64_t steps = 0, rebases = 0, windows = 0;
        if (segment.series.size() != oracles_.size()) return "other series\n";
        for (std::size_t i = 0; i < oracles_.size(); ++i) {
            std::string wrong = oracles_[i].differences(segment.series[i]);
            if (!wrong.empty())
                out += segment.metrics[segment.series[i].metric].name + " " + std::to_string(i) + ":\n" + wrong;
            steps += oracles_[i].steps_back();
            rebases += oracles_[i].rebases();
            windows += oracles_[i].rebased_windows();
        }
        auto compare = [&](const char* name, std::uint64_t found, std::uint64_t wanted) {
            if (found != wanted)
                out += std::string(name) + " is " + std::to_string(found) + ", not " + std::to_string(wanted) + "\n";
        };
        compare("clock_steps_back", segment.clock_steps_back, steps);
        compare("rebases", segment.rebases, rebases);
        compare("rebased_windows", segment.rebased_windows, windows);
        compare("rejected_samples", segment.rejected_samples, rejected_);
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
        now_ = random_.between(1, 120) * kYear + random_.below(kYear / kGrain) * kGrain;
        return now_;
    }
    std::uint64_t edge_after(std::uint64_t ns) {
        std::uint64_t resolution = tiers_[random_.below(tiers_.size())].resolution_ns();
        return ns - ns % resolution + resolution;
    }

    void move_time() {
        std::uint64_t first = tiers_[0].resolution_ns(), last = tiers_.back().resolution_ns();
        std::uint64_t dice = random_.below(1000);
        if (dice < 400) return;
        if (dice < 600)
            now_ += random_.below(first / kGrain) * kGrain;
        else if (dice < 700)
            now_ = edge_after(now_);
        else if (dice < 740)
            now_ = edge_after(now_) - kGrain;
        else if (dice < 840)
            now_ += random_.between(1, 5) * first;
        else if (dice < 880)
            now_ += random_.between(1, 3 * last / kGrain) * kGrain;
        else if (dice < 900)
            now_ += random_.between(1, 6 * 3600 * 64) * kGrain;
        else if (dice < 903)
            now_ += random_.between(1, 20 * kYear / kGrain) * kGrain;
        else if (!steps_back_)
            return;
        else if (dice < 940)
            now_ -= random_.between(1, first / kGrain) * kGrain;
        else if (dice < 970)
            now_ -= random_.between(1, last / kGrain) * kGrain;
        // Just at, just within and just over what still counts as a small step.
        else if (dice < 980)
            now_ = now_ - now_ % first - last + random_.below(3) * (first - kGrain) - random_.below(2) * first;
        else if (dice < 985)
            now_ -= random_.between(1, 100 * last / kGrain) * kGrain;
        else if (dice < 987)
            now_ -= std::min(now_ - kYear, random_.between(1, 30 * kYear / kGrain) * kGrain);
        if (now_ < kYear || now_ > 136 * kYear) now_ = 50 * kYear;
    }

    void record() {
        std::size_t n = random_.below(2);
        double value = static_cast<double>(random_.below(4096)) - 1024;
        switch (random_.below(10)) {
            case 0: return add(n, random_.below(1000));
            case 1: return total(n);
            case 2: {
                std::uint64_t delta = random_.below(5);
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
        std::uint64_t grown = random_.below(100);
        if (random_.once_in(10)) {
            raw_[n] = random_.below(100000);
            return rside_counter_baseline(counters_[n], raw_[n]);
        }
        std::uint64_t next = restart ? std::min(grown, raw_[n]) : raw_[n] + grown;
        std::uint64_t delta = next < raw_[n] ? next : next - raw_[n];
        raw_[n] = next;
        rside_counter_total(counters_[n], next);
        oracles_[n].add(now_, delta);
    }
    void add_f64(std::size_t n) {
        double delta = static_cast<double>(random_.below(1000)) / 64;
        rside_counter_f64_add(counters_f64_[n], delta);
        oracles_[3 + n].add_f64(now_, delta);
    }
    void total_f64(std::size_t n) {
        double next = random_.once_in(4) ? 0.25 : raw_f64_[n] + static_cast<double>(random_.below(100));
        double delta = next < raw_f64_[n] ? next : next - raw_f64_[n];
        raw_f64_[n] = next;
        rside_counter_f64_total(counters_f64_[n], next);
        oracles_[3 + n].add_f64(now_, delta);
    }
    void fill(double value) {
        value = std::max(value / 16, 0.0);
        // Scale 0 and lowest 2: values up to 1 are zero, then (1, 2], (2, 4] ... (32, 64], then overflow.
        std::size_t bucket = value <= 1 ? 0 : static_cast<std::size_t>(std::ceil(std::log2(value)));
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
    bool steps_back_;
    std::uint64_t now_ = 0;
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

void run_scripts(bool steps_back, int scripts) {
    std::uint64_t seed = chosen_seed();
    std::uint64_t steps = 0, rebases = 0, windows = 0;
    for (int round = 0; round < scripts; ++round, ++seed) {
        SCOPED_TRACE("RINGSIDE_SEED=" + std::to_string(seed));
        Script script(seed, steps_back);
        for (int check = 0; check < 8; ++check) {
            script.run(check < 4 ? 25 : 200);
            ASSERT_EQ(script.differences(), "") << "after check " << check;
        }
        steps += script.steps_back();
        rebases += script.rebases();
        windows += script.rebased_windows();
    }
    if (!steps_back || scripts < 100) return;
    EXPECT_GT(steps, 1000u) << "the scripts no longer try what they are for";
    EXPECT_GT(rebases, 300u);
    EXPECT_GT(windows, 1000u);
}

TEST(Consolidation, FillsEverySlotAsTheOracleSays) { run_scripts(false, rounds(200)); }

TEST(Consolidation, FillsEverySlotAsTheOracleSaysWhileTheClockStepsBack) { run_scripts(true, rounds(200)); }

}  // namespace
}  // namespace ringside
