#include "agent/upstream/rollup.h"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <span>
#include <unordered_set>
#include <utility>

#include "agent/base/bucket_bound.h"
#include "agent/base/clock.h"
#include "agent/base/text.h"
#include "agent/upstream/loss.h"
#include "agent/upstream/rollup_plans.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;
constexpr std::uint32_t kNoSeries = UINT32_MAX;
constexpr std::uint32_t kAllMetrics = UINT32_MAX;

std::int64_t ms_down(std::uint64_t ns) { return static_cast<std::int64_t>(ns / kNsPerMs); }
std::int64_t ms_up(std::uint64_t ns) { return static_cast<std::int64_t>(ns / kNsPerMs + (ns % kNsPerMs != 0 ? 1 : 0)); }

// Whether the columns that an output needs are there, as the tier promised.
bool has_column(const SeriesData& data, OutputValue value, std::size_t stride) {
    const std::size_t size = data.size();
    switch (value) {
        case OutputValue::kCounter: return data.value.size() == size;
        case OutputValue::kLast: return data.last.size() == size;
        case OutputValue::kMin: return data.min.size() == size;
        case OutputValue::kMax: return data.max.size() == size;
        case OutputValue::kSum: return data.sum.size() == size;
        case OutputValue::kCount:
        case OutputValue::kSeconds: return data.count.size() == size;
        case OutputValue::kBucket: return data.buckets.size() == size * stride;
        case OutputValue::kNative: return data.count.size() == size && data.buckets.size() == size * stride;
        case OutputValue::kOne: return true;
    }
    return false;
}

// All but kBucket, whose values build on each other, and kNative, which is more than a number.
double value_of(const SeriesData& data, std::size_t at, OutputValue output, Kind kind) {
    switch (output) {
        case OutputValue::kCounter:
            return kind == Kind::kCounterF64 ? ordinary(std::bit_cast<double>(data.value[at]))
                                             : static_cast<double>(data.value[at]);
        case OutputValue::kLast: return ordinary(data.last[at]);
        case OutputValue::kMin: return ordinary(data.min[at]);
        case OutputValue::kMax: return ordinary(data.max[at]);
        case OutputValue::kSum: return ordinary(data.sum[at]);
        case OutputValue::kCount: return static_cast<double>(data.count[at]);
        case OutputValue::kSeconds: return static_cast<double>(data.count[at]) / 1e9;
        case OutputValue::kBucket:
        case OutputValue::kNative: break;
        case OutputValue::kOne: return 1.0;
    }
    return 0;
}

// A sampled gauge without an observation has no values, whatever its columns hold.
bool is_void(const SeriesData& data, std::size_t at, Kind kind) {
    return kind == Kind::kGauge && data.count.size() == data.size() && data.count[at] == 0;
}

// `buckets`: the zero bucket first.
NativeHistogram native_histogram(const MetricInfo& metric, std::span<const std::uint64_t> buckets, std::uint64_t count,
                                 double sum) {
    NativeHistogram histogram;
    histogram.schema = metric.histogram_scale;
    histogram.zero_threshold = zero_threshold(metric);
    histogram.zero_count = buckets[0];
    histogram.sum = ordinary(sum);
    std::size_t begin = 1, end = buckets.size();
    const std::uint64_t within = std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
    const std::uint64_t above = count > within ? count - within : 0;
    histogram.count = within + above;
    while (begin < end && buckets[begin] == 0) ++begin;
    while (above == 0 && begin < end && buckets[end - 1] == 0) --end;
    histogram.first_bucket = metric.bucket_first + static_cast<std::int32_t>(begin) - 1;
    histogram.buckets.assign(buckets.begin() + static_cast<std::ptrdiff_t>(begin),
                             buckets.begin() + static_cast<std::ptrdiff_t>(end));
    if (above > 0) histogram.buckets.push_back(above);
    if (histogram.buckets.empty()) histogram.first_bucket = 0;
    return histogram;
}

class Roller {
  public:
    Roller(const RollupPlan& plan, const VmInfo& vm, const LabelSet& agent_owned, const RollupRange& range)
        : plan_(plan), vm_(vm), agent_owned_(agent_owned), range_(range) {
        for (Label& label : agent_owned_) label.value = clean_utf8(label.value);
    }

    // First the windows of all series, then the series.
    void lay_out_windows(const std::vector<SeriesWindows>& all);
    void add(const SeriesWindows& windows);
    VmRollup finish();

  private:
    // The points of one window of the VM, in the order of its series.
    struct Window {
        std::vector<RollupPoint> zeros, points;
        bool dropped = false;
    };

