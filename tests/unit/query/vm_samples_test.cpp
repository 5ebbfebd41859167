#include "agent/query/vm_samples.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/fake_source.h"
#include "tests/support/memory_source.h"
#include "tests/support/results.h"

namespace ringside::agent {
namespace {

using promql::SelectHints;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kStart = 1'700'000'000 * kSecond;
constexpr std::int64_t kStartMs = 1'700'000'000'000;
const HostLabels kHost{"host-1", "ringside"};

std::uint64_t at(double seconds) { return kStart + static_cast<std::uint64_t>(seconds * 1e9); }
std::int64_t ms(double seconds) { return kStartMs + static_cast<std::int64_t>(seconds * 1e3); }

enum Metrics { kRequests, kLoad, kPower, kDelay, kAbout };

// Tiers of 1 s and 10 s with 60 slots each. In the second that begins at n, the counter counts n + 1, the gauge observes n
// and 2n, the level holds n, and the histogram takes one more.
class VmSamplesTest : public testing::Test {
  protected:
    VmSamplesTest() {
        schema_->name = "web";
        schema_->tiers = {{1, 60, kColumnsAll}, {10, 60, kColumnsAll}};
        add_metric("requests_total", Kind::kCounter, {"path"});
        add_metric("load", Kind::kGauge, {});
        add_metric("power", Kind::kLevel, {});
        MetricInfo& delay = add_metric("delay_seconds", Kind::kHistogram, {});
        delay.histogram_scale = 0;
        delay.bucket_first = 1;
        delay.bucket_count = 3;
        add_metric("about", Kind::kInfo, {"tenant"});
    }

    MetricInfo& add_metric(const char* name, Kind kind, std::vector<std::string> labels) {
        MetricInfo& metric = schema_->metrics.emplace_back();
        metric.name = name;
        metric.kind = kind;
        metric.label_names = std::move(labels);
        metric.max_series = 4;
        return metric;
    }

    // It lives from `begin_s` on; `end_s` > 0: it has ended.
    std::shared_ptr<MemorySource> add_vm(const std::string& vm_id, std::uint8_t epoch, double begin_s, double end_s) {
        auto vm = std::make_shared<MemorySource>();
        vm->info.vm_id = vm_id;
        vm->info.epoch.fill(epoch);
        vm->info.created_ns = vm->info.attached_ns = at(begin_s);
        vm->info.last_write_ns = at(end_s > 0 ? end_s : now_s_);
        if (end_s > 0) {
            vm->info.ended_ns = at(end_s);
            vm->info.state = VmState::kDrained;
            vm->info.exit_cause = ExitCause::kKilled;
        }
        vm->layout = schema_;
        vm->list = {{0, kRequests, {"/"}, at(begin_s)},
                    {1, kLoad, {}, at(begin_s)},
                    {2, kPower, {}, at(begin_s)},
                    {3, kDelay, {}, at(begin_s)},
                    {4, kAbout, {"acme"}, at(begin_s)}};
        const double last_s = end_s > 0 ? end_s : now_s_;
        for (std::uint32_t tier = 0; tier < schema_->tiers.size(); ++tier) fill(*vm, tier, begin_s, last_s, end_s > 0);
        for (auto& [place, data] : vm->runs) {
            if (place.first != kRequests) drop_columns(&data, ~schema_->tiers[place.second].columns);
        }
        auto layout = layouts_.intern(schema_, vm->list);
        EXPECT_TRUE(layout.ok()) << message_of(layout);
        vms_.push_back(std::make_shared<const CatalogVm>(vm->info, vm, *layout));
        return vm;
    }

    static void drop_columns(SeriesData* data, std::uint32_t columns) {
        if (columns & kColumnCount) data->count.clear();
        if (columns & kColumnSum) data->sum.clear();
        if (columns & kColumnMin) data->min.clear();
        if (columns & kColumnMax) data->max.clear();
        if (columns & kColumnLast) data->last.clear();
        if (columns & kColumnBuckets) data->buckets.clear();
    }

