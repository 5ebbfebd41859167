// resets and changes: how often the next sample is not like the one before.
#include <algorithm>
#include <cmath>

#include "agent/promql/engine/counter_reset.h"
#include "agent/promql/engine/function.h"

namespace ringside::agent::promql {
namespace {

struct Observed {
    SampleTimes times;
    double value = 0;
    const FloatHistogram* histogram = nullptr;
};

bool is_reset(const Observed& before, const Observed& now) {
    if (!before.histogram != !now.histogram) return true;
    if (started_again(before.times, now.times)) return true;
    if (now.histogram) return now.histogram->is_reset_after(*before.histogram);
    return now.value < before.value;
}

bool is_change(const Observed& before, const Observed& now) {
    if (!before.histogram != !now.histogram) return true;
    if (now.histogram) return !now.histogram->same_as(*before.histogram);
    return now.value != before.value && !(std::isnan(now.value) && std::isnan(before.value));
}

// Walks floats and histograms in one order of time.
template <bool (*counts)(const Observed&, const Observed&)>
Cell count(const RangeCall& call, const SampleSpan& window) {
    const FloatSamples& floats = window.floats;
    const HistogramSamples& histograms = window.histograms;
    std::size_t f = 0, h = 0;
    bool any_inside = false, any = false;
    Observed before;
    double count = 0;
    while (f < floats.count || h < histograms.count) {
        bool is_float = h == histograms.count || (f < floats.count && floats.times_ms[f] < histograms.times_ms[h]);
        Observed now;
        if (is_float) {
            now = {{floats.starts_ms ? floats.starts_ms[f] : 0, floats.times_ms[f]}, floats.values[f], nullptr};
            ++f;
        } else {
            now = {{histograms.starts_ms ? histograms.starts_ms[h] : 0, histograms.times_ms[h]},
                   0,
                   histograms.values[h].get()};
            ++h;
        }
        // Of the samples before an anchored window the last one alone counts: it takes the place of those before.
        bool inside = now.times.time_ms > call.begin_ms;
        if (inside && any && counts(before, now)) ++count;
        any_inside |= inside;
        any = true;
        before = now;
    }
    return any_inside ? Cell::of(count) : Cell{};
}

constexpr FunctionBody kFunctions[] = {
    {"resets", &count<is_reset>, false, true, false},
    {"changes", &count<is_change>, false, true, false},
};

}  // namespace

std::span<const FunctionBody> change_functions() { return kFunctions; }

}  // namespace ringside::agent::promql