    void add_window(std::uint64_t end_ns);
    bool unique(std::uint32_t scope, const LabelSet& labels);
    std::uint64_t series_begun_ns(const SeriesInfo& series) const;
    std::int64_t start_ms(const SeriesInfo& series) const;
    std::uint32_t add_series(const RollupOutput& output, const LabelSet& labels, const SeriesInfo& source);
    bool relabel(RollupSeries& series, const std::string& name);
    std::uint32_t renamed_family(std::uint32_t family, const std::string& before, const std::string& after);
    // Of all outputs of one series of the VM: `places` tells where each went.
    void add_points(const SeriesWindows& windows, const std::vector<std::uint32_t>& places);
    void add_info(const SeriesInfo& series, std::uint32_t place);
    void add_zeros(const SeriesInfo& series, const std::vector<std::uint32_t>& places);
    std::uint32_t add_histogram(NativeHistogram histogram);
    void add_exit(std::vector<RollupPoint>& points);
    void add_end();
    void add_step(StepKind kind, std::uint64_t end_ns, std::vector<RollupPoint> points);

    const RollupPlan& plan_;
    const VmInfo& vm_;
    LabelSet agent_owned_;
    const RollupRange& range_;
    std::map<std::uint64_t, Window> windows_;  // by end
    std::unordered_set<std::string> label_sets_;
    VmRollup rollup_;
};

void Roller::add_window(std::uint64_t end_ns) {
    auto [at, added] = windows_.try_emplace(end_ns);
    if (!added || ms_up(end_ns) > range_.floor_ms) return;
    at->second.dropped = true;
    ++rollup_.overlapping;
}

void Roller::lay_out_windows(const std::vector<SeriesWindows>& all) {
    const std::uint64_t step = plan_.resolution_ns();
    const std::uint64_t until_ns = range_.final ? UINT64_MAX : range_.until_ns;
    for (const SeriesWindows& windows : all) {
        for (std::uint64_t end_ns : windows.data.end_ns) {
            if (end_ns <= range_.after_ns || end_ns > until_ns) continue;
            if (range_.final || end_ns % step == 0) add_window(end_ns);
        }
    }
    // Info series and zeros need a VM's windows also where no series has data.
    const std::uint64_t last_ns = range_.final ? vm_.ended_ns : range_.until_ns;
    const std::uint64_t begin_ns = std::max(range_.after_ns, vm_.created_ns);
    if (last_ns <= begin_ns) return;
    // The caller bounds a run, but what a VM says of its times must not size a map.
    std::uint64_t end_ns = aligned(begin_ns, step) + step;
    for (std::uint32_t left = plan_.slots() + 1; end_ns <= last_ns && left > 0; --left) {
        add_window(end_ns);
        end_ns += step;
    }
    if (range_.final) add_window(last_ns);
}

// Whether no earlier series of the scope has these labels.
bool Roller::unique(std::uint32_t scope, const LabelSet& labels) {
    std::string key = std::to_string(scope);
    for (const Label& label : labels) {
        for (const std::string* text : {&label.name, &label.value}) {
            key += '\0';
            key += *text;
        }
    }
    return label_sets_.insert(std::move(key)).second;
}

std::uint64_t Roller::series_begun_ns(const SeriesInfo& series) const {
    return std::max(series.created_ns, begun_ns(vm_));
}

std::int64_t Roller::start_ms(const SeriesInfo& series) const {
    if (vm_.rebases != 0) return 0;
    const std::int64_t begun_ms = ms_down(series_begun_ns(series));
    return begun_ms > range_.floor_ms ? begun_ms : range_.floor_ms + 1;
}

// Where it went; kNoSeries: it does not leave.
std::uint32_t Roller::add_series(const RollupOutput& output, const LabelSet& labels, const SeriesInfo& source) {
    RollupSeries series{labels, output.family, source.index, output.cumulative ? start_ms(source) : 0};
    for (Label& label : series.labels) {
        if (label.name == kNameLabel) label.value = output.name;
    }
    if (!output.le.empty()) {
        auto at = std::lower_bound(series.labels.begin(), series.labels.end(), Label{"le", ""});
        if (at != series.labels.end() && at->name == "le") {
            at->value = output.le;
        } else {
            series.labels.insert(at, {"le", output.le});
        }
    }
    if (!plan_.relabeling().empty() && !relabel(series, output.name)) return kNoSeries;
    rollup_.series.push_back(std::move(series));
    return static_cast<std::uint32_t>(rollup_.series.size() - 1);
}

