// Where values are heading: deriv, predict_linear, double_exponential_smoothing.
#include <cmath>
#include <cstdio>

#include "agent/promql/engine/function.h"
#include "agent/promql/value/kahan.h"

namespace ringside::agent::promql {
namespace {

// y = slope * x + intercept, x being seconds from some time.
struct Line {
    double slope = 0;
    double intercept = 0;
};

// The line with the least squared distance from the samples.
Line fit(const FloatSamples& samples, std::int64_t zero_ms) {
    KahanSum sum_x, sum_y, sum_xy, sum_xx;
    bool constant = true;
    for (std::size_t i = 0; i < samples.count; ++i) {
        double x = static_cast<double>(samples.times_ms[i] - zero_ms) / 1000, y = samples.values[i];
        constant = constant && (i == 0 || y == samples.values[0]);
        sum_x.add(x);
        sum_y.add(y);
        sum_xy.add(x * y);
        sum_xx.add(x * x);
    }
    if (constant) {
        // Rounding would give a flat line a slope.
        if (std::isinf(samples.values[0])) return {NAN, NAN};
        return {0, samples.values[0]};
    }
    auto n = static_cast<double>(samples.count);
    double x = sum_x.value(), y = sum_y.value();
    double slope = (sum_xy.value() - x * y / n) / (sum_xx.value() - x * x / n);
    return {slope, y / n - slope * x / n};
}

// A trend needs two floats. Histograms beside floats are told of.
bool has_trend(const RangeCall& call, const SampleSpan& window) {
    if (window.floats.count > 0 && window.histograms.count > 0) {
        call.inform(note::ignored_in_mixed_range(call.metric()));
    }
    return window.floats.count >= 2;
}

Cell deriv(const RangeCall& call, const SampleSpan& window) {
    if (!has_trend(call, window)) return {};
    // From a time nearby: squares of seconds since 1970 leave no digits for the rest.
    return Cell::of(fit(window.floats, window.floats.times_ms[0]).slope);
}

Cell predict_linear(const RangeCall& call, const SampleSpan& window) {
    if (!has_trend(call, window)) return {};
    Line line = fit(window.floats, call.time_ms);
    return Cell::of(line.slope * call.arguments[0] + line.intercept);
}

bool is_factor(const RangeCall& call, const char* name, double factor) {
    if (!(factor <= 0 || factor >= 1)) return true;
    char text[128];
    std::snprintf(text, sizeof text, "invalid %s factor. Expected: 0 < %cf < 1, got: %f", name, name[0], factor);
    call.failure = error(Code::kInvalid, text);
    return false;
}

// Holt's method: a smoothed value and a smoothed trend.
Cell smooth(const RangeCall& call, const SampleSpan& window) {
    double smoothing = call.arguments[0], trending = call.arguments[1];
    if (!is_factor(call, "smoothing", smoothing) || !is_factor(call, "trend", trending)) return {};
    if (!has_trend(call, window)) return {};
    const FloatSamples& floats = window.floats;
    double before = 0, value = floats.values[0], trend = floats.values[1] - floats.values[0];
    for (std::size_t i = 1; i < floats.count; ++i) {
        if (i > 1) trend = trending * (value - before) + (1 - trending) * trend;
        double next = smoothing * floats.values[i] + (1 - smoothing) * (value + trend);
        before = value;
        value = next;
    }
    return Cell::of(value);
}

constexpr FunctionBody kFunctions[] = {
    {"deriv", RangeFunction(&deriv)},
    {"double_exponential_smoothing", RangeFunction(&smooth)},
    {"predict_linear", RangeFunction(&predict_linear)},
};

}  // namespace

std::span<const FunctionBody> trend_functions() { return kFunctions; }

}  // namespace ringside::agent::promql
