// Queries over segments that are scanned, with whatever saves work on the way, beside the same queries over the same segments
// read series by series and sample by sample: answers must be equal to the bit.
#include <gtest/gtest.h>
#include <ringside/ringside.h>

#include <algorithm>
#include <bit>
#include <random>
#include <tuple>

#include "agent/base/clock.h"
#include "agent/promql/engine/engine.h"
#include "agent/promql/syntax/parser.h"
#include "agent/query/vm_samples.h"
#include "agent/segment/bus_guard.h"
#include "agent/segment/open.h"
#include "tests/simulation/simulated_time.h"
#include "tests/support/results.h"
#include "tests/support/run_length.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

using simulation::kMs;
using simulation::kSecond;

constexpr const char* kLabels[] = {"n"};
// Rings so short that they lap within a run.
constexpr rside_tier kTiers[] = {{1, 40, 0}, {10, 30, 0}};
constexpr rside_metric kMetrics[] = {
    {"t_total", RSIDE_COUNTER, 0, "", "", kLabels, 1, 5, 0, 0, 0},
    {"t_seconds_total", RSIDE_COUNTER_F64, 0, "", "", kLabels, 1, 5, 0, 0, 0},
    {"t_depth", RSIDE_GAUGE, 0, "", "", kLabels, 1, 2, 0, 0, 0},
    {"t_memory", RSIDE_LEVEL, 0, "", "", kLabels, 1, 2, 0, 0, 0},
    {"t_delay", RSIDE_HISTOGRAM, 0, "", "", kLabels, 1, 2, 2, 0.01, 10},
};
constexpr rside_schema kSchema = {"scans", 1, kTiers, 2, kMetrics, 5, 0};

// The same VM without scans, so that each read takes the general way.
class ReadSeriesBySeries : public SeriesSource {
  public:
    explicit ReadSeriesBySeries(std::shared_ptr<const SeriesSource> source) : source_(std::move(source)) {}
    VmInfo vm() const override { return source_->vm(); }
    std::shared_ptr<const SchemaInfo> schema() const override { return source_->schema(); }
    Result<std::vector<SeriesInfo>> series() const override { return source_->series(); }
    Result<SeriesData> read(std::uint32_t index, const ReadRequest& request) const override {
        return source_->read(index, request);
    }

  private:
    const std::shared_ptr<const SeriesSource> source_;
};

// The same samples without all that saves work: each one is read, and nothing is known of counters or stale markers.
class PlainSet : public promql::SeriesSet {
  public:
    explicit PlainSet(std::unique_ptr<promql::SeriesSet> set) : set_(std::move(set)) {}
    std::size_t size() const override { return set_->size(); }
    std::string_view label(std::size_t series, std::string_view name) const override {
        return set_->label(series, name);
    }
    promql::Labels labels(std::size_t series) const override { return set_->labels(series); }
    Result<promql::SampleSpan> read(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                                    promql::SampleBuffer& buffer) const override {
        auto read = set_->read(series, begin_ms, end_ms, buffer);
        for (promql::HistogramPtr& histogram : buffer.histograms) {
            auto copy = std::make_shared<promql::FloatHistogram>(*histogram);
            copy->reset_hint = promql::ResetHint::kUnknown;
            histogram = std::move(copy);
        }
        return read;
    }
    std::vector<std::string> warnings() const override { return set_->warnings(); }

  private:
    const std::unique_ptr<promql::SeriesSet> set_;
};

class PlainSamples : public promql::SampleSource {
  public:
    explicit PlainSamples(promql::SampleSource& samples) : samples_(samples) {}
    Result<std::unique_ptr<promql::SeriesSet>> select(std::span<const Matcher> matchers,
                                                      const promql::SelectHints& hints) override {
        promql::SelectHints many = hints;
        many.step_ms = std::max<std::int64_t>(many.step_ms, 1);  // of several steps all samples count
        auto set = samples_.select(matchers, many);
        if (!set.ok()) return set.error();
        return std::unique_ptr<promql::SeriesSet>(std::make_unique<PlainSet>(std::move(*set)));
    }

  private:
    promql::SampleSource& samples_;
};