bool Roller::relabel(RollupSeries& series, const std::string& name) {
    const Relabeled outcome = plan_.relabeling().apply(series.labels);
    if (outcome == Relabeled::kBadName) ++rollup_.bad_names;
    if (outcome != Relabeled::kLeaves) return false;
    if (!unique(kAllMetrics, series.labels)) {
        ++rollup_.duplicates;
        return false;
    }
    const std::string_view renamed = label_value(series.labels, kNameLabel);
    if (renamed != name) series.family = renamed_family(series.family, name, std::string(renamed));
    return true;
}

// What is said of a family goes with its series: `before` is the family's name, or that with _bucket, _sum or _count.
std::uint32_t Roller::renamed_family(std::uint32_t family, const std::string& before, const std::string& after) {
    Family renamed = plan_.families()[family];
    const std::string part = before.substr(std::min(renamed.name.size(), before.size()));
    renamed.name = after.ends_with(part) ? after.substr(0, after.size() - part.size()) : after;
    const auto first = static_cast<std::uint32_t>(plan_.families().size());
    for (std::uint32_t i = 0; i < rollup_.renamed.size(); ++i) {
        if (rollup_.renamed[i] == renamed) return first + i;
    }
    rollup_.renamed.push_back(std::move(renamed));
    return static_cast<std::uint32_t>(first + rollup_.renamed.size() - 1);
}

void Roller::add(const SeriesWindows& windows) {
    const SeriesInfo& series = windows.series;
    if (series.metric >= plan_.metrics().size()) return;
    const MetricRollup& metric = plan_.metrics()[series.metric];
    if (metric.outputs.empty()) return;
    SeriesInfo clean = series;
    for (std::string& value : clean.label_values) value = clean_utf8(value);
    LabelSet labels = series_labels(plan_.schema(), clean, agent_owned_);
    if (!unique(series.metric, labels)) {
        ++rollup_.duplicates;
        return;
    }
    std::vector<std::uint32_t> places;
    for (const RollupOutput& output : metric.outputs) places.push_back(add_series(output, labels, series));
    add_zeros(series, places);
    if (plan_.schema().metrics[series.metric].kind == Kind::kInfo) {
        add_info(series, places[0]);
    } else {
        add_points(windows, places);
    }
}

void Roller::add_zeros(const SeriesInfo& series, const std::vector<std::uint32_t>& places) {
    const std::int64_t zero_ms = start_ms(series);
    if (zero_ms == 0 || series_begun_ns(series) < std::max(range_.zeros_after_ns, range_.after_ns)) return;
    auto at = windows_.upper_bound(series_begun_ns(series));
    while (at != windows_.end() && at->second.dropped) ++at;
    if (at == windows_.end()) return;
    auto& [end_ns, window] = *at;
    const std::uint64_t begin_ns = (end_ns - 1) / plan_.resolution_ns() * plan_.resolution_ns();
    if (zero_ms < ms_up(begin_ns) || zero_ms >= ms_up(end_ns)) return;
    const MetricInfo& metric = plan_.schema().metrics[series.metric];
    const std::vector<RollupOutput>& outputs = plan_.metrics()[series.metric].outputs;
    for (std::uint32_t i = 0; i < outputs.size(); ++i) {
        if (!outputs[i].cumulative || places[i] == kNoSeries) continue;
        RollupPoint& zero = window.zeros.emplace_back(RollupPoint{places[i], zero_ms});
        if (outputs[i].value == OutputValue::kNative) {
            const std::vector<std::uint64_t> none(std::size_t{metric.bucket_count} + 1);
            zero.histogram = add_histogram(native_histogram(metric, none, 0, 0));
        }
    }
}

std::uint32_t Roller::add_histogram(NativeHistogram histogram) {
    rollup_.histograms.push_back(std::move(histogram));
    return static_cast<std::uint32_t>(rollup_.histograms.size() - 1);
}

void Roller::add_info(const SeriesInfo& series, std::uint32_t place) {
    if (place == kNoSeries) return;
    for (auto& [end_ns, window] : windows_) {
        // After a rebase the time of registration may lie in a future that will not come.
        if (series.created_ns >= end_ns && vm_.rebases == 0) continue;
        window.points.push_back({place, ms_up(end_ns), 1.0});
    }
}

