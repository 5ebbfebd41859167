// Aggregations that come to one value a group: sum, avg, count, min, max, group, stddev, stdvar, quantile.
#include <algorithm>
#include <cmath>
#include <memory>

#include "agent/promql/engine/aggregate_pick.h"
#include "agent/promql/engine/evaluator.h"
#include "agent/promql/engine/grouping.h"
#include "agent/promql/value/histogram_quantile.h"
#include "agent/promql/value/kahan.h"

namespace ringside::agent::promql {
namespace {

// What groups of any aggregation need to know and to tell.
struct AggregateContext {
    Notes& notes;
    AggregateOp op;
    std::uint32_t position;  // of the vector

    std::uint64_t ignored_histogram() const {
        notes.inform(position, note::ignored_in_aggregation(aggregate_op_text(op)));
        return 0;
    }
    void failed_histogram(const RowLabels& row) const {
        notes.warn(position, note::mixed_buckets(row.label(kNameLabel)));
    }
    void tell(const HistogramNote& what) const {
        if (what.bounds_reconciled) notes.inform(position, note::bounds_reconciled(note::kAggregation));
    }
};

// sum and avg of histograms. `Total` is HistogramSum or HistogramMean.
template <typename Total>
class HistogramTotal {
  public:
    // Returns by how many samples' worth it grew.
    std::uint64_t add(const AggregateContext& context, const RowLabels& row, const FloatHistogram& histogram) {
        if (failed_) return 0;
        reset_ |= histogram.reset_hint == ResetHint::kReset;
        not_reset_ |= histogram.reset_hint == ResetHint::kNotReset;
        if (!total_) {
            total_ = std::make_unique<Total>(histogram);
            return kCopies * sample_weight(histogram);
        }
        const std::uint64_t before = sample_weight(total_->uncorrected());
        Result<HistogramNote> note = total_->add(histogram);
        failed_ = !note.ok();
        if (failed_) {
            context.failed_histogram(row);
        } else {
            context.tell(*note);
        }
        const std::uint64_t after = sample_weight(total_->uncorrected());
        return after > before ? kCopies * (after - before) : 0;
    }

    bool any() const { return total_ != nullptr; }

    Cell value(const AggregateContext& context) const {
        if (failed_) return {};
        if (reset_ && not_reset_) context.notes.warn(context.position, note::reset_collision(note::kAggregation));
        FloatHistogram value = total_->value();
        value.compact();
        return Cell::of(std::move(value));
    }

  private:
    static constexpr std::uint64_t kCopies = 2;  // the sum and what corrects it

    std::unique_ptr<Total> total_;
    bool failed_ = false, reset_ = false, not_reset_ = false;
};

// The state of one group at one step. take() gets its values one by one and returns by how many samples' worth the state
// grew beyond itself, value() is asked if there were any.

template <typename FloatTotal, typename Total>
class Additive {
  public:
    std::uint64_t take(const AggregateContext& context, const RowLabels& row, const Cell& cell) {
        if (cell.histogram) return histograms_.add(context, row, *cell.histogram);
        floats_.add(cell.value);
        any_float_ = true;
        return 0;
    }
    Cell value(const AggregateContext& context, double) const {
        if (any_float_ && histograms_.any()) {
            context.notes.warn(context.position, note::kMixedFloatsHistogramsAggregation);
            return {};
        }
        if (histograms_.any()) return histograms_.value(context);
        return any_float_ ? Cell::of(floats_.value()) : Cell{};
    }

  private:
    FloatTotal floats_;
    HistogramTotal<Total> histograms_;
    bool any_float_ = false;
};
using Sum = Additive<KahanSum, HistogramSum>;
using Average = Additive<KahanMean, HistogramMean>;

class Count {
  public:
    std::uint64_t take(const AggregateContext&, const RowLabels&, const Cell&) {
        ++count_;
        return 0;
    }
    Cell value(const AggregateContext&, double) const { return count_ > 0 ? Cell::of(count_) : Cell{}; }

  private:
    double count_ = 0;
};

class Presence {
  public:
    std::uint64_t take(const AggregateContext&, const RowLabels&, const Cell&) {
        present_ = true;
        return 0;
    }
    Cell value(const AggregateContext&, double) const { return present_ ? Cell::of(1) : Cell{}; }

  private:
    bool present_ = false;
};

template <bool kLargest>
class Extreme {
  public:
    std::uint64_t take(const AggregateContext& context, const RowLabels&, const Cell& cell) {
        if (cell.histogram) return context.ignored_histogram();
        bool better = kLargest ? cell.value > value_ : cell.value < value_;
        if (!any_ || better || std::isnan(value_)) value_ = cell.value;
        any_ = true;
        return 0;
    }
    Cell value(const AggregateContext&, double) const { return any_ ? Cell::of(value_) : Cell{}; }

