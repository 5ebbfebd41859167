#include "agent/promql/engine/evaluator.h"

#include <algorithm>
#include <unordered_map>

#include "agent/promql/engine/function.h"

namespace ringside::agent::promql {
namespace {

constexpr std::uint64_t kWorkBetweenClocks = 64 * 1024;  // samples, of which a function looks at each for some ns
constexpr std::uint64_t kStepsOfACheck = 64;  // a row of so many steps takes as long as a series that is read

bool reads_counts(std::string_view function) {
    return function == "histogram_count" || function == "histogram_sum" || function == "histogram_avg";
}

bool reads_buckets(std::string_view function) {
    return function == "histogram_quantile" || function == "histogram_quantiles" || function == "histogram_fraction";
}

}  // namespace

// Says for the time of a call, or of a subquery, what is read of histograms below it.
class BucketUse {
  public:
    BucketUse(Evaluator& evaluator, bool counts, bool buckets)
        : evaluator_(evaluator), counts_(counts), buckets_(buckets) {
        evaluator_.counts_only_ += counts_;
        evaluator_.needs_buckets_ += buckets_;
    }
    ~BucketUse() {
        evaluator_.counts_only_ -= counts_;
        evaluator_.needs_buckets_ -= buckets_;
    }
    BucketUse(const BucketUse&) = delete;
    BucketUse& operator=(const BucketUse&) = delete;