// One of a VM's writers. Series are registered one by one as it goes on.
struct Writer {
    rside_segment* segment = nullptr;
    bool over = false;
    std::vector<rside_counter> totals;
    std::vector<rside_counter_f64> seconds;
    std::vector<rside_gauge> depths;
    std::vector<rside_level> memories;
    std::vector<rside_histogram> delays;
};

class ScanSamplesTest : public testing::Test {
  protected:
    static void SetUpTestSuite() { install_bus_guard(); }
    void SetUp() override {
        std::printf("RINGSIDE_SEED=%llu repeats this run\n", static_cast<unsigned long long>(seed_));
    }
    void TearDown() override {
        for (Writer& life : lives_) {
            if (!life.over) rside_segment_close(life.segment, 0, "");
        }
    }

    std::uint64_t any(std::uint64_t below) { return random_() % below; }

    void begin(const std::string& vm_id) {
        rside_options options;
        rside_options_init(&options);
        const std::string folder = folder_.path();
        options.vm_id = vm_id.c_str();
        options.directory = folder.c_str();
        options.schema = &kSchema;
        options.flags = 0;
        rside_error failure{};
        Writer& life = lives_.emplace_back();
        ASSERT_EQ(rside_segment_create(&options, &life.segment, &failure), 0) << failure.text;
    }

    void grow(Writer& life) {
        rside_error failure{};
        auto add = [&](auto& list, std::size_t most, auto make, const char* metric) {
            if (list.size() == most) return;
            const std::string text = std::to_string(list.size());
            const char* values[] = {text.c_str()};
            list.push_back(make(life.segment, metric, values, 1, &failure));
        };
        add(life.totals, 5, rside_counter_register, "t_total");
        add(life.seconds, 5, rside_counter_f64_register, "t_seconds_total");
        add(life.depths, 2, rside_gauge_register, "t_depth");
        add(life.memories, 2, rside_level_register, "t_memory");
        add(life.delays, 2, rside_histogram_register, "t_delay");
    }