void Roller::add_points(const SeriesWindows& windows, const std::vector<std::uint32_t>& places) {
    const SeriesData& data = windows.data;
    const MetricInfo& metric = plan_.schema().metrics[windows.series.metric];
    const std::size_t stride = std::size_t{metric.bucket_count} + 1;
    const std::vector<RollupOutput>& outputs = plan_.metrics()[windows.series.metric].outputs;
    for (std::size_t at = 0; at < data.size(); ++at) {
        auto window = windows_.find(data.end_ns[at]);
        if (window == windows_.end() || is_void(data, at, metric.kind)) continue;
        std::uint64_t below = 0;  // of the point's bucket entries, the sum of the first `summed`
        std::size_t summed = 0;
        for (std::uint32_t i = 0; i < outputs.size(); ++i) {
            const RollupOutput& output = outputs[i];
            if (places[i] == kNoSeries || !has_column(data, output.value, stride)) continue;
            RollupPoint& point = window->second.points.emplace_back(RollupPoint{places[i], ms_up(window->first)});
            if (output.value == OutputValue::kNative) {
                const double sum = data.sum.size() == data.size() ? data.sum[at] : std::bit_cast<double>(kQuietNanBits);
                point.histogram =
                    add_histogram(native_histogram(metric, {&data.buckets[at * stride], stride}, data.count[at], sum));
            } else if (output.value == OutputValue::kBucket) {
                for (; summed < output.bucket_entries; ++summed) {
                    below += data.buckets[at * stride + summed];
                }
                point.value = static_cast<double>(below);
            } else {
                point.value = value_of(data, at, output.value, metric.kind);
            }
        }
    }
}

void Roller::add_step(StepKind kind, std::uint64_t end_ns, std::vector<RollupPoint> points) {
    if (points.empty()) return;
    std::int64_t newest_ms = points.front().timestamp_ms;
    for (const RollupPoint& point : points) newest_ms = std::max(newest_ms, point.timestamp_ms);
    rollup_.steps.push_back({kind, end_ns, newest_ms, std::move(points)});
}

VmRollup Roller::finish() {
    for (auto& [end_ns, window] : windows_) {
        if (window.dropped) continue;
        add_step(StepKind::kZeros, end_ns, std::move(window.zeros));
        add_step(StepKind::kWindow, end_ns, std::move(window.points));
    }
    if (range_.final) add_end();
    return std::move(rollup_);
}

void Roller::add_end() {
    // A live VM's idle windows may have been pushed past the end that its archive settled on.
    std::int64_t newest_ms = std::max({ms_up(vm_.ended_ns), range_.last_ms, range_.floor_ms});
    if (!rollup_.steps.empty()) newest_ms = std::max(newest_ms, rollup_.steps.back().timestamp_ms);
    std::vector<RollupPoint> points;
    for (std::uint32_t i = 0; i < rollup_.series.size(); ++i) points.push_back({i, newest_ms + 1, stale_marker()});
    add_exit(points);
    add_step(StepKind::kEnd, std::max(vm_.ended_ns, range_.after_ns), std::move(points));
}

void Roller::add_exit(std::vector<RollupPoint>& points) {
    if (!plan_.exit_family()) return;
    static const SchemaInfo schema = [] {
        SchemaInfo exits;
        exits.metrics.emplace_back();
        exits.metrics[0].name = kExitMetric;
        exits.metrics[0].label_names = {"cause", "code", "signal"};
        return exits;
    }();
    SeriesInfo how;
    how.label_values = {exit_cause_name(vm_.exit_cause),
                        has_close_code(vm_.exit_cause) ? std::to_string(vm_.close_code) : "",
                        vm_.exit_signal != 0 ? std::to_string(vm_.exit_signal) : ""};
    RollupSeries series{series_labels(schema, how, agent_owned_), *plan_.exit_family(), kUnnamedSeries, 0};
    if (!plan_.relabeling().empty() && !relabel(series, kExitMetric)) return;
    rollup_.series.push_back(std::move(series));
    const std::int64_t end_ms = std::max(ms_up(vm_.ended_ns), range_.floor_ms + 1);
    points.push_back({static_cast<std::uint32_t>(rollup_.series.size() - 1), end_ms, 1.0});
}

}  // namespace

VmRollup roll_up(const RollupPlan& plan, const VmInfo& vm, const LabelSet& agent_owned,
                 const std::vector<SeriesWindows>& windows, const RollupRange& range) {
    Roller roller(plan, vm, agent_owned, range);
    roller.lay_out_windows(windows);
    for (const SeriesWindows& series : windows) roller.add(series);
    return roller.finish();
}

WireSample wire_sample(const RollupPlan& plan, const VmRollup& rollup, const RollupPoint& point) {
    const RollupSeries& series = rollup.series[point.series];
    WireSample sample;
    sample.labels = &series.labels;
    const std::size_t of_plan = plan.families().size();
    sample.family =
        series.family < of_plan ? &plan.families()[series.family] : &rollup.renamed[series.family - of_plan];
    sample.timestamp_ms = point.timestamp_ms;
    sample.value = point.value;
    if (series.start_ms <= point.timestamp_ms) sample.start_ms = series.start_ms;
    if (point.histogram != kNoHistogram) sample.histogram = &rollup.histograms[point.histogram];
    return sample;
}

}  // namespace ringside::agent