  private:
    Evaluator& evaluator_;
    bool counts_, buckets_;
};

Error same_labelset_error() { return error(Code::kInvalid, "vector cannot contain metrics with the same labelset"); }

std::string_view RowLabels::label(std::string_view name) const {
    if (without_metadata_ && is_metadata_label(name)) return {};
    return own_ ? own_->get(name) : set_->label(series_, name);
}

Labels RowLabels::labels() const {
    Labels labels = own_ ? *own_ : set_->labels(series_);
    return without_metadata_ ? labels.without_metadata() : labels;
}

Result<void> Evaluator::look_closer(std::uint64_t samples) {
    if (held_ + samples > limits_.samples_max) {
        return error(Code::kExhausted, "query processing would load too many samples into memory in query execution");
    }
    checks_ = 1;
    return look_at_clock();
}

Result<void> Evaluator::work(std::uint64_t samples) {
    work_ += samples;
    if (work_ < kWorkBetweenClocks) return {};
    work_ = 0;
    return look_at_clock();
}

Result<void> Evaluator::look_at_clock() const {
    if (!limits_.out_of_time || !limits_.out_of_time()) return {};
    return error(Code::kTimeout, "query timed out in expression evaluation");
}

Result<Grid> Evaluator::grid(const Expr& expr, const Steps& steps, Around around) {
    if (depth_ >= limits_.depth_max) {
        return error(Code::kExhausted, "the query is nested too deeply; split it");
    }
    ++depth_;
    std::uint64_t before = held_;
    bool once = expr.step_invariant && steps.count > 1 && expr.type() != ValueType::kMatrix;
    Result<Grid> result = evaluate(expr, once ? steps.first_only() : steps, around);
    --depth_;
    held_ = before;
    if (!result) return result;
    if (once) {
        if (Result<void> room = check(result->samples() * steps.count); !room) return room.error();
        result->repeat(steps.count);
    }
    std::uint64_t samples = result->samples();
    if (Result<void> room = check(samples); !room) return room.error();
    held_ += samples;
    return result;
}

Result<Grid> Evaluator::evaluate(const Expr& expr, const Steps& steps, Around around) {
    if (const auto* literal = expr.as<NumberLiteral>()) return number(literal->value, steps);
    if (const auto* paren = expr.as<Paren>()) return grid(*paren->expr, steps, around);
    if (const auto* sign = expr.as<Unary>()) return unary(*sign, steps);
    if (const auto* binary = expr.as<Binary>()) return evaluate_binary(*this, expr, *binary, steps);
    if (const auto* aggregate = expr.as<Aggregate>()) return evaluate_aggregate(*this, expr, *aggregate, steps);
    if (const auto* selector = expr.as<VectorSelector>()) {
        return collect(
            steps, [&](const RowSink& sink) { return select(expr, *selector, steps, Yield::kValue, sink, around); });
    }
    if (const auto* function = expr.as<Call>()) return call(expr, *function, steps, around);
    return error(Code::kInternal, "an expression stands where it has no value at a step");
}

Result<void> Evaluator::rows(const Expr& expr, const Steps& steps, const RowSink& sink, Around around) {
    const Expr& bare = without_parens(expr);
    bool once = bare.step_invariant && steps.count > 1;
    if (const auto* selector = bare.as<VectorSelector>(); selector && !once) {
        return select(bare, *selector, steps, Yield::kValue, sink, around);
    }
    if (const auto* function = bare.as<Call>(); function && !once) {
        const FunctionBody* body = function_body(*function->function);
        if (body && std::holds_alternative<RangeFunction>(body->body)) {
            return range_rows(*function, *body, steps, sink, around);
        }
    }
    Result<Grid> whole = grid(bare, steps, around);
    if (!whole) return whole.error();
    std::vector<Cell> cells(steps.count);
    for (std::size_t row = 0; row < whole->rows(); ++row) {
        for (std::size_t step = 0; step < steps.count; ++step) cells[step] = whole->cell(row, step);
        Result<void> taken = sink({RowLabels(whole->labels(row)), whole->drop_name(row), cells});
        if (!taken) return taken;
    }
    return {};
}

Result<Grid> Evaluator::collect(const Steps& steps, const std::function<Result<void>(const RowSink&)>& produce) {
    Grid grid(steps.count);
    std::uint64_t samples = 0;
    Result<void> produced = produce([&](const Row& row) -> Result<void> {
        samples += steps.count;
        checks_ += steps.count / kStepsOfACheck;
        if (Result<void> room = check(samples); !room) return room;
        std::size_t to = grid.add_row(row.labels.labels(), row.drop_name);
        for (std::size_t step = 0; step < steps.count; ++step) {
            const Cell& cell = row.cells[step];
            if (cell) grid.set(to, step, cell);
            if (cell.histogram) samples += sample_weight(*cell.histogram);
        }
        return {};
    });
    if (!produced) return produced.error();
    return grid;
}

Result<std::vector<double>> Evaluator::scalar(const Expr& expr, const Steps& steps) {
    if (const auto* literal = without_parens(expr).as<NumberLiteral>()) {
        return std::vector<double>(steps.count, literal->value);
    }
    Result<Grid> result = grid(expr, steps);
    if (!result) return result.error();
    std::vector<double> values(steps.count);
    for (std::size_t step = 0; step < steps.count; ++step) values[step] = result->value(0, step);
    return values;
}

Grid Evaluator::number(double value, const Steps& steps) const {
    Grid grid(steps.count);
    grid.add_row({});
    for (std::size_t step = 0; step < steps.count; ++step) grid.set(0, step, value);
    return grid;
}

Grid Evaluator::time(const Steps& steps) const {
    Grid grid(steps.count);
    grid.add_row({});
    for (std::size_t step = 0; step < steps.count; ++step)
        grid.set(0, step, static_cast<double>(steps.at(step)) / 1000);
    return grid;
}

Result<Grid> Evaluator::unary(const Unary& sign, const Steps& steps) {
    Result<Grid> result = grid(*sign.expr, steps);
    if (!result || !sign.minus) return result;
    for (std::size_t row = 0; row < result->rows(); ++row) {
        result->set_labels(row, renamed(result->labels(row)));
        result->set_drop_name(row, true);
        for (std::size_t step = 0; step < steps.count; ++step) {
            Cell cell = result->cell(row, step);
            if (cell.kind == CellKind::kFloat) result->set(row, step, -cell.value);
            if (cell.kind == CellKind::kHistogram) {
                FloatHistogram negated = *cell.histogram;
                negated.scale(-1);
                result->set(row, step, Cell::of(std::move(negated)));
            }
        }
    }
    if (!options.delayed_name_removal) {
        if (Result<void> merged = merge_same_labels(*result); !merged) return merged.error();
    }
    return result;
}

Result<void> Evaluator::merge_same_labels(Grid& grid) const {
    std::unordered_map<Labels, std::size_t, LabelsHash> first;
    first.reserve(grid.rows());
    std::vector<std::size_t> kept;
    for (std::size_t row = 0; row < grid.rows(); ++row) {
        auto [at, is_new] = first.emplace(grid.labels(row), row);
        if (is_new) {
            kept.push_back(row);
            continue;
        }
        for (std::size_t step = 0; step < grid.steps(); ++step) {
            Cell cell = grid.cell(row, step);
            if (!cell) continue;
            if (grid.kind(at->second, step) != CellKind::kNone) return same_labelset_error();
            grid.set(at->second, step, std::move(cell));
        }
    }
    if (kept.size() < grid.rows()) grid.arrange(kept);
    return {};
}

Result<Evaluator::SubqueryRows> Evaluator::subquery(const Subquery& subquery, const Steps& steps) {
    std::int64_t first = (subquery.at.is_set() ? subquery.at.time_ms : steps.begin_ms) - subquery.offset.ms;
    std::int64_t last = (subquery.at.is_set() ? subquery.at.time_ms : steps.last()) - subquery.offset.ms;
    Steps inner;
    inner.step_ms = subquery.step.ms != 0 ? subquery.step.ms : options.default_subquery_step_ms;
    // Multiples of the step, so that each query sees the same ones; the first one behind the window's open end.
    std::int64_t open = first - subquery.range.ms;
    std::int64_t floor = open / inner.step_ms - (open % inner.step_ms < 0 ? 1 : 0);
    inner.begin_ms = (floor + 1) * inner.step_ms;
    if (inner.begin_ms <= last) inner.count = static_cast<std::size_t>((last - inner.begin_ms) / inner.step_ms) + 1;
    if (inner.count == 0) return SubqueryRows{Grid(0), inner};
    // Before anything is allocated: a step of 1 ms over years is a short query, too. A row on its way is as large as
    // four of a grid.
    if (Result<void> room = check(4 * inner.count); !room) return room.error();
    // A subquery may skip the sample right behind a reset, so the buckets have to tell.
    BucketUse use(*this, false, true);
    Result<Grid> rows = grid(*subquery.expr, inner);
    if (!rows) return rows.error();
    return SubqueryRows{std::move(*rows), inner};
}

Result<Grid> Evaluator::call(const Expr& expr, const Call& call, const Steps& steps, Around around) {
    const FunctionBody* body = function_body(*call.function);
    if (body == nullptr) {
        return error(Code::kInvalid, "function \"" + std::string(call.function->name) + "\" is not supported");
    }
    BucketUse use(*this, reads_counts(body->name), reads_buckets(body->name));
    if (const auto* function = std::get_if<GridFunction>(&body->body)) return (*function)({*this, expr, call, steps});
    if (std::holds_alternative<RangeFunction>(body->body)) {
        return collect(steps, [&](const RowSink& sink) { return range_rows(call, *body, steps, sink, around); });
    }

    // A function of single values: the vector is the first argument, scalars follow. Without one it is of the time.
    Result<Grid> result = call.arguments.empty() ? time(steps) : grid(*call.arguments[0], steps, {call.function->name});
    if (!result) return result;
    std::size_t argument_count = call.arguments.empty() ? 0 : call.arguments.size() - 1;
    std::vector<double> arguments(argument_count * steps.count);
    for (std::size_t i = 0; i < argument_count; ++i) {
        Result<std::vector<double>> values = scalar(*call.arguments[i + 1], steps);
        if (!values) return values.error();
        for (std::size_t step = 0; step < steps.count; ++step) arguments[step * argument_count + i] = (*values)[step];
    }
    const auto* of_float = std::get_if<FloatFunction>(&body->body);
    const auto* of_histogram = std::get_if<HistogramFunction>(&body->body);
    for (std::size_t row = 0; row < result->rows(); ++row) {
        result->set_labels(row, renamed(result->labels(row)));
        result->set_drop_name(row, true);
        for (std::size_t step = 0; step < steps.count; ++step) {
            CellKind kind = result->kind(row, step);
            if (of_float && kind == CellKind::kFloat) {
                std::span<const double> scalars(arguments.data() + step * argument_count, argument_count);
                result->set(row, step, (*of_float)(result->value(row, step), scalars));
            } else if (of_histogram && kind == CellKind::kHistogram) {
                result->set(row, step, (*of_histogram)(*result->histogram(row, step)));
            } else {
                result->clear(row, step);
            }
        }
    }
    result->drop_empty_rows();
    if (!options.delayed_name_removal) {
        if (Result<void> merged = merge_same_labels(*result); !merged) return merged.error();
    }
    return result;
}

Result<std::unique_ptr<SeriesSet>> Evaluator::select_series(std::span<const Matcher> matchers,
                                                            const SelectHints& hints) {
    Result<std::unique_ptr<SeriesSet>> set = source_.select(matchers, hints);
    if (!set) {
        Error failure = set.error();
        failure.context = "expanding series: " + failure.context;
        return failure;
    }
    take_warnings(**set);
    return set;
}

void Evaluator::take_warnings(const SeriesSet& set) {
    for (std::string& warning : set.warnings()) {
        if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end()) {
            warnings.push_back(std::move(warning));
        }
    }
}

}  // namespace ringside::agent::promql