    void fill(MemorySource& vm, std::uint32_t tier, double begin_s, double last_s, bool ended) const {
        const double width = schema_->tiers[tier].resolution_s;
        const double oldest = std::floor(last_s / width) * width - schema_->tiers[tier].slots * width;
        for (double end = std::floor(begin_s / width) * width + width; end - width < last_s; end += width) {
            if (end <= oldest) continue;
            const bool over = end <= last_s;
            std::uint8_t flags = over ? 0 : ended ? kPointPartial : kPointOpen;
            put_window(vm, tier, std::max(begin_s, end - width), std::min(end, last_s), over ? end : last_s, flags);
        }
    }

    void put_window(MemorySource& vm, std::uint32_t tier, double from, double to, double end,
                    std::uint8_t flags) const {
        const double begin_s = static_cast<double>(vm.info.created_ns - kStart) / 1e9;
        std::uint64_t total = 0;
        for (double second = begin_s; second < to; ++second) total += static_cast<std::uint64_t>(second) + 1;
        auto& counter = run(vm, 0, tier, end, flags);
        counter.value.push_back(total);
        for (std::uint32_t index : {1u, 2u}) {
            SeriesData& data = run(vm, index, tier, end, flags);
            const bool level = index == 2;
            double count = 0, sum = 0, max = 0;
            for (double second = from; second < to; ++second) {
                count += level ? 1e9 : 2;
                sum += level ? second : 3 * second;
                max = level ? second : 2 * second;
            }
            data.count.push_back(static_cast<std::uint64_t>(count));
            data.sum.push_back(sum);
            data.min.push_back(from);
            data.max.push_back(max);
            data.last.push_back(max);
        }
        auto& histogram = run(vm, 3, tier, end, flags);
        const auto seen = static_cast<std::uint64_t>(std::ceil(to - begin_s));
        histogram.count.push_back(seen + 1);  // one of them above all buckets
        histogram.sum.push_back(static_cast<double>(seen) * 3);
        for (std::uint64_t count : {std::uint64_t{0}, std::uint64_t{0}, seen, std::uint64_t{0}}) {
            histogram.buckets.push_back(count);
        }
    }

    static SeriesData& run(MemorySource& vm, std::uint32_t index, std::uint32_t tier, double end, std::uint8_t flags) {
        SeriesData& data = vm.runs[{index, tier}];
        data.end_ns.push_back(at(end));
        data.flags.push_back(flags);
        return data;
    }

    // What `selector` selects for a range up to `end_s`.
    std::unique_ptr<promql::SeriesSet> select(const std::string& selector, double begin_s, double end_s,
                                              std::string_view function = "", bool instant = false,
                                              double range_s = 0) {
        auto parsed = parse_selector(selector);
        EXPECT_TRUE(parsed.ok()) << message_of(parsed);
        auto vms = std::make_shared<std::vector<CatalogVmPtr>>(vms_);
        std::ranges::sort(*vms, {},
                          [](const auto& vm) { return std::pair(vm->known().vm_id, vm->known().created_ns); });
        samples_ = std::make_unique<VmSamples>(std::move(vms), kHost, at(now_s_));
        waits_ = 0;
        samples_->before_waiting([this] { ++waits_; });
        SelectHints hints;
        hints.begin_ms = hints.wanted_ms = ms(begin_s);
        if (instant) hints.wanted_ms = ms(end_s);
        hints.end_ms = ms(end_s);
        hints.range_ms = static_cast<std::int64_t>(range_s * 1e3);
        hints.function = function;
        auto set = samples_->select(parsed->matchers, hints);
        if (!set.ok()) {
            error_ = message_of(set);
            return nullptr;
        }
        return std::move(*set);
    }

