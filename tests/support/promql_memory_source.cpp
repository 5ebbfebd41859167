#include "tests/support/promql_memory_source.h"

#include <algorithm>

namespace ringside::agent::promql {
namespace {

template <typename T>
const T* from(const std::vector<T>& values, std::size_t begin) {
    return values.empty() ? nullptr : values.data() + begin;
}

struct Range {
    std::size_t begin, count;
};
Range range_of(const std::vector<std::int64_t>& times_ms, std::int64_t begin_ms, std::int64_t end_ms) {
    auto begin = std::upper_bound(times_ms.begin(), times_ms.end(), begin_ms);
    auto end = std::upper_bound(begin, times_ms.end(), end_ms);
    return {static_cast<std::size_t>(begin - times_ms.begin()), static_cast<std::size_t>(end - begin)};
}

class MemorySet : public SeriesSet {
  public:
    MemorySet(std::vector<const MemorySource::OneSeries*> series, std::vector<std::string> warnings,
              std::vector<std::string> gaps)
        : series_(std::move(series)), warnings_(std::move(warnings)), gaps_(std::move(gaps)) {}

    std::size_t size() const override { return series_.size(); }
    std::string_view label(std::size_t series, std::string_view name) const override {
        return series_[series]->labels.get(name);
    }
    Labels labels(std::size_t series) const override { return series_[series]->labels; }
    bool has_metadata_labels() const override {
        return std::any_of(series_.begin(), series_.end(), [](const auto* series) {
            return !series->labels.get(kTypeLabel).empty() || !series->labels.get(kUnitLabel).empty();
        });
    }
    Result<SampleSpan> read(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                            SampleBuffer&) const override {
        warnings_.insert(warnings_.end(), gaps_.begin(), gaps_.end());
        const SampleBuffer& all = series_[series]->samples;
        Range floats = range_of(all.times_ms, begin_ms, end_ms);
        Range histograms = range_of(all.histogram_times_ms, begin_ms, end_ms);
        return SampleSpan{
            {floats.count, from(all.times_ms, floats.begin), from(all.values, floats.begin),
             from(all.starts_ms, floats.begin), from(all.counts, floats.begin), from(all.sums, floats.begin),
             from(all.minima, floats.begin), from(all.maxima, floats.begin)},
            {histograms.count, from(all.histogram_times_ms, histograms.begin), from(all.histograms, histograms.begin),
             from(all.histogram_starts_ms, histograms.begin)}};
    }
    std::vector<std::string> warnings() const override { return warnings_; }

  private:
    std::vector<const MemorySource::OneSeries*> series_;
    mutable std::vector<std::string> warnings_;
    const std::vector<std::string> gaps_;
};

// Whether `now` could not have followed `before` in one chunk although no counter was reset: then nothing is known.
bool other_layout(const FloatHistogram& before, const FloatHistogram& now) {
    return now.schema != before.schema || now.zero_threshold != before.zero_threshold ||
           now.custom_bounds != before.custom_bounds || is_stale(before.sum) || before.reset_hint == ResetHint::kGauge;
}

}  // namespace

MemorySource::OneSeries& MemorySource::series(const Labels& labels) {
    auto [at, is_new] = index_.try_emplace(labels, series_.size());
    if (is_new) series_.push_back({labels, {}});
    return series_[at->second];
}

void MemorySource::add(const Labels& labels, std::int64_t time_ms, double value, std::int64_t start_ms) {
    SampleBuffer& samples = series(labels).samples;
    samples.times_ms.push_back(time_ms);
    samples.values.push_back(value);
    samples.starts_ms.push_back(start_ms);
}

void MemorySource::add(const Labels& labels, std::int64_t time_ms, FloatHistogram histogram, std::int64_t start_ms) {
    SampleBuffer& samples = series(labels).samples;
    bool after_float = !samples.times_ms.empty() && (samples.histogram_times_ms.empty() ||
                                                     samples.times_ms.back() > samples.histogram_times_ms.back());
    ResetHint& hint = histogram.reset_hint;
    const bool follows = hint != ResetHint::kReset && !samples.histograms.empty() && !after_float &&
                         !is_stale(histogram.sum) && !other_layout(*samples.histograms.back(), histogram);
    if (hint != ResetHint::kGauge) {
        hint = ResetHint::kUnknown;
        if (follows && !histogram.is_reset_after(*samples.histograms.back())) hint = ResetHint::kNotReset;
    }
    samples.histogram_times_ms.push_back(time_ms);
    samples.histograms.push_back(std::make_shared<const FloatHistogram>(std::move(histogram)));
    samples.histogram_starts_ms.push_back(start_ms);
}

void MemorySource::add_window(const Labels& labels, std::int64_t time_ms, const Window& window) {
    SampleBuffer& samples = series(labels).samples;
    samples.times_ms.push_back(time_ms);
    samples.values.push_back(window.last);
    samples.counts.push_back(window.count);
    samples.sums.push_back(window.sum);
    samples.minima.push_back(window.min);
    samples.maxima.push_back(window.max);
}

void MemorySource::remove(const Labels& labels) {
    if (auto at = index_.find(labels); at != index_.end()) series_[at->second].samples.clear();
}

void MemorySource::clear() {
    series_.clear();
    index_.clear();
}

Result<std::unique_ptr<SeriesSet>> MemorySource::select(std::span<const Matcher> matchers, const SelectHints& hints) {
    if (fails) return error(Code::kUnavailable, "the disk is on fire");
    selections.push_back(hints);
    functions.emplace_back(hints.function);
    std::vector<const OneSeries*> found;
    for (const OneSeries& series : series_) {
        bool matches = std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& matcher) {
            return matcher.matches(series.labels.get(matcher.label()));
        });
        if (matches) found.push_back(&series);
    }
    return std::unique_ptr<SeriesSet>(std::make_unique<MemorySet>(std::move(found), warnings, gaps));
}

Labels labels_of(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
    LabelsBuilder builder;
    for (auto [name, value] : pairs) builder.set(name, value);
    return builder.labels();
}

}  // namespace ringside::agent::promql
