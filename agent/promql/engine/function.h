// How functions are written: one of four shapes, in tables of one family a file.
//
//   family                                     file
//   rate increase delta irate idelta           functions_rate.cpp
//   resets changes                             functions_changes.cpp
//   *_over_time                                functions_over_time.cpp
//   deriv predict_linear, smoothing            functions_trend.cpp
//   histogram_*                                functions_histogram.cpp
//   scalar vector time absent sort timestamp   functions_vector.cpp
//   abs ... tanh clamp round, pi, max_of       functions_math.cpp
//   hour ... year                              functions_date.cpp
//   label_replace label_join sort_by_label     functions_label.cpp
//   info                                       functions_info.cpp
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/promql/engine/evaluator.h"

namespace ringside::agent::promql {

// abs(), clamp(): from one float to another. `arguments` are the scalars of the step. Histograms are left out. A NaN
// is a value like any other.
using FloatFunction = double (*)(double value, std::span<const double> arguments);

// histogram_count(): from a histogram to a float. Floats are left out.
using HistogramFunction = double (*)(const FloatHistogram& histogram);

// What a range function is told besides the samples.
struct RangeCall {
    Evaluator& evaluator;
    const Call& call;
    const RowLabels& series;

    // The selector's.
    bool anchored = false, smoothed = false;
    double range_seconds = 0;

    // The step's.
    std::int64_t time_ms = 0;               // where the step is
    std::int64_t begin_ms = 0, end_ms = 0;  // the window (begin, end], moved by offset and @
    std::span<const double> arguments;      // scalars, in their order

    std::optional<Error>& failure;  // set to end the query

    std::string_view metric() const { return series.label(kNameLabel); }
    std::uint32_t position() const { return call.arguments.front()->span.begin; }
    void warn(std::string_view text) const { evaluator.notes.warn(position(), text); }
    void inform(std::string_view text) const { evaluator.notes.inform(position(), text); }
};
// rate(), max_over_time(): the value of one series at one step, or none. `window` has the samples of (begin, end],
// with anchored and smoothed up to a lookback before, with smoothed up to a lookback behind. It is not empty and has no
// stale markers.
using RangeFunction = Cell (*)(const RangeCall& call, const SampleSpan& window);

// The same of a window that is known in short. With at least one sample.
using CounterFunction = Cell (*)(const RangeCall& call, const CounterSpan& window);
using GainFunction = Cell (*)(const RangeCall& call, HistogramGain&& window);

// scalar(), label_replace(): anything that looks at all rows, labels or times. Evaluates its own arguments.
struct GridCall {
    Evaluator& evaluator;
    const Expr& expr;
    const Call& call;
    const Steps& steps;

    std::size_t argument_count() const { return call.arguments.size(); }
    const Expr& argument(std::size_t i) const { return *call.arguments[i]; }
    Result<Grid> grid(std::size_t i) const { return evaluator.grid(argument(i), steps, {call.function->name}); }
    Result<std::vector<double>> scalar(std::size_t i) const { return evaluator.scalar(argument(i), steps); }
    const std::string& text(std::size_t i) const;  // of a string argument
};
using GridFunction = Result<Grid> (*)(const GridCall& call);

struct FunctionBody {
    std::string_view name;
    std::variant<FloatFunction, HistogramFunction, RangeFunction, GridFunction> body;
    bool keeps_name = false;  // of a range function: its result is still a value of the metric
    bool allows_anchored = false;
    bool allows_smoothed = false;
    CounterFunction of_counter = nullptr;  // of a range function that asks no more of floats than that
    GainFunction of_gain = nullptr;        // and no more of histograms
};

const FunctionBody* function_body(const Function& function);

// What absent() and absent_over_time() know of series that are not there: the labels that a selector pins to one value.
Labels labels_of_absent(const Expr& expr);

std::span<const FunctionBody> rate_functions();
std::span<const FunctionBody> change_functions();
std::span<const FunctionBody> over_time_functions();
std::span<const FunctionBody> trend_functions();
std::span<const FunctionBody> histogram_functions();
std::span<const FunctionBody> vector_functions();
std::span<const FunctionBody> math_functions();
std::span<const FunctionBody> date_functions();
std::span<const FunctionBody> label_functions();
std::span<const FunctionBody> info_functions();

}  // namespace ringside::agent::promql
