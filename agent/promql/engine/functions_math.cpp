// Functions of single numbers.
#include <cmath>
#include <numbers>

#include "agent/promql/engine/function.h"

namespace ringside::agent::promql {
namespace {

using Scalars = std::span<const double>;

// Function pointers of <cmath> are overloaded; this picks the one for doubles.
template <double (*function)(double)>
double plain(double value, Scalars) {
    return function(value);
}

double sgn(double value, Scalars) { return value > 0 ? 1 : value < 0 ? -1 : value; }
double deg(double value, Scalars) { return value * 180 / std::numbers::pi; }
double rad(double value, Scalars) { return value * std::numbers::pi / 180; }

// As Go has them: an infinity on the right side wins over everything, then a NaN; fmin and fmax would ignore it.
double lesser(double a, double b) {
    if (a == -INFINITY || b == -INFINITY) return -INFINITY;
    return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b);
}
double greater(double a, double b) {
    if (a == INFINITY || b == INFINITY) return INFINITY;
    return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b);
}

double clamp_max(double value, Scalars max) { return lesser(value, max[0]); }
double clamp_min(double value, Scalars min) { return greater(value, min[0]); }

// To the nearest multiple, halves upwards. The inverse is exact for 0.1 and the like, where the number itself is not.
double round(double value, Scalars nearest) {
    double inverse = 1 / (nearest.empty() ? 1 : nearest[0]);
    return std::floor(value * inverse + 0.5) / inverse;
}

// No value at all at steps where the bounds are the wrong way round.
Result<Grid> clamp(const GridCall& call) {
    Result<Grid> result = call.grid(0);
    if (!result) return result;
    Result<std::vector<double>> min = call.scalar(1), max = call.scalar(2);
    if (!min) return min.error();
    if (!max) return max.error();
    for (std::size_t row = 0; row < result->rows(); ++row) {
        result->set_labels(row, call.evaluator.renamed(result->labels(row)));
        result->set_drop_name(row, true);
        for (std::size_t step = 0; step < call.steps.count; ++step) {
            double low = (*min)[step], high = (*max)[step];
            if (result->kind(row, step) != CellKind::kFloat || high < low) {
                result->clear(row, step);
            } else {
                result->set(row, step, greater(low, lesser(high, result->value(row, step))));
            }
        }
    }
    result->drop_empty_rows();
    if (!call.evaluator.options.delayed_name_removal) {
        if (Result<void> merged = call.evaluator.merge_same_labels(*result); !merged) return merged.error();
    }
    return result;
}

Result<Grid> pi(const GridCall& call) { return call.evaluator.number(std::numbers::pi, call.steps); }

template <double (*choose)(double, double)>
Result<Grid> of_two(const GridCall& call) {
    Result<std::vector<double>> a = call.scalar(0), b = call.scalar(1);
    if (!a) return a.error();
    if (!b) return b.error();
    Grid result(call.steps.count);
    result.add_row({});
    for (std::size_t step = 0; step < call.steps.count; ++step) result.set(0, step, choose((*a)[step], (*b)[step]));
    return result;
}

constexpr FunctionBody kFunctions[] = {
    {"abs", FloatFunction(&plain<std::fabs>)},
    {"acos", FloatFunction(&plain<std::acos>)},
    {"acosh", FloatFunction(&plain<std::acosh>)},
    {"asin", FloatFunction(&plain<std::asin>)},
    {"asinh", FloatFunction(&plain<std::asinh>)},
    {"atan", FloatFunction(&plain<std::atan>)},
    {"atanh", FloatFunction(&plain<std::atanh>)},
    {"ceil", FloatFunction(&plain<std::ceil>)},
    {"clamp", GridFunction(&clamp)},
    {"clamp_max", FloatFunction(&clamp_max)},
    {"clamp_min", FloatFunction(&clamp_min)},
    {"cos", FloatFunction(&plain<std::cos>)},
    {"cosh", FloatFunction(&plain<std::cosh>)},
    {"deg", FloatFunction(&deg)},
    {"exp", FloatFunction(&plain<std::exp>)},
    {"floor", FloatFunction(&plain<std::floor>)},
    {"ln", FloatFunction(&plain<std::log>)},
    {"log10", FloatFunction(&plain<std::log10>)},
    {"log2", FloatFunction(&plain<std::log2>)},
    {"max_of", GridFunction(&of_two<greater>)},
    {"min_of", GridFunction(&of_two<lesser>)},
    {"pi", GridFunction(&pi)},
    {"rad", FloatFunction(&rad)},
    {"round", FloatFunction(&round)},
    {"sgn", FloatFunction(&sgn)},
    {"sin", FloatFunction(&plain<std::sin>)},
    {"sinh", FloatFunction(&plain<std::sinh>)},
    {"sqrt", FloatFunction(&plain<std::sqrt>)},
    {"tan", FloatFunction(&plain<std::tan>)},
    {"tanh", FloatFunction(&plain<std::tanh>)},
};

}  // namespace

std::span<const FunctionBody> math_functions() { return kFunctions; }

}  // namespace ringside::agent::promql