    // Some of its series; others are idle for a while.
    void record(Writer& life) {
        if (any(12) == 0) grow(life);
        for (rside_counter& one : life.totals) {
            if (any(3) == 0) rside_counter_add(one, any(100));
        }
        for (rside_counter_f64& one : life.seconds) {
            if (any(3) == 0) rside_counter_f64_add(one, static_cast<double>(any(1000)) / 7);
        }
        for (rside_gauge& one : life.depths) {
            if (any(4) == 0) rside_gauge_record(one, static_cast<double>(any(1000)) / 3 - 100);
        }
        for (rside_level& one : life.memories) {
            if (any(4) == 0) rside_level_set(one, static_cast<double>(any(1000)) / 3);
        }
        for (rside_histogram& one : life.delays) {
            for (std::uint64_t n = any(4); n > 0; --n)
                rside_histogram_record(one, 0.001 * static_cast<double>(1 + any(20'000)));
        }
    }

    // A life ends, and the VM may have another one at once.
    void end(Writer& life) {
        const std::string vm_id = ids_[static_cast<std::size_t>(&life - lives_.data())];
        rside_segment_close(life.segment, 0, "");
        life.over = true;
        if (any(2) == 0) add(vm_id);
    }
    void add(const std::string& vm_id) {
        ids_.push_back(vm_id);
        begin(vm_id);
        grow(lives_.back());
    }

    void run_for(std::uint64_t steps) {
        for (; steps > 0; --steps) {
            time_.advance_to(time_.monotonic_ns() + (any(60) == 0 ? any(15 * kSecond) : any(700 * kMs)));
            if (any(400) == 0) time_.step(-static_cast<std::int64_t>(any(3 * kSecond)));
            const std::size_t count = lives_.size();
            for (std::size_t i = 0; i < count; ++i) {
                if (!lives_[i].over) record(lives_[i]);
            }
            const std::size_t chosen = any(count);
            if (any(150) == 0 && !lives_[chosen].over && count < 12) end(lives_[chosen]);
        }
    }

    // All VMs as they are now: read series by series where `scanned` is false.
    VmList vms(bool scanned) {
        std::vector<CatalogVmPtr> all;
        for (const std::shared_ptr<LiveSegment>& segment : segments_) {
            auto series = segment->series();
            EXPECT_TRUE(series.ok()) << message_of(series);
            auto layout = layouts_.intern(segment->schema(), *series);
            EXPECT_TRUE(layout.ok()) << message_of(layout);
            std::shared_ptr<const SeriesSource> source = segment;
            if (!scanned) source = std::make_shared<const ReadSeriesBySeries>(segment);
            all.push_back(std::make_shared<const CatalogVm>(segment->vm(), source, *layout));
        }
        std::ranges::sort(all, [](const CatalogVmPtr& a, const CatalogVmPtr& b) {
            return std::tie(a->known().vm_id, a->known().created_ns) <
                   std::tie(b->known().vm_id, b->known().created_ns);
        });
        return std::make_shared<const std::vector<CatalogVmPtr>>(std::move(all));
    }

    void open_all() {
        segments_.clear();
        OpenOptions options;
        options.now = [] { return realtime_ns(); };
        auto directory = SegmentDirectory::open_unchecked(folder_.path());
        auto listing = directory->scan();
        for (const FolderEntry& entry : listing->entries) {
            if (entry.kind != EntryKind::kSegment) continue;
            Opened opened = open_segment(*directory, entry.file_name, *cache_, options);
            ASSERT_TRUE(opened.segment) << opened.refusal.message();
            if (opened.segment->probe().life == Life::kDead) {
                auto settled = opened.segment->settle();
                ASSERT_TRUE(settled.ok()) << message_of(settled);
            }
            segments_.push_back(opened.segment);
        }
    }
    static std::string bits(double value) { return std::to_string(std::bit_cast<std::uint64_t>(value)); }
    static std::string text(const promql::HistogramPtr& histogram) {
        if (!histogram) return "";
        std::string line = " count " + bits(histogram->count) + " sum " + bits(histogram->sum) + " zero " +
                           bits(histogram->zero_count);
        for (const promql::BucketCount& bucket : histogram->positive) {
            line += " " + std::to_string(bucket.index) + ":" + bits(bucket.count);
        }
        return line;
    }
    static std::string text(const promql::QueryResult& result) {
        std::string all;
        if (const auto* vector = std::get_if<promql::VectorValue>(&result.value)) {
            for (const promql::Sample& one : *vector) {
                all += one.labels.text() + " " + bits(one.value) + text(one.histogram) + "\n";
            }
        }
        if (const auto* matrix = std::get_if<promql::MatrixValue>(&result.value)) {
            for (const promql::Series& series : *matrix) {
                all += series.labels.text() + "\n";
                for (const auto& [at, value] : series.points)
                    all += " " + std::to_string(at) + " " + bits(value) + "\n";
                for (const auto& [at, value] : series.histograms) all += " " + std::to_string(at) + text(value) + "\n";
            }
        }
        for (const promql::Note& note : result.notes) all += note.message + "\n";
        for (const std::string& warning : result.warnings) all += warning + "\n";
        return all;
    }

    // The answer to `query` of all VMs: at one time, or at some before that. `fast`: with all that saves work.
    std::string answer(bool fast, const std::string& query, std::int64_t at_ms, std::int64_t span_ms,
                       std::int64_t step_ms) {
        auto expr = promql::parse_query(query, promql::ParseOptions::all());
        if (!expr.ok()) return message_of(expr);
        VmSamples from_vms(vms(fast), {"host-1", "ringside"}, time_.realtime_ns());
        PlainSamples plain(from_vms);
        promql::SampleSource& samples = fast ? static_cast<promql::SampleSource&>(from_vms) : plain;
        const promql::Engine engine;
        auto result = span_ms == 0 ? engine.instant(**expr, at_ms, samples, {})
                                   : engine.range(**expr, at_ms - span_ms, at_ms, step_ms, samples, {});
        return result.ok() ? text(*result) : message_of(result);
    }

    const std::uint64_t seed_ = chosen_seed();
    std::mt19937_64 random_{seed_};
    simulation::SimulatedTime time_{seed_};
    TemporaryFolder folder_{"/dev/shm"};
    std::shared_ptr<LayoutCache> cache_ = make_layout_cache();
    LayoutTable layouts_;
    std::vector<Writer> lives_;
    std::vector<std::string> ids_;  // of lives_
    std::vector<std::shared_ptr<LiveSegment>> segments_;
};

TEST_F(ScanSamplesTest, AnswersAreThoseOfReads) {
    const char* const kQueries[] = {
        "rate(t_total[30s])",
        "increase(t_total[10s])",
        "sum by (vm_id) (rate(t_total[25s]))",
        "rate(t_seconds_total[20s])",
        "sum(increase(t_seconds_total[2m]))",
        "topk(3, sum by (vm_id, n) (rate(t_total[30s])))",
        "rate(t_total[30s] offset 20s)",
        "delta(t_total[20s])",
        "irate(t_total[10s])",
        "resets(t_total[30s])",
        "t_total",
        "t_depth",
        "timestamp(t_depth)",
        "t_memory",
        "avg_over_time(t_depth[30s])",
        "max_over_time(t_memory[25s])",
        "t_delay",
        "histogram_count(t_delay)",
        "rate(t_delay[20s])",
        "increase(t_delay[2m])",
        "histogram_quantile(0.9, sum(rate(t_delay[30s])))",
        "resets(t_delay[40s])",
        "histogram_quantile(0.5, sum by (vm_id) (increase(t_delay[1m])))",
        "ringside_vm_up",
    };
    for (int vm = 0; vm < 3; ++vm) add("vm-" + std::to_string(vm));
    std::uint64_t answers = 0, scanned = 0;
    for (std::uint64_t round = longer_in_soak(12); round > 0; --round) {
        run_for(60);
        open_all();
        const auto now_ms = static_cast<std::int64_t>(time_.realtime_ns() / kMs);
        for (const char* query : kQueries) {
            const std::int64_t at_ms = now_ms - static_cast<std::int64_t>(any(4) == 0 ? any(60'000) : any(1'500));
            const std::int64_t span_ms = any(2) == 0 ? 0 : 1 + static_cast<std::int64_t>(any(60'000));
            const std::int64_t step_ms = 1 + static_cast<std::int64_t>(any(12'000));
            const std::string expected = answer(false, query, at_ms, span_ms, step_ms);
            ASSERT_EQ(answer(true, query, at_ms, span_ms, step_ms), expected)
                << query << " at " << at_ms << ", " << span_ms << " ms back by " << step_ms
                << ", RINGSIDE_SEED=" << seed_;
            answers += expected.empty() ? 0 : 1;
        }
        for (const auto& segment : segments_) scanned += segment->stats().scanned;
    }
    EXPECT_GT(answers, 100u);
    EXPECT_GT(scanned, answers);
}

// A histogram at each step takes more than a number does, however it was read.
TEST_F(ScanSamplesTest, CountsTheBucketsOfARow) {
    add("vm-0");
    for (int second = 0; second < 30; ++second) {
        time_.advance_to(time_.monotonic_ns() + kSecond);
        for (int i = 1; i < 400; ++i) rside_histogram_record(lives_.back().delays.front(), 0.02 * i);
    }
    open_all();
    const auto now_ms = static_cast<std::int64_t>(time_.realtime_ns() / kMs);
    auto expr = promql::parse_query("count(rate(t_delay[10s]))", promql::ParseOptions::all());
    ASSERT_TRUE(expr.ok()) << message_of(expr);
    promql::EvaluationLimits limits;
    limits.samples_max = 20'000;
    for (const bool scanned : {true, false}) {
        VmSamples samples(vms(scanned), {"host-1", "ringside"}, time_.realtime_ns());
        const promql::Engine engine;
        EXPECT_TRUE(engine.range(**expr, now_ms - 3'000, now_ms - 2'950, 1, samples, limits).ok());
        auto many = engine.range(**expr, now_ms - 3'000, now_ms - 2'000, 1, samples, limits);
        ASSERT_FALSE(many.ok()) << scanned;
        EXPECT_EQ(many.error().code, Code::kExhausted);
    }
}

}  // namespace
}  // namespace ringside::agent
