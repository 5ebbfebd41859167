#include "agent/promql/syntax/functions.h"

#include <algorithm>
#include <array>

namespace ringside::agent::promql {
namespace {

constexpr ValueType S = ValueType::kScalar;
constexpr ValueType V = ValueType::kVector;
constexpr ValueType M = ValueType::kMatrix;
constexpr ValueType T = ValueType::kString;

template <ValueType... types>
constexpr std::array<ValueType, sizeof...(types)> kArguments = {types...};

template <ValueType... arguments>
constexpr Function vector_of(std::string_view name, int variadic = 0) {
    return {name, kArguments<arguments...>, variadic, V, false, false};
}

template <ValueType... arguments>
constexpr Function scalar_of(std::string_view name) {
    return {name, kArguments<arguments...>, 0, S, false, false};
}

constexpr Function experimental(Function function) {
    function.experimental = true;
    return function;
}

// Functions that look at the evaluation's time themselves: without an argument (minute()), or to tell how far
// a line reaches (predict_linear).
constexpr Function timed(Function function) {
    function.uses_time = true;
    return function;
}

constexpr Function kFunctions[] = {
    vector_of<V>("abs"),
    vector_of<V>("absent"),
    vector_of<M>("absent_over_time"),
    vector_of<V>("acos"),
    vector_of<V>("acosh"),
    vector_of<V>("asin"),
    vector_of<V>("asinh"),
    vector_of<V>("atan"),
    vector_of<V>("atanh"),
    vector_of<M>("avg_over_time"),
    vector_of<V>("ceil"),
    vector_of<M>("changes"),
    vector_of<V, S, S>("clamp"),
    vector_of<V, S>("clamp_max"),
    vector_of<V, S>("clamp_min"),
    vector_of<V>("cos"),
    vector_of<V>("cosh"),
    vector_of<M>("count_over_time"),
    timed(vector_of<V>("day_of_month", 1)),
    timed(vector_of<V>("day_of_week", 1)),
    timed(vector_of<V>("day_of_year", 1)),
    timed(vector_of<V>("days_in_month", 1)),
    vector_of<V>("deg"),
    vector_of<M>("delta"),
    vector_of<M>("deriv"),
    experimental(vector_of<M, S, S>("double_exponential_smoothing")),
    experimental(scalar_of<>("end")),
    vector_of<V>("exp"),
    vector_of<M>("first_over_time"),
    vector_of<V>("floor"),
    vector_of<V>("histogram_avg"),
    vector_of<V>("histogram_count"),
    vector_of<S, S, V>("histogram_fraction"),
    vector_of<S, V>("histogram_quantile"),
    experimental(vector_of<V, T, S, S>("histogram_quantiles", 9)),
    vector_of<V>("histogram_stddev"),
    vector_of<V>("histogram_stdvar"),
    vector_of<V>("histogram_sum"),
    timed(vector_of<V>("hour", 1)),
    vector_of<M>("idelta"),
    vector_of<M>("increase"),
    experimental(vector_of<V, V>("info", 1)),
    vector_of<M>("irate"),
    vector_of<V, T, T, T>("label_join", -1),
    vector_of<V, T, T, T, T>("label_replace"),
    vector_of<M>("last_over_time"),
    vector_of<V>("ln"),
    vector_of<V>("log10"),
    vector_of<V>("log2"),
    experimental(vector_of<M>("mad_over_time")),
    experimental(scalar_of<S, S>("max_of")),
    vector_of<M>("max_over_time"),
    experimental(scalar_of<S, S>("min_of")),
    vector_of<M>("min_over_time"),
    timed(vector_of<V>("minute", 1)),
    timed(vector_of<V>("month", 1)),
    scalar_of<>("pi"),
    timed(vector_of<M, S>("predict_linear")),
    vector_of<M>("present_over_time"),
    vector_of<S, M>("quantile_over_time"),
    vector_of<V>("rad"),
    experimental(scalar_of<>("range")),
    vector_of<M>("rate"),
    vector_of<M>("resets"),
    vector_of<V, S>("round", 1),
    scalar_of<V>("scalar"),
    vector_of<V>("sgn"),
    vector_of<V>("sin"),
    vector_of<V>("sinh"),
    vector_of<V>("sort"),
    experimental(vector_of<V, T>("sort_by_label", -1)),
    experimental(vector_of<V, T>("sort_by_label_desc", -1)),
    vector_of<V>("sort_desc"),
    vector_of<V>("sqrt"),
    experimental(scalar_of<>("start")),
    experimental(timed(vector_of<V>("start_timestamp"))),
    vector_of<M>("stddev_over_time"),
    vector_of<M>("stdvar_over_time"),
    experimental(scalar_of<>("step")),
    vector_of<M>("sum_over_time"),
    vector_of<V>("tan"),
    vector_of<V>("tanh"),
    timed(scalar_of<>("time")),
    timed(vector_of<V>("timestamp")),
    experimental(vector_of<M>("ts_of_first_over_time")),
    experimental(vector_of<M>("ts_of_last_over_time")),
    experimental(vector_of<M>("ts_of_max_over_time")),
    experimental(vector_of<M>("ts_of_min_over_time")),
    vector_of<S>("vector"),
    timed(vector_of<V>("year", 1)),
};

static_assert(std::ranges::is_sorted(kFunctions, {}, &Function::name));
static_assert(std::size(kFunctions) == 73 + 17);  // stable and experimental ones of Prometheus 3.14

}  // namespace

const char* value_type_text(ValueType type) {
    switch (type) {
        case ValueType::kNone: return "none";
        case ValueType::kScalar: return "scalar";
        case ValueType::kVector: return "instant vector";
        case ValueType::kMatrix: return "range vector";
        case ValueType::kString: return "string";
    }
    return "?";
}

std::span<const Function> functions() { return kFunctions; }

const Function* find_function(std::string_view name) {
    const Function* found = std::ranges::lower_bound(kFunctions, name, {}, &Function::name);
    return found != std::end(kFunctions) && found->name == name ? found : nullptr;
}

}  // namespace ringside::agent::promql
