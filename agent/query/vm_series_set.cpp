#include "agent/query/vm_series_set.h"

#include <algorithm>
#include <array>

#include "agent/base/bucket_bound.h"
#include "agent/base/clock.h"
#include "agent/query/samples_of.h"
#include "agent/query/tier_choice.h"

namespace ringside::agent {
namespace {

// How often a fact is a sample: as dense as the shortest lookback that is of use needs it, and sparse in a long range.
constexpr std::int64_t kFactPoints = 600;
constexpr std::int64_t kFactStepMs = 60'000;     // at most, for 34 days
constexpr std::int64_t kFactPointsMax = 50'000;  // whatever a VM says of its begin
constexpr std::int64_t kMsPerS = 1'000;
// Where only the newest sample counts, these are read first: it lies among them unless the series was silent for so long.
constexpr std::int64_t kNewestWindows = 8;

// For a fact that holds in `lasts_ms` of a range of `range_ms`.
std::int64_t fact_step_ms(std::int64_t range_ms, std::int64_t lasts_ms) {
    const std::int64_t seconds = range_ms / kFactPoints / kMsPerS + 1;
    return std::max(std::min(seconds * kMsPerS, kFactStepMs), lasts_ms / kFactPointsMax);
}

// A 1 at each step of the VM's life that lies in (begin, end].
void append_facts(const VmInfo& vm, std::uint64_t now_ns, std::int64_t begin_ms, std::int64_t end_ms,
                  promql::SampleBuffer& buffer) {
    const std::int64_t born_ms = ms_up(begun_ns(vm));
    const std::int64_t last_ms = std::min(end_ms, static_cast<std::int64_t>(newest_ns(vm, now_ns) / kNsPerMs));
    if (last_ms <= begin_ms) return;
    const std::int64_t step_ms = fact_step_ms(end_ms - begin_ms, last_ms - std::max(begin_ms, born_ms));
    if (born_ms > begin_ms && born_ms <= last_ms) append_value(born_ms, 1, buffer);
    for (std::int64_t at = std::max(begin_ms, born_ms) / step_ms * step_ms + step_ms; at <= last_ms; at += step_ms) {
        append_value(at, 1, buffer);
    }
}

const MetricInfo kFactMetric = [] {
    MetricInfo metric;
    metric.kind = Kind::kInfo;
    return metric;
}();

// Whether there is not one column of the metric that samples are made of; see append_samples().
bool is_kept_nowhere(const MetricInfo& metric, const TierInfo& tier, std::uint32_t columns) {
    if (metric.kind == Kind::kHistogram) return (tier.columns & kColumnBuckets) == 0;
    return (tier.columns & columns) == 0;
}

constexpr std::uint64_t kTimeBytes = sizeof(std::uint64_t) + 1;  // of a window's end and flags
constexpr std::uint64_t kCounterWindowBytes = kTimeBytes + sizeof(std::uint64_t);
constexpr std::size_t kRunsAtOnce = 64;
constexpr std::uint64_t kWindowsOfGain = 2;  // the first and the last

std::uint64_t bytes_of(const SeriesData& data) {
    return data.size() * kTimeBytes + 8 * (data.count.size() + data.sum.size() + data.min.size() + data.max.size() +
                                           data.last.size() + data.value.size() + data.buckets.size());
}

}  // namespace

std::uint32_t VmSeriesSet::add_life(CatalogVmPtr vm, std::shared_ptr<const Layout> layout) {
    const auto life = static_cast<std::uint32_t>(lives_.size());
    const bool same_vm = life > 0 && lives_.back().info().vm_id == vm->known().vm_id &&
                         lives_.back().info().component == vm->known().component;
    if (!same_vm) series_of_vm_.clear();
    has_ends_ = has_ends_ || vm->known().ended_ns != 0;
    lives_.push_back({std::move(vm), std::move(layout), 0, nullptr});
    return life;
}

void VmSeriesSet::add(SelectedVm selected) {
    const SchemaInfo& schema = selected.layout->schema();
    const VmInfo& info = selected.vm->known();
    auto tier = pick_tier(schema, info, plan_.resolution_s, plan_.begin_ns, plan_.now_ns, plan_.window_max_s);
    if (!tier) return;  // no such resolution
    const std::uint32_t life = add_life(std::move(selected.vm), std::move(selected.layout));
    lives_[life].tier = *tier;
    report_.series_by_resolution_s[schema.tiers[*tier].resolution_s] += selected.rows->size();
    const bool later_life = life > 0 && lives_[life - 1].info().vm_id == info.vm_id &&
                            lives_[life - 1].info().component == info.component && lives_[life - 1].layout;
    if (later_life) {
        join_lives(life, *selected.rows);
        return;
    }
    for (Row row : *selected.rows) add_part(life, row, kNone);
}

void VmSeriesSet::reserve(std::size_t vms, std::size_t rows) {
    lives_.reserve(vms);
    parts_.reserve(rows);
    series_.reserve(rows);
}

// Most VMs have one life: the labels of their series are looked at only when a second one comes.
void VmSeriesSet::join_lives(std::uint32_t life, const std::vector<Row>& rows) {
    if (series_of_vm_.empty()) {
        for (std::size_t i = series_.size(); i-- > 0 && parts_[series_[i]].life == life - 1;) {
            series_of_vm_.emplace(labels_of(parts_[series_[i]]), series_[i]);
        }
    }
    for (Row row : rows) {
        auto [at, is_new] = series_of_vm_.try_emplace(labels_of({life, row, kNone}), kNone);
        const auto part = static_cast<std::uint32_t>(parts_.size());
        add_part(life, row, is_new ? kNone : at->second);
        at->second = part;
    }
}

void VmSeriesSet::add_part(std::uint32_t life, Row row, std::uint32_t earlier) {
    const auto part = static_cast<std::uint32_t>(parts_.size());
    parts_.push_back({life, row, kNone});
    if (earlier == kNone) {
        series_.push_back(part);
    } else {
        parts_[earlier].next = part;
    }
}

void VmSeriesSet::add_fact(const CatalogVmPtr& vm, Fact fact, LabelSet labels) {
    const std::uint32_t life = add_life(vm, nullptr);
    // Two lives of one VM say the same where their labels do: ringside_vm_up.
    auto [at, is_new] = series_of_vm_.try_emplace(labels, kNone);
    const auto part = static_cast<std::uint32_t>(parts_.size());
    add_part(life, fact == Fact::kInfo ? kInfoRow : kUpRow, is_new ? kNone : at->second);
    at->second = part;
    if (is_new) facts_.emplace(static_cast<std::uint32_t>(series_.size() - 1), std::move(labels));
}

const MetricInfo& VmSeriesSet::metric_of(const Part& part) const {
    const Layout* layout = lives_[part.life].layout.get();
    return layout ? layout->schema().metrics[layout->metric(part.row)] : kFactMetric;
}

LabelSet VmSeriesSet::labels_of(const Part& part) const {
    const Life& life = lives_[part.life];
    return series_labels(life.layout->schema(), life.layout->series(part.row), agent_labels(life.info(), host_));
}

// As agent_labels() has them; nothing where a VM may say what it likes.
std::optional<std::string_view> VmSeriesSet::agent_label(const Life& life, std::string_view name) const {
    if (name == "vm_id") return life.info().vm_id;
    if (name == "instance" && !host_.instance.empty()) return host_.instance;
    if (name == "job" && !host_.job.empty()) return host_.job;
    if (name == "component" && !life.info().component.empty()) return life.info().component;
    return std::nullopt;
}

std::string_view VmSeriesSet::label(std::size_t series, std::string_view name) const {
    const Part& part = parts_[series_[series]];
    const Life& life = lives_[part.life];
    if (!life.layout) return label_value(facts_.at(static_cast<std::uint32_t>(series)), name);
    if (auto of_agent = agent_label(life, name)) return *of_agent;
    const MetricInfo& metric = metric_of(part);
    if (name == kNameLabel) return metric.name;
    for (std::size_t i = 0; i < metric.label_names.size(); ++i) {
        if (metric.label_names[i] == name) return life.layout->label_value(part.row, i);
    }
    return {};
}

// In one life these are the same for all series.
bool VmSeriesSet::same_values(std::size_t one, std::size_t other, std::span<const std::string> names) const {
    const std::uint32_t life = parts_[series_[one]].life;
    return life == parts_[series_[other]].life && lives_[life].layout &&
           std::ranges::all_of(names, [&](const auto& name) { return agent_label(lives_[life], name).has_value(); });
}

promql::Labels VmSeriesSet::labels(std::size_t series) const {
    const Part& part = parts_[series_[series]];
    if (!lives_[part.life].layout) return promql::Labels(facts_.at(static_cast<std::uint32_t>(series)));
    return promql::Labels(labels_of(part));
}

Result<promql::SampleSpan> VmSeriesSet::read(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                                             promql::SampleBuffer& buffer) const {
    const Life& life = lives_[parts_[series_[series]].life];
    if (plan_.newest_only && life.layout) {
        const TierInfo& tier = life.layout->schema().tiers[life.tier];
        read_parts(series, std::max(begin_ms, end_ms - kNewestWindows * tier.resolution_s * kMsPerS), end_ms, buffer);
        if (!buffer.times_ms.empty() || !buffer.histograms.empty()) return buffer.span();
    }
    read_parts(series, begin_ms, end_ms, buffer);
    return buffer.span();
}

void VmSeriesSet::read_parts(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                             promql::SampleBuffer& buffer) const {
    buffer.clear();
    for (std::uint32_t part = series_[series]; part != kNone; part = parts_[part].next) {
        read_part(parts_[part], begin_ms, end_ms, buffer);
    }
}

void VmSeriesSet::read_part(const Part& part, std::int64_t begin_ms, std::int64_t end_ms,
                            promql::SampleBuffer& buffer) const {
    const VmInfo& vm = lives_[part.life].info();
    const MetricInfo& metric = metric_of(part);
    if (metric.kind == Kind::kInfo) {
        append_facts(vm, plan_.now_ns, begin_ms, end_ms, buffer);
    } else {
        read_windows(part, begin_ms, end_ms, buffer);
    }
    if (vm.ended_ns == 0) return;
    const std::int64_t ended_ms = ms_up(vm.ended_ns);
    const std::int64_t gone_ms = part.row == kUpRow ? ended_ms : ended_ms + 1;
    if (gone_ms <= begin_ms || gone_ms > end_ms) return;
    const auto& times = metric.kind == Kind::kHistogram ? buffer.histogram_times_ms : buffer.times_ms;
    if (part.row == kUpRow) {
        if (!times.empty() && times.back() == gone_ms) {
            buffer.values.back() = 0;
        } else {
            append_value(gone_ms, 0, buffer);
        }
    } else if (times.empty() || times.back() < gone_ms) {
        append_stale(metric, gone_ms, buffer);
    }
}

const VmSeriesSet::Reading& VmSeriesSet::reading_of(const Part& part, std::int64_t begin_ms,
                                                    std::int64_t end_ms) const {
    const Life& life = lives_[part.life];
    const MetricInfo& metric = metric_of(part);
    if (reading_.life == part.life && reading_.metric == &metric && reading_.begin_ms == begin_ms &&
        reading_.end_ms == end_ms) {
        return reading_;
    }
    const VmInfo& info = life.info();
    const SchemaInfo& schema = life.layout->schema();
    const TierInfo& tier = schema.tiers[life.tier];
    reading_ = {part.life, &metric, begin_ms, end_ms, {}, 0, false};
    ReadRequest& request = reading_.request;
    request.tier = life.tier;
    request.begin_ns = ns_of_ms(begin_ms);
    request.end_ns = ns_of_ms(end_ms);
    request.columns = columns_to_read(metric.kind, plan_.columns, tier.columns);
    request.open_window = info.ended_ns != 0;  // its last one, which has a true end
    if (is_gauge(metric.kind) && (plan_.columns & ~request.columns) != 0) {
        warnings_.insert("the " + std::to_string(tier.resolution_s) + "s tier of schema " + schema.name +
                         " does not keep what the function needs of " + metric.name + ": its last values were read");
    }
    if (is_kept_nowhere(metric, tier, request.columns)) {
        warnings_.insert("the " + std::to_string(tier.resolution_s) + "s tier of schema " + schema.name + " keeps no " +
                         (metric.kind == Kind::kHistogram ? "buckets" : "values") + " of " + metric.name +
                         ": it has no samples there; another tier is named with " + kTierLabel);
    }
    const bool cumulative = is_counter(metric.kind) || metric.kind == Kind::kHistogram;
    // After a step back of the clock the begin may lie in a time that will not come.
    if (cumulative && info.rebases == 0) reading_.zero_ms = static_cast<std::int64_t>(begun_ns(info) / kNsPerMs);
    reading_.zero_is_in_tier =
        reading_.zero_ms > begin_ms && reading_.zero_ms <= end_ms && reaches(tier, info, begun_ns(info), plan_.now_ns);
    return reading_;
}

SeriesScan& VmSeriesSet::scan_of(Life& life) const {
    if (!life.scan) life.scan = life.vm->source()->scan();
    return *life.scan;
}

void VmSeriesSet::note_windows(const Reading& reading, std::uint64_t windows, std::uint64_t bytes,
                               std::uint64_t newest_ns) const {
    report_.columns |= reading.request.columns;
    report_.windows += windows;
    report_.bytes += bytes;
    if (windows > 0) report_.newest_ns = std::max(report_.newest_ns, newest_ns);
}

void VmSeriesSet::read_windows(const Part& part, std::int64_t begin_ms, std::int64_t end_ms,
                               promql::SampleBuffer& buffer) const {
    Life& life = lives_[part.life];
    const Reading& reading = reading_of(part, begin_ms, end_ms);
    const MetricInfo& metric = *reading.metric;
    const Result<void> read = scan_of(life).read(life.layout->series_index(part.row), reading.request, &data_);
    if (!read.ok()) {
        warnings_.insert("VM " + life.vm->key() + " was left out in part: " + read.error().message());
        return;
    }
    note_windows(reading, data_.size(), bytes_of(data_), data_.size() > 0 ? data_.end_ns.back() : 0);
    const auto& times = metric.kind == Kind::kHistogram ? buffer.histogram_times_ms : buffer.times_ms;
    if (reading.zero_is_in_tier && (times.empty() || times.back() < reading.zero_ms)) {
        append_zero(metric, reading.zero_ms, buffer);
    }
    append_samples(metric, data_, begin_ms, end_ms, reading.zero_ms, buffer);
}

// For one life, of which there is neither a begin nor an end to tell, and for its series of one metric at a time.
std::size_t VmSeriesSet::read_counters(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                                       std::span<promql::CounterSpan> spans) const {
    const Part& first = parts_[series_[series]];
    Life& life = lives_[first.life];
    if (!life.layout || life.info().ended_ns != 0) return 0;
    const Reading& reading = reading_of(first, begin_ms, end_ms);
    if (!is_counter(reading.metric->kind) || reading.zero_is_in_tier) return 0;
    std::array<std::uint32_t, kRunsAtOnce> indexes;
    const std::size_t most = std::min({spans.size(), indexes.size(), series_.size() - series});
    std::size_t count = 0;
    for (; count < most; ++count) {
        const Part& part = parts_[series_[series + count]];
        if (part.life != first.life || part.next != kNone || &metric_of(part) != reading.metric) break;
        indexes[count] = life.layout->series_index(part.row);
    }
    runs_.resize(kRunsAtOnce);
    count = scan_of(life).read_runs({indexes.data(), count}, reading.request, runs_.data());
    const Kind kind = reading.metric->kind;
    std::uint64_t windows = 0, newest_ns = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const CounterRun& run = runs_[i];
        spans[i] = {run.count, ms_up(run.first_end_ns), ms_up(run.last_end_ns), counter_of(kind, run.first),
                    counter_of(kind, run.last)};
        windows += run.count;
        if (run.count > 0) newest_ns = std::max(newest_ns, run.last_end_ns);
    }
    note_windows(reading, windows, windows * kCounterWindowBytes, newest_ns);
    return count;
}