    // "labels: value@second ..." of each series; "stale@..." and "{histogram}@..." too.
    std::vector<std::string> read(const promql::SeriesSet& set, double begin_s, double end_s) {
        std::vector<std::string> lines;
        for (std::size_t i = 0; i < set.size(); ++i) {
            promql::SampleBuffer buffer;
            auto span = set.read(i, ms(begin_s), ms(end_s), buffer);
            EXPECT_TRUE(span.ok()) << message_of(span);
            std::string line = label_text(set.labels(i).set()) + ":";
            for (std::size_t n = 0; n < span->floats.count; ++n) {
                const double value = span->floats.values[n];
                line += " " + (promql::is_stale(value) ? "stale" : number(value)) + time(span->floats.times_ms[n]);
            }
            for (std::size_t n = 0; n < span->histograms.count; ++n) {
                const promql::FloatHistogram& histogram = *span->histograms.values[n];
                line += " " + (promql::is_stale(histogram.sum) ? "stale" : histogram.text());
                line += time(span->histograms.times_ms[n]);
            }
            lines.push_back(line);
        }
        return lines;
    }
    static std::string number(double value) {
        char text[32];
        std::snprintf(text, sizeof text, "%g", value);
        return text;
    }
    static std::string time(std::int64_t time_ms) {
        return "@" + number(static_cast<double>(time_ms - kStartMs) / 1e3);
    }

