// One evaluation of one query: the walk over its tree, and what all of it shares.
//
// An expression comes to a Grid, or row by row to a sink where the consumer can do without the whole: an aggregation
// over a function over a selector never holds more than one series.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/promql/engine/engine.h"
#include "agent/promql/engine/grid.h"
#include "agent/promql/engine/source.h"
#include "agent/promql/syntax/ast.h"
#include "agent/promql/value/notes.h"

namespace ringside::agent::promql {

// The labels of a row on its way, in the source or already taken from there.
class RowLabels {
  public:
    RowLabels() = default;  // of no row
    explicit RowLabels(const Labels& labels) : own_(&labels) {}
    RowLabels(const SeriesSet& set, std::size_t series) : set_(&set), series_(series) {}

    std::string_view label(std::string_view name) const;
    Labels labels() const;
    // Whether it is known at little cost that the row before, of the same producer, has the same values of `names`.
    bool same_values(const RowLabels& before, std::span<const std::string> names) const {
        return set_ != nullptr && set_ == before.set_ && set_->same_values(before.series_, series_, names);
    }
    // Without metadata labels from here on.
    void drop_metadata() { without_metadata_ = true; }

  private:
    const Labels* own_ = nullptr;
    const SeriesSet* set_ = nullptr;
    std::size_t series_ = 0;
    bool without_metadata_ = false;
};

struct Row {
    RowLabels labels;
    bool drop_name = false;
    std::span<const Cell> cells;  // one a step; valid until the sink returns
};
using RowSink = std::function<Result<void>(const Row&)>;

// What stands right around a selector: hints for its source.
struct Around {
    std::string_view function;
    const Aggregate* aggregate = nullptr;  // null unless it stands right around the selector or the function
};

// What an instant selector yields of a sample.
enum class Yield { kValue, kTime, kStartTime };

struct FunctionBody;

// Of the whole query, for start(), end(), range() and step().
struct QueryTimes {
    std::int64_t begin_ms = 0, end_ms = 0;
    std::int64_t step_ms = 0;  // 0 for an instant query
};

class Evaluator {
  public:
    Evaluator(const EngineOptions& engine_options, SampleSource& source, const EvaluationLimits& limits,
              QueryTimes query_times)
        : options(engine_options), times(query_times), source_(source), limits_(limits) {}

    // Rows without any cell may be missing.
    Result<Grid> grid(const Expr& expr, const Steps& steps, Around around = {});
    Result<void> rows(const Expr& expr, const Steps& steps, const RowSink& sink, Around around = {});
    // One value a step, of an expression that is a scalar.
    Result<std::vector<double>> scalar(const Expr& expr, const Steps& steps);

    Result<void> select(const Expr& expr, const VectorSelector& selector, const Steps& steps, Yield yield,
                        const RowSink& sink, Around around = {});
    // A range function over its range argument. kInvalid if two series that have values differ only in labels that
    // the function takes away.
    Result<void> range_rows(const Call& call, const FunctionBody& body, const Steps& steps, const RowSink& sink,
                            Around around = {});
    // The rows of a subquery, at steps of its own.
    struct SubqueryRows {
        Grid grid;
        Steps steps;
    };
    Result<SubqueryRows> subquery(const Subquery& subquery, const Steps& steps);
    // The samples of a range selector or a subquery at one step, as they are.
    Result<MatrixValue> matrix(const Expr& expr, const Steps& steps);
    Result<std::unique_ptr<SeriesSet>> select_series(std::span<const Matcher> matchers, const SelectHints& hints);
    // Once its series have been read, too: some gaps show only then.
    void take_warnings(const SeriesSet& set);

    // Whether histograms are only read for their counts and sums. Prometheus then finds out for each sample whether it
    // follows a reset, where storage does not say, and that shows: sum() warns of resets that collide.
    bool reads_counts_only() const { return counts_only_ > 0 && needs_buckets_ == 0; }

    // For whoever holds `samples` more than what grid() has counted. kExhausted, kTimeout.
    Result<void> check(std::uint64_t samples) {
        stats.samples_peak = std::max(stats.samples_peak, held_ + samples);
        const bool is_due = checks_ == 0 || checks_ > kChecksBetweenClocks;
        if (is_due || held_ + samples > limits_.samples_max) return look_closer(samples);
        ++checks_;
        return {};
    }
    // For who has looked at `samples`, again and again for overlapping windows. kTimeout.
    Result<void> work(std::uint64_t samples);
    // Room for `samples` that check() then counts for all, for as long as it lives.
    class Hold {
      public:
        Hold(Evaluator& evaluator, std::uint64_t samples) : evaluator_(evaluator), samples_(samples) {
            evaluator_.held_ += samples_;
        }
        ~Hold() { evaluator_.held_ -= samples_; }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;

      private:
        Evaluator& evaluator_;
        const std::uint64_t samples_;
    };
    // One row without labels: a number, or the time of each step in seconds.
    Grid number(double value, const Steps& steps) const;
    Grid time(const Steps& steps) const;
    // The rows of a grid, collected from a producer of rows and counted on the way.
    Result<Grid> collect(const Steps& steps, const std::function<Result<void>(const RowSink&)>& produce);

    // Takes metadata labels away from a row of a result whose meaning has changed: now, or at the end of the query.
    Labels renamed(const Labels& labels) const {
        return options.delayed_name_removal ? labels : labels.without_metadata();
    }
    // Two rows with the same labels become one. kInvalid if both have a value at a step.
    Result<void> merge_same_labels(Grid& grid) const;

    const EngineOptions& options;
    const QueryTimes times;
    Notes notes;
    std::vector<std::string> warnings;
    QueryStats stats;

  private:
    static constexpr std::uint64_t kChecksBetweenClocks = 32;  // 0.1 us each, where a series of many steps takes 10 ms

    Result<void> look_closer(std::uint64_t samples);
    Result<void> look_at_clock() const;
    Result<Grid> evaluate(const Expr& expr, const Steps& steps, Around around);
    Result<Grid> call(const Expr& expr, const Call& call, const Steps& steps, Around around);
    Result<Grid> unary(const Unary& unary, const Steps& steps);

    SampleSource& source_;
    const EvaluationLimits& limits_;
    std::uint64_t held_ = 0;  // samples of grids that are alive
    std::size_t depth_ = 0;
    std::uint64_t checks_ = 0;
    std::uint64_t work_ = 0;  // samples since the last look at the clock for them
    // How many calls around that make reads_counts_only() true, and that make it false.
    std::size_t counts_only_ = 0, needs_buckets_ = 0;
    friend class BucketUse;
};

// The points of a grid, series by series; rows without any are left out.
MatrixValue series_of(const Grid& grid, const Steps& steps);

// `vector cannot contain metrics with the same labelset`
Error same_labelset_error();

// The operators. Both grids have the same steps.
Result<Grid> evaluate_binary(Evaluator& evaluator, const Expr& expr, const Binary& binary, const Steps& steps);
Result<Grid> evaluate_aggregate(Evaluator& evaluator, const Expr& expr, const Aggregate& aggregate, const Steps& steps);

}  // namespace ringside::agent::promql