  private:
    double value_ = 0;
    bool any_ = false;
};

// Welford's way: one pass, no difference of large squares.
template <bool kRoot>
class Variance {
  public:
    std::uint64_t take(const AggregateContext& context, const RowLabels&, const Cell& cell) {
        if (cell.histogram) return context.ignored_histogram();
        ++count_;
        // The distance from an infinity is no number.
        if (count_ == 1 && !std::isfinite(cell.value)) squares_ = NAN;
        double delta = cell.value - mean_;
        mean_ += delta / count_;
        squares_ += delta * (cell.value - mean_);
        return 0;
    }
    Cell value(const AggregateContext&, double) const {
        if (count_ == 0) return {};
        double variance = squares_ / count_;
        return Cell::of(kRoot ? std::sqrt(variance) : variance);
    }

  private:
    double count_ = 0, mean_ = 0, squares_ = 0;
};

class Quantile {
  public:
    std::uint64_t take(const AggregateContext& context, const RowLabels&, const Cell& cell) {
        if (cell.histogram) return context.ignored_histogram();
        values_.push_back(cell.value);
        return 1;  // a vector holds up to twice as many bytes as it has
    }
    Cell value(const AggregateContext&, double q) { return values_.empty() ? Cell{} : Cell::of(quantile(q, values_)); }

  private:
    std::vector<double> values_;
};

template <typename State>
Result<Grid> aggregate(Evaluator& evaluator, const Aggregate& node, const Steps& steps,
                       const std::vector<double>& parameters) {
    AggregateContext context{evaluator.notes, node.op, node.expr->span.begin};
    Grouping grouping(node.grouping, node.without);
    std::vector<State> states;  // steps.count a group
    std::vector<bool> drop_name;
    constexpr std::uint64_t kStateSamples = (sizeof(State) + kSampleBytes - 1) / kSampleBytes;
    std::uint64_t grown = 0;  // what states hold beside themselves
    auto take = [&](const Row& row) -> Result<void> {
        const std::size_t group = grouping.group_of(row.labels);
        if (group == drop_name.size()) {
            const std::size_t size = states.size() + steps.count;
            if (auto room = evaluator.check(size * kStateSamples + grown); !room) return room;
            states.resize(size);
            drop_name.push_back(false);
        }
        if (row.drop_name) drop_name[group] = true;
        State* state = states.data() + group * steps.count;
        for (std::size_t step = 0; step < steps.count; ++step) {
            if (row.cells[step]) grown += state[step].take(context, row.labels, row.cells[step]);
        }
        return evaluator.check(states.size() * kStateSamples + grown);
    };
    Result<void> taken = evaluator.rows(*node.expr, steps, take, {aggregate_op_text(node.op), &node});
    if (!taken) return taken.error();

    Grid result(steps.count);
    result.reserve(grouping.count());
    for (std::size_t group = 0; group < grouping.count(); ++group) {
        std::size_t row = result.add_row(grouping.labels(group), drop_name[group]);
        for (std::size_t step = 0; step < steps.count; ++step) {
            double parameter = parameters.empty() ? 0 : parameters[step];
            result.set(row, step, states[group * steps.count + step].value(context, parameter));
        }
    }
    result.drop_empty_rows();
    return result;
}

void check_quantiles(Notes& notes, const Expr& parameter, const std::vector<double>& values) {
    auto [low, high] = std::minmax_element(values.begin(), values.end());
    for (double q : {*low, *high}) {
        if (q < 0 || q > 1) notes.warn(parameter.span.begin, note::invalid_quantile(q));
    }
    if (std::any_of(values.begin(), values.end(), [](double q) { return std::isnan(q); })) {
        notes.warn(parameter.span.begin, note::invalid_quantile(NAN));
    }
}

}  // namespace

Result<Grid> evaluate_aggregate(Evaluator& evaluator, const Expr& expr, const Aggregate& node, const Steps& steps) {
    if (node.op == AggregateOp::kCountValues) return count_values(evaluator, node, steps);
    std::vector<double> parameters;
    if (node.parameter) {
        Result<std::vector<double>> values = evaluator.scalar(*node.parameter, steps);
        if (!values) return values.error();
        parameters = std::move(*values);
    }
    switch (node.op) {
        case AggregateOp::kSum: return aggregate<Sum>(evaluator, node, steps, parameters);
        case AggregateOp::kAvg: return aggregate<Average>(evaluator, node, steps, parameters);
        case AggregateOp::kCount: return aggregate<Count>(evaluator, node, steps, parameters);
        case AggregateOp::kMin: return aggregate<Extreme<false>>(evaluator, node, steps, parameters);
        case AggregateOp::kMax: return aggregate<Extreme<true>>(evaluator, node, steps, parameters);
        case AggregateOp::kGroup: return aggregate<Presence>(evaluator, node, steps, parameters);
        case AggregateOp::kStddev: return aggregate<Variance<true>>(evaluator, node, steps, parameters);
        case AggregateOp::kStdvar: return aggregate<Variance<false>>(evaluator, node, steps, parameters);
        case AggregateOp::kQuantile:
            check_quantiles(evaluator.notes, *node.parameter, parameters);
            return aggregate<Quantile>(evaluator, node, steps, parameters);
        default: return pick(evaluator, expr, node, steps, parameters);
    }
}

}  // namespace ringside::agent::promql