    using Lines = std::vector<std::string>;
    double now_s_ = 100.5;
    std::shared_ptr<SchemaInfo> schema_ = std::make_shared<SchemaInfo>();
    LayoutTable layouts_;
    std::vector<CatalogVmPtr> vms_;
    std::unique_ptr<VmSamples> samples_;
    int waits_ = 0;  // that samples_ has told of
    std::string error_;
};

TEST_F(VmSamplesTest, ReadsTheFinestTierThatReachesBack) {
    add_vm("a", 1, 0, 0);
    auto near = select("requests_total", 97, 100);
    EXPECT_EQ(read(*near, 97, 100),
              Lines{"requests_total{instance=\"host-1\",job=\"ringside\",path=\"/\",vm_id=\"a\"}: "
                    "4851@98 4950@99 5050@100"});
    auto far = select("requests_total", 30, 60);
    EXPECT_EQ(read(*far, 30, 60), Lines{"requests_total{instance=\"host-1\",job=\"ringside\",path=\"/\",vm_id=\"a\"}: "
                                        "820@40 1275@50 1830@60"});
    EXPECT_EQ(samples_->reports().back().series_by_resolution_s, (std::map<std::uint32_t, std::uint64_t>{{10, 1}}));
    EXPECT_EQ(samples_->reports().back().newest_ns, at(60));
}

// The finest tier has all that there is of it.
TEST_F(VmSamplesTest, AVmYoungerThanTheQuestionIsReadFromTheTierThatHasItsLife) {
    add_vm("old", 1, 0, 0);
    add_vm("young", 2, 60, 0);
    add_vm("short", 3, 10, 20);
    select("requests_total", -500, 100);
    EXPECT_EQ(samples_->reports().back().series_by_resolution_s,
              (std::map<std::uint32_t, std::uint64_t>{{1, 2}, {10, 1}}));
}

TEST_F(VmSamplesTest, ABeginByAnotherClockSaysNothingOfTheTier) {
    auto vm = add_vm("a", 1, 60, 0);
    vm->info.rebases = 1;
    vms_.back() = std::make_shared<const CatalogVm>(vm->info, vm, *layouts_.intern(schema_, vm->list));
    select("requests_total", -500, 100);
    EXPECT_EQ(samples_->reports().back().series_by_resolution_s, (std::map<std::uint32_t, std::uint64_t>{{10, 1}}));
}

// However far back an older sample could stand in.
TEST_F(VmSamplesTest, AnInstantSelectorReadsTheTierOfItsStep) {
    add_vm("a", 1, 0, 0);
    auto set = select("requests_total", -800, 100, "", true);
    EXPECT_EQ(samples_->reports().back().series_by_resolution_s, (std::map<std::uint32_t, std::uint64_t>{{1, 1}}));
    auto past = select("requests_total", -800, 30, "", true);
    EXPECT_EQ(samples_->reports().back().series_by_resolution_s, (std::map<std::uint32_t, std::uint64_t>{{10, 1}}));
}

// A range of 15 s has one window of 10 s, which says nothing of a rate.
TEST_F(VmSamplesTest, ARangeReadsNoTierWhoseWindowsAreTooLongForIt) {
    add_vm("a", 1, 0, 0);
    const auto tier_for = [&](std::string_view function, double range_s) {
        select("requests_total", 5, 100, function, false, range_s);
        return samples_->reports().back().series_by_resolution_s.begin()->first;
    };
    EXPECT_EQ(tier_for("rate", 19), 1u);
    EXPECT_EQ(tier_for("rate", 20), 10u);
    EXPECT_EQ(tier_for("max_over_time", 9), 1u);
    EXPECT_EQ(tier_for("max_over_time", 10), 10u);
    EXPECT_EQ(tier_for("", 0), 10u);
}

TEST_F(VmSamplesTest, AMatcherForcesATier) {
    add_vm("a", 1, 0, 0);
    auto set = select("requests_total{ringside_tier=\"10s\"}", 85, 100);
    EXPECT_EQ(read(*set, 85, 100), Lines{"requests_total{instance=\"host-1\",job=\"ringside\",path=\"/\",vm_id=\"a\"}: "
                                         "4095@90 5050@100"});
    EXPECT_EQ(select("requests_total{ringside_tier=\"5m\"}", 85, 100)->size(), 0u) << "there is no such tier";
    EXPECT_EQ(select("requests_total{ringside_tier=~\"10s\"}", 85, 100), nullptr);
    EXPECT_NE(error_.find("names no tier"), std::string::npos) << error_;
}

TEST_F(VmSamplesTest, FunctionsOverTimeGetTheirColumns) {
    add_vm("a", 1, 0, 0);
    auto windows_of = [&](const char* function) {
        auto set = select("load", 80, 100, function);
        promql::SampleBuffer buffer;
        auto span = set->read(0, ms(80), ms(100), buffer);
        EXPECT_TRUE(span->floats.has_windows()) << function;
        return std::make_pair(buffer, std::move(set));
    };
    EXPECT_EQ(windows_of("sum_over_time").first.sums.back(), 3 * 99);
    EXPECT_EQ(windows_of("avg_over_time").first.counts.back(), 2);
    EXPECT_EQ(windows_of("max_over_time").first.maxima.back(), 2 * 99);
    EXPECT_EQ(windows_of("min_over_time").first.minima.back(), 99);
    auto plain = select("load", 80, 100, "quantile_over_time");
    promql::SampleBuffer buffer;
    EXPECT_FALSE(plain->read(0, ms(80), ms(100), buffer)->floats.has_windows());
    EXPECT_EQ(buffer.values.back(), 2 * 99);
}

TEST_F(VmSamplesTest, ALevelWeighsSeconds) {
    add_vm("a", 1, 0, 0);
    auto set = select("power", 0, 100, "avg_over_time");  // from the tier of 10 s
    promql::SampleBuffer buffer;
    ASSERT_TRUE(set->read(0, ms(0), ms(100), buffer).ok());
    EXPECT_EQ(buffer.counts.front(), 10);
    EXPECT_EQ(buffer.sums.front(), 45);
}

TEST_F(VmSamplesTest, SaysWhereATierLacksAColumn) {
    schema_->tiers[0].columns = kColumnLast;
    auto vm = add_vm("a", 1, 0, 0);
    auto set = select("load", 90, 100, "max_over_time");
    promql::SampleBuffer buffer;
    EXPECT_FALSE(set->read(0, ms(90), ms(100), buffer)->floats.has_windows());
    ASSERT_EQ(set->warnings().size(), 1u);
    EXPECT_NE(set->warnings()[0].find("does not keep what the function needs of load"), std::string::npos);
}

TEST_F(VmSamplesTest, SaysWhereATierHasNoSamplesOfAMetricAtAll) {
    schema_->tiers[0].columns = kColumnsAll & ~(kColumnBuckets | kColumnLast | kColumnMax | kColumnMin);
    add_vm("a", 1, 0, 0);
    const auto warning = [&](const char* metric, const char* function) {
        auto set = select(metric, 95, 100, function);
        read(*set, 95, 100);
        return set->warnings().empty() ? "" : set->warnings()[0];
    };
    EXPECT_TRUE(
        warning("delay_seconds", "rate").starts_with("the 1s tier of schema web keeps no buckets of delay_seconds"));
    EXPECT_TRUE(warning("load", "").starts_with("the 1s tier of schema web keeps no values of load"));
    EXPECT_EQ(warning("load", "avg_over_time"), "");
    EXPECT_EQ(warning("requests_total", "rate"), "");
    EXPECT_EQ(warning("delay_seconds{ringside_tier=\"10s\"}", "rate"), "");
}

TEST_F(VmSamplesTest, WhatIsCountedBeginsAtZeroAndEndsStale) {
    add_vm("a", 1, 60.5, 63.25);
    auto set = select("requests_total", 50, 100);
    EXPECT_EQ(read(*set, 50, 100), Lines{"requests_total{instance=\"host-1\",job=\"ringside\",path=\"/\",vm_id=\"a\"}: "
                                         "0@60.5 61@61 123@62 186@63 186@63.25 stale@63.251"});
    EXPECT_EQ(read(*set, 60.5, 62),
              Lines{"requests_total{instance=\"host-1\",job=\"ringside\",path=\"/\",vm_id=\"a\"}: "
                    "61@61 123@62"});
}

TEST_F(VmSamplesTest, NoZeroWhereTheRingHasForgottenTheBegin) {
    add_vm("a", 1, 0, 0);
    auto set = select("requests_total{ringside_tier=\"1s\"}", -10, 100);
    const std::string line = read(*set, -10, 100).at(0);
    EXPECT_EQ(line.find(" 0@0"), std::string::npos) << line;
}

TEST_F(VmSamplesTest, AHistogramHasABucketForWhatLiesAboveItsRange) {
    add_vm("a", 1, 98, 0);
    auto set = select("delay_seconds", 90, 100);
    EXPECT_EQ(read(*set, 90, 100),
              Lines{"delay_seconds{instance=\"host-1\",job=\"ringside\",vm_id=\"a\"}: {count:0, sum:0}@98 "
                    "{count:2, sum:3, (2,4]:1, (8,16]:1}@99 {count:3, sum:6, (2,4]:2, (8,16]:1}@100"});
}

TEST_F(VmSamplesTest, TheLivesOfAVmAreOneSeries) {
    add_vm("a", 1, 60, 62);
    add_vm("a", 2, 70, 72);
    add_vm("b", 3, 70, 72);
    auto set = select("requests_total", 50, 100);
    EXPECT_EQ(read(*set, 50, 100),
              (Lines{"requests_total{instance=\"host-1\",job=\"ringside\",path=\"/\",vm_id=\"a\"}: "
                     "0@60 61@61 123@62 stale@62.001 0@70 71@71 143@72 stale@72.001",
                     "requests_total{instance=\"host-1\",job=\"ringside\",path=\"/\",vm_id=\"b\"}: "
                     "0@70 71@71 143@72 stale@72.001"}));
}

// Each life may have a schema of its own, whose tiers keep other columns.
TEST_F(VmSamplesTest, LivesThatKeepOtherColumnsGiveWhatBothHave) {
    add_vm("a", 1, 60, 62);
    schema_ = std::make_shared<SchemaInfo>(*schema_);
    schema_->tiers[0].columns = kColumnLast;
    add_vm("a", 2, 70, 72);
    auto set = select("load", 50, 100, "avg_over_time");
    promql::SampleBuffer buffer;
    auto span = set->read(0, ms(50), ms(100), buffer);
    ASSERT_TRUE(span.ok()) << message_of(span);
    EXPECT_GT(span->floats.count, 4u);
    EXPECT_FALSE(span->floats.has_windows());
}

TEST_F(VmSamplesTest, ATierHasTheSamplesThatItsColumnsMake) {
    for (std::uint32_t columns = 1; columns <= kColumnsAll; ++columns) {
        vms_.clear();
        schema_ = std::make_shared<SchemaInfo>(*schema_);
        schema_->tiers[0].columns = columns;
        add_vm("a", 1, 60, 0);
        for (const char* selector : {"delay_seconds", "load", "requests_total"}) {
            auto set = select(selector, 95, 100);
            promql::SampleBuffer buffer;
            for (std::size_t i = 0; i < set->size(); ++i) {
                auto span = set->read(i, ms(95), ms(100), buffer);
                ASSERT_TRUE(span.ok()) << message_of(span);
                const bool kept = std::string(selector) == "requests_total" ||
                                  (std::string(selector) == "load" ? columns & (kColumnLast | kColumnMax | kColumnMin)
                                                                   : columns & kColumnBuckets);
                EXPECT_EQ(span->count(), kept ? 5u : 0u) << selector << " " << columns;
            }
        }
    }
}

// Its columns were one short then, and readers went past their end.
TEST_F(VmSamplesTest, AnEndThatStandsFirstHasItsPartInTheColumns) {
    add_vm("a", 1, 0, 40.5);
    add_vm("a", 2, 50, 0);
    auto set = select("load", 40.5, 52, "avg_over_time");
    promql::SampleBuffer buffer;
    ASSERT_TRUE(set->read(0, ms(40.5), ms(52), buffer).ok());
    ASSERT_EQ(buffer.times_ms.size(), 3u);
    ASSERT_EQ(buffer.counts.size(), 3u);
    EXPECT_TRUE(promql::is_stale(buffer.counts[0]));
    EXPECT_EQ(buffer.counts[1], 2);
    EXPECT_EQ(buffer.sums[2], 3 * 51);
    EXPECT_EQ(buffer.minima.size(), 3u);
    EXPECT_EQ(buffer.maxima.size(), 3u);
}

TEST_F(VmSamplesTest, VmsOfOtherTimesAreLeftOut) {
    add_vm("a", 1, 10, 20);
    add_vm("b", 2, 60, 70);
    EXPECT_EQ(select("requests_total", 30, 50)->size(), 0u);
    EXPECT_EQ(select("requests_total", 65, 66)->size(), 1u);
}

TEST_F(VmSamplesTest, FactsAboutVmsAreSeries) {
    add_vm("a", 1, 97, 98.5);
    add_vm("b", 2, 98, 0);
    auto up = select("ringside_vm_up", 95, 100);
    EXPECT_EQ(read(*up, 95, 100),
              (Lines{"ringside_vm_up{instance=\"host-1\",job=\"ringside\",vm_id=\"a\"}: 1@97 1@98 0@98.5",
                     "ringside_vm_up{instance=\"host-1\",job=\"ringside\",vm_id=\"b\"}: 1@98 1@99 1@100"}));
    auto info = select("ringside_vm_info{tenant=\"acme\",state=\"drained\"}", 95, 100);
    EXPECT_EQ(
        read(*info, 95, 100),
        Lines{"ringside_vm_info{epoch=\"01010101010101010101010101010101\",exit_cause=\"killed\",instance=\"host-1\","
              "job=\"ringside\",schema=\"web\",state=\"drained\",tenant=\"acme\",vm_id=\"a\"}: "
              "1@97 1@98 stale@98.501"});
    auto about = select("about", 95, 100);
    EXPECT_EQ(about->size(), 2u);
    EXPECT_EQ(about->label(0, "tenant"), "acme");
}

// They stood beside those of the agent, and joins with them failed.
TEST_F(VmSamplesTest, AVmAddsNothingToTheFactsAboutIt) {
    add_metric("ringside_vm_up", Kind::kGauge, {});
    add_metric("ringside_vm_info", Kind::kInfo, {"tenant"});
    auto vm = add_vm("a", 1, 0, 0);
    vm->list.push_back({5, 5, {}, at(0)});
    vm->list.push_back({6, 6, {"other"}, at(0)});
    vms_.back() = std::make_shared<const CatalogVm>(vm->info, vm, *layouts_.intern(schema_, vm->list));
    for (const char* fact : {"ringside_vm_up", "ringside_vm_info"}) {
        auto set = select(fact, 98, 100);
        ASSERT_EQ(set->size(), 1u) << fact;
        EXPECT_NE(set->labels(0).get("instance"), "");
        ASSERT_EQ(set->warnings().size(), 1u);
        EXPECT_TRUE(set->warnings()[0].starts_with("schema web declares metrics with names of the agent's own"));
    }
    EXPECT_EQ(select("{vm_id=\"a\"}", 98, 100)->size(), 7u) << "its own five and two facts";
    EXPECT_TRUE(select("load", 98, 100)->warnings().empty());
}

// Whatever a VM says of its begin, and a client of the time that it wants.
TEST_F(VmSamplesTest, FactsOfAnyTimeAreFew) {
    auto vm = add_vm("a", 1, 0, 0);
    vm->info.created_ns = vm->info.attached_ns = 1;
    vms_.back() = std::make_shared<const CatalogVm>(vm->info, vm, *layouts_.intern(schema_, vm->list));
    auto set = select("ringside_vm_up", -1.7e9, 100);
    promql::SampleBuffer buffer;
    auto span = set->read(0, ms(-1.7e9), ms(100), buffer);
    ASSERT_TRUE(span.ok()) << message_of(span);
    EXPECT_GT(span->floats.count, 1000u);
    EXPECT_LT(span->floats.count, 60'000u);
    for (double before_s : {0.001, 900.0, 1e9}) {
        promql::SampleBuffer none;
        span = set->read(0, ms(100 + before_s), ms(100), none);
        ASSERT_TRUE(span.ok()) << message_of(span);
        EXPECT_EQ(span->floats.count, 0u) << before_s;
    }
}

TEST_F(VmSamplesTest, AVmThatCannotBeReadIsNamedAndTheOthersAreAnswered) {
    auto bad = add_vm("a", 1, 0, 0);
    add_vm("b", 2, 0, 0);
    bad->errors.emplace(std::pair(0u, 0u), error(Code::kUnavailable, "it is busy"));
    auto set = select("requests_total", 98, 100);
    EXPECT_EQ(read(*set, 98, 100).size(), 2u);
    ASSERT_EQ(set->warnings().size(), 1u);
    EXPECT_NE(set->warnings()[0].find("it is busy"), std::string::npos);
}

TEST_F(VmSamplesTest, LabelsOneByOneAreThoseOfTheWhole) {
    add_vm("a", 1, 0, 0);
    auto set = select("{__name__=~\".+\"}", 98, 100);
    EXPECT_EQ(set->size(), 7u);
    for (std::size_t i = 0; i < set->size(); ++i) {
        const promql::Labels labels = set->labels(i);
        for (const char* name : {"__name__", "vm_id", "instance", "job", "component", "path", "tenant", "x"}) {
            EXPECT_EQ(set->label(i, name), labels.get(name)) << label_text(labels.set()) << " " << name;
        }
    }
}

TEST_F(VmSamplesTest, FindsTheVmThatASelectorNames) {
    add_vm("b", 1, 0, 30);
    add_vm("b", 2, 40, 0);
    add_vm("a", 3, 0, 0);
    add_vm("ba", 4, 0, 0);
    add_vm("", 5, 0, 0);
    for (const std::string name : {"a", "b", "ba", "", "c", "A"}) {
        auto named = select("requests_total{vm_id=\"" + name + "\"}", 0, 100);
        const Lines found = read(*named, 0, 100);
        EXPECT_EQ(found.size(), name == "c" || name == "A" ? 0u : 1u) << name;
        auto matching = select("requests_total{vm_id=~\"" + name + "\"}", 0, 100);
        EXPECT_EQ(read(*matching, 0, 100), found) << name;
    }
    EXPECT_EQ(select("requests_total{vm_id=\"a\",vm_id=\"b\"}", 0, 100)->size(), 0u);
    EXPECT_EQ(select("requests_total{vm_id=\"b\",vm_id!=\"b\"}", 0, 100)->size(), 0u);
    EXPECT_EQ(select("ringside_vm_up{vm_id=\"b\"}", 0, 100)->size(), 1u);
}

TEST_F(VmSamplesTest, TellsBeforeItLooksAtDrainedVms) {
    add_vm("dead", 1, 0, 30);
    add_vm("live", 2, 0, 0);
    select("requests_total", 50, 100);
    EXPECT_EQ(waits_, 0);
    select("requests_total{vm_id=\"live\"}", 10, 100);
    EXPECT_EQ(waits_, 0);
    select("requests_total", 10, 100);
    EXPECT_EQ(waits_, 1);
}

}  // namespace
}  // namespace ringside::agent
