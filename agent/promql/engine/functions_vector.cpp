// Functions of whole vectors: scalar, vector, absent, sort, timestamp; and of the query: time, start, end, range, step.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "agent/promql/engine/function.h"

namespace ringside::agent::promql {
namespace {

Result<Grid> scalar(const GridCall& call) {
    Result<Grid> vector = call.grid(0);
    if (!vector) return vector;
    Grid result(call.steps.count);
    result.add_row({});
    for (std::size_t step = 0; step < call.steps.count; ++step) {
        double value = NAN;
        std::size_t floats = 0;
        for (std::size_t row = 0; row < vector->rows(); ++row) {
            if (vector->kind(row, step) != CellKind::kFloat) continue;
            value = vector->value(row, step);
            ++floats;
        }
        result.set(0, step, floats == 1 ? value : NAN);
    }
    return result;
}

Result<Grid> vector(const GridCall& call) { return call.grid(0); }  // A scalar is a row without labels already.

Result<Grid> time(const GridCall& call) { return call.evaluator.time(call.steps); }

Result<Grid> start(const GridCall& call) {
    return call.evaluator.number(static_cast<double>(call.evaluator.times.begin_ms) / 1000, call.steps);
}
Result<Grid> end(const GridCall& call) {
    return call.evaluator.number(static_cast<double>(call.evaluator.times.end_ms) / 1000, call.steps);
}
Result<Grid> range(const GridCall& call) {
    const QueryTimes& times = call.evaluator.times;
    return call.evaluator.number(static_cast<double>(times.end_ms - times.begin_ms) / 1000, call.steps);
}
Result<Grid> step(const GridCall& call) {
    return call.evaluator.number(static_cast<double>(call.evaluator.times.step_ms) / 1000, call.steps);
}

Result<Grid> absent(const GridCall& call) {
    Result<Grid> vector = call.grid(0);
    if (!vector) return vector;
    Grid result(call.steps.count);
    result.add_row(labels_of_absent(call.argument(0)));
    for (std::size_t step = 0; step < call.steps.count; ++step) {
        bool any = false;
        for (std::size_t row = 0; row < vector->rows() && !any; ++row) any = vector->kind(row, step) != CellKind::kNone;
        if (!any) result.set(0, step, 1);
    }
    result.drop_empty_rows();
    return result;
}

// Orders the rows of a single step; with more there is no order that suits all. NaN comes last either way.
template <bool kDescending>
Result<Grid> sort(const GridCall& call) {
    Result<Grid> vector = call.grid(0);
    if (!vector) return vector;
    if (call.evaluator.times.step_ms != 0 && call.steps.count > 1) {
        call.evaluator.notes.warn(call.expr.span.begin, note::kSortInRange);
    }
    for (std::size_t row = 0; row < vector->rows(); ++row) {
        for (std::size_t step = 0; step < call.steps.count; ++step) {
            if (vector->kind(row, step) == CellKind::kHistogram) vector->clear(row, step);
        }
    }
    vector->drop_empty_rows();
    if (call.steps.count > 1) return vector;
    std::vector<std::size_t> order(vector->rows());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        double x = vector->value(a, 0), y = vector->value(b, 0);
        if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
        return kDescending ? x > y : x < y;
    });
    vector->arrange(order);
    return vector;
}

// timestamp(), start_timestamp(): of the samples themselves where the argument is a selector.
template <Yield kYield>
Result<Grid> timestamp(const GridCall& call) {
    const Expr& argument = without_parens(call.argument(0));
    const auto* selector = argument.as<VectorSelector>();
    Result<Grid> times = Grid(call.steps.count);
    if (selector) {
        times = call.evaluator.collect(call.steps, [&](const RowSink& sink) {
            return call.evaluator.select(argument, *selector, call.steps, kYield, sink, {call.call.function->name});
        });
    } else {
        times = call.grid(0);
    }
    if (!times) return times;
    if (kYield == Yield::kStartTime && (!selector || !call.evaluator.options.start_timestamps)) {
        return Grid(call.steps.count);  // Whatever computes a value knows no start of it.
    }
    for (std::size_t row = 0; row < times->rows(); ++row) {
        times->set_labels(row, call.evaluator.renamed(times->labels(row)));
        times->set_drop_name(row, true);
        for (std::size_t step = 0; !selector && step < call.steps.count; ++step) {
            if (times->kind(row, step) == CellKind::kNone) continue;
            times->set(row, step, static_cast<double>(call.steps.at(step)) / 1000);
        }
    }
    if (!call.evaluator.options.delayed_name_removal) {
        if (Result<void> merged = call.evaluator.merge_same_labels(*times); !merged) return merged.error();
    }
    return times;
}

constexpr FunctionBody kFunctions[] = {
    {"absent", GridFunction(&absent)},
    {"end", GridFunction(&end)},
    {"range", GridFunction(&range)},
    {"scalar", GridFunction(&scalar)},
    {"sort", GridFunction(&sort<false>)},
    {"sort_desc", GridFunction(&sort<true>)},
    {"start", GridFunction(&start)},
    {"start_timestamp", GridFunction(&timestamp<Yield::kStartTime>)},
    {"step", GridFunction(&step)},
    {"time", GridFunction(&time)},
    {"timestamp", GridFunction(&timestamp<Yield::kTime>)},
    {"vector", GridFunction(&vector)},
};

}  // namespace

Labels labels_of_absent(const Expr& expr) {
    const Expr& bare = without_parens(expr);
    const auto* selector = bare.as<VectorSelector>();
    if (const auto* range = bare.as<MatrixSelector>()) selector = &range->selector;
    if (!selector) return {};
    LabelsBuilder builder;
    std::set<std::string_view> seen;
    for (const Matcher& matcher : selector->matchers) {
        if (matcher.label() == kNameLabel) continue;
        // What is matched twice, or not by its value, is not known.
        bool pins = matcher.op() == MatchOp::kEqual && seen.insert(matcher.label()).second;
        builder.set(matcher.label(), pins ? std::string_view(matcher.value()) : std::string_view());
    }
    return builder.labels();
}

std::span<const FunctionBody> vector_functions() { return kFunctions; }

}  // namespace ringside::agent::promql