// As of counters.
bool VmSeriesSet::read_gains(std::size_t series, std::span<const promql::TimeWindow> windows,
                             std::span<promql::HistogramGain> gains) const {
    const Part& part = parts_[series_[series]];
    Life& life = lives_[part.life];
    if (part.next != kNone || !life.layout || life.info().ended_ns != 0) return false;
    const Reading& reading = reading_of(part, windows.front().begin_ms, windows.back().end_ms);
    if (reading.metric->kind != Kind::kHistogram || reading.zero_is_in_tier) return false;
    ranges_.clear();
    for (const promql::TimeWindow& window : windows) {
        ranges_.push_back({ns_of_ms(window.begin_ms), ns_of_ms(window.end_ms)});
    }
    const std::uint32_t index = life.layout->series_index(part.row);
    if (!scan_of(life).read_gains(index, reading.request.tier, ranges_, &gains_)) return false;
    const std::size_t stride = std::size_t{reading.metric->bucket_count} + 1;
    const double threshold = zero_threshold(*reading.metric);
    const std::span<const std::uint32_t> buckets(gains_.buckets);
    std::uint64_t read = 0, newest_ns = 0;
    for (std::size_t i = 0; i < gains.size(); ++i) {
        const HistogramGain& range = gains_.ranges[i];
        gains[i].count = range.windows;
        if (range.windows == 0) continue;
        gains[i].first_ms = ms_up(range.first_end_ns);
        gains[i].last_ms = ms_up(range.last_end_ns);
        gains[i].first_count = static_cast<double>(range.first_count);
        gains[i].gain =
            histogram_of(*reading.metric, threshold, buckets.subspan(i * stride, stride), range.count, range.sum);
        newest_ns = std::max(newest_ns, range.last_end_ns);
        read += kWindowsOfGain;
    }
    note_windows(reading, read, read * (kTimeBytes + 8 + 8 + 4 * stride), newest_ns);
    return true;
}

}  // namespace ringside::agent
