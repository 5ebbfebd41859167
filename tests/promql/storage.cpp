#include "tests/promql/storage.h"

namespace ringside::agent::promql::script {

void Storage::clear() {
    source_.clear();
    newest_ms_.clear();
}

Result<void> Storage::append(const LoadedSeries& loaded, std::int64_t step_ms) {
    const Labels& labels = loaded.series.labels;
    for (std::size_t i = 0; i < loaded.series.values.size(); ++i) {
        const SequenceValue& value = loaded.series.values[i];
        if (value.omitted) continue;
        const std::int64_t time_ms = static_cast<std::int64_t>(i) * step_ms;
        const auto [newest, first] = newest_ms_.try_emplace(labels, time_ms);
        if (!first && newest->second >= time_ms) {
            return error(Code::kInvalid, "a sample of " + labels.text() + " is not newer than the last one");
        }
        newest->second = time_ms;
        const bool has_start = !loaded.starts.empty() && !loaded.starts[i].omitted;
        const std::int64_t start_ms = has_start ? time_ms + static_cast<std::int64_t>(loaded.starts[i].value) : 0;
        if (value.histogram) {
            source_.add(labels, time_ms, *value.histogram, start_ms);
        } else {
            source_.add(labels, time_ms, value.value, start_ms);
        }
    }
    return {};
}

Result<void> Storage::load(const Load& load) {
    for (const LoadedSeries& series : load.series) {
        if (auto done = append(series, load.step_ms); !done) return done;
    }
    if (!load.with_custom_buckets) return {};
    auto converted = with_custom_buckets(load);
    if (!converted) return converted.error();
    for (const LoadedSeries& series : *converted) {
        if (auto done = append(series, load.step_ms); !done) return done;
    }
    return {};
}

}  // namespace ringside::agent::promql::script
