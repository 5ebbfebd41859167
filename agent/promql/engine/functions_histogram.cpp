// histogram_*: of native histograms, and of classic ones put together from their `le` buckets.
#include <cmath>
#include <unordered_map>

#include "agent/promql/engine/function.h"
#include "agent/promql/value/histogram_quantile.h"
#include "agent/promql/value/number.h"

namespace ringside::agent::promql {
namespace {

double histogram_count(const FloatHistogram& histogram) { return histogram.count; }
double histogram_sum(const FloatHistogram& histogram) { return histogram.sum; }
double histogram_avg(const FloatHistogram& histogram) { return histogram.sum / histogram.count; }
double histogram_stdvar(const FloatHistogram& histogram) { return variance(histogram); }
double histogram_stddev(const FloatHistogram& histogram) { return std::sqrt(variance(histogram)); }

// The rows of a vector sorted by histogram: a native one is a row, a classic one all rows that differ in `le` only.
// Where a step has both for the same labels, it has neither.
class Histograms {
  public:
    Histograms(const GridCall& call, std::size_t argument, const Grid& grid)
        : call_(call), position_(call.argument(argument).span.begin), grid_(grid) {
        for (std::size_t row = 0; row < grid.rows(); ++row) {
            LabelsBuilder builder(grid.labels(row));
            builder.erase(kBucketLabel);
            classic_of_row_.push_back(number(classic_, builder.labels()));
            native_of_row_.push_back(number(classic_, grid.labels(row)));
            bounds_.push_back(parse_number(grid.labels(row).get(kBucketLabel)));
        }
        rows_.resize(classic_.size());
        for (auto& [labels, index] : classic_) rows_[index] = labels;
    }

    // Calls `native(labels, drop, histogram)` and `classic(labels, buckets)` for all that the step has.
    template <typename Native, typename Classic>
    void visit(std::size_t step, Native native, Classic classic) {
        std::vector<std::vector<ClassicBucket>> buckets(rows_.size());
        for (std::size_t row = 0; row < grid_.rows(); ++row) {
            if (grid_.kind(row, step) != CellKind::kFloat) continue;
            if (!bounds_[row]) {
                call_.evaluator.notes.warn(
                    position_, note::bad_bucket_label(metric(grid_.labels(row)), grid_.labels(row).get(kBucketLabel)));
                continue;
            }
            buckets[classic_of_row_[row]].push_back({*bounds_[row], grid_.value(row, step)});
        }
        for (std::size_t row = 0; row < grid_.rows(); ++row) {
            if (grid_.kind(row, step) != CellKind::kHistogram) continue;
            std::vector<ClassicBucket>& rival = buckets[native_of_row_[row]];
            if (rival.empty()) {
                native(grid_.labels(row), *grid_.histogram(row, step));
                continue;
            }
            call_.evaluator.notes.warn(position_, note::mixed_classic_native(metric(grid_.labels(row))));
            rival.clear();
        }
        for (std::size_t i = 0; i < buckets.size(); ++i) {
            if (!buckets[i].empty()) classic(rows_[i], buckets[i]);
        }
    }

    // As notes name it: only while it is sure that the name is still there.
    std::string_view metric(const Labels& labels) const {
        return call_.evaluator.options.delayed_name_removal ? labels.metric_name() : std::string_view();
    }

  private:
    using Numbers = std::unordered_map<Labels, std::size_t, LabelsHash>;
    static std::size_t number(Numbers& numbers, const Labels& labels) {
        return numbers.try_emplace(labels, numbers.size()).first->second;
    }

    const GridCall& call_;
    std::uint32_t position_;
    const Grid& grid_;
    Numbers classic_;
    std::vector<std::size_t> classic_of_row_, native_of_row_;
    std::vector<std::optional<double>> bounds_;
    std::vector<Labels> rows_;
};

// A result whose rows come up on the way.
class ResultRows {
  public:
    explicit ResultRows(const GridCall& call) : call_(call), grid_(call.steps.count) {}

    Result<void> set(const Labels& labels, std::size_t step, double value) {
        auto [at, is_new] = rows_.try_emplace(call_.evaluator.renamed(labels), grid_.rows());
        if (is_new) grid_.add_row(at->first, true);
        if (grid_.kind(at->second, step) != CellKind::kNone) return same_labelset_error();
        grid_.set(at->second, step, value);
        return {};
    }
    Grid take() { return std::move(grid_); }
    std::uint64_t samples() const { return grid_.samples(); }  // all of them floats, so no walk

  private:
    const GridCall& call_;
    Grid grid_;
    std::unordered_map<Labels, std::size_t, LabelsHash> rows_;
};

void tell_nan(const GridCall& call, std::uint32_t position, std::string_view metric, NanEffect effect) {
    if (effect == NanEffect::kResultIsNan) call.evaluator.notes.inform(position, note::quantile_is_nan(metric));
    if (effect == NanEffect::kSkewed) call.evaluator.notes.inform(position, note::quantile_is_skewed(metric));
}

// One quantile, or several that go into a label of their own.
struct Wanted {
    std::uint32_t position = 0;
    std::vector<double> values;  // one a step
};

Result<Grid> quantiles(const GridCall& call, std::size_t vector_argument, const std::vector<Wanted>& wanted,
                       const std::string* label) {
    Result<Grid> vector = call.grid(vector_argument);
    if (!vector) return vector;
    Histograms histograms(call, vector_argument, *vector);
    ResultRows result(call);
    std::uint32_t first = call.argument(0).span.begin;
    std::uint32_t vector_position = call.argument(label ? 1 : vector_argument).span.begin;
    Result<void> failed;
    for (std::size_t step = 0; step < call.steps.count; ++step) {
        for (const Wanted& quantile_of : wanted) {
            double q = quantile_of.values[step];
            if (!(q >= 0 && q <= 1)) call.evaluator.notes.warn(quantile_of.position, note::invalid_quantile(q));
        }
        auto set = [&](const Labels& labels, double q, double value) {
            LabelsBuilder builder(labels);
            if (label) builder.set(*label, open_metrics_number(q));
            Result<void> done = result.set(label ? builder.labels() : labels, step, value);
            if (!done) failed = done;
        };
        histograms.visit(
            step,
            [&](const Labels& labels, const FloatHistogram& histogram) {
                for (const Wanted& quantile_of : wanted) {
                    double q = quantile_of.values[step];
                    Estimate estimate = quantile(q, histogram);
                    tell_nan(call, first, histograms.metric(labels), estimate.nan_effect);
                    set(labels, q, estimate.value);
                }
            },
            [&](const Labels& labels, std::vector<ClassicBucket>& buckets) {
                for (const Wanted& quantile_of : wanted) {
                    double q = quantile_of.values[step];
                    std::vector<ClassicBucket> own = buckets;
                    ClassicQuantile found = quantile(q, own);
                    if (found.forced_monotonic) {
                        call.evaluator.notes.forced_monotonicity(
                            vector_position, histograms.metric(labels),
                            {call.steps.at(step), found.lowest_bound, found.highest_bound, found.largest_lift});
                    }
                    set(labels, q, found.value);
                }
            });
        if (!failed) return failed.error();
        if (Result<void> room = call.evaluator.check(result.samples()); !room) return room.error();
    }
    return result.take();
}

Result<Grid> histogram_quantile(const GridCall& call) {
    Result<std::vector<double>> q = call.scalar(0);
    if (!q) return q.error();
    return quantiles(call, 1, {{call.argument(0).span.begin, std::move(*q)}}, nullptr);
}

Result<Grid> histogram_quantiles(const GridCall& call) {
    std::vector<Wanted> wanted;
    for (std::size_t i = 2; i < call.argument_count(); ++i) {
        Result<std::vector<double>> q = call.scalar(i);
        if (!q) return q.error();
        wanted.push_back({call.argument(i).span.begin, std::move(*q)});
    }
    return quantiles(call, 0, wanted, &call.text(1));
}

Result<Grid> histogram_fraction(const GridCall& call) {
    Result<std::vector<double>> lower = call.scalar(0), upper = call.scalar(1);
    if (!lower) return lower.error();
    if (!upper) return upper.error();
    Result<Grid> vector = call.grid(2);
    if (!vector) return vector;
    Histograms histograms(call, 2, *vector);
    ResultRows result(call);
    Result<void> failed;
    for (std::size_t step = 0; step < call.steps.count; ++step) {
        double from = (*lower)[step], to = (*upper)[step];
        auto set = [&](const Labels& labels, double value) {
            Result<void> done = result.set(labels, step, value);
            if (!done) failed = done;
        };
        histograms.visit(
            step,
            [&](const Labels& labels, const FloatHistogram& histogram) {
                Estimate estimate = fraction(from, to, histogram);
                if (estimate.nan_effect != NanEffect::kNone) {
                    call.evaluator.notes.inform(call.argument(0).span.begin,
                                                note::fraction_excludes_nan(histograms.metric(labels)));
                }
                set(labels, estimate.value);
            },
            [&](const Labels& labels, std::vector<ClassicBucket>& buckets) {
                set(labels, fraction(from, to, buckets));
            });
        if (!failed) return failed.error();
        if (Result<void> room = call.evaluator.check(result.samples()); !room) return room.error();
    }
    return result.take();
}

constexpr FunctionBody kFunctions[] = {
    {"histogram_avg", HistogramFunction(&histogram_avg)},
    {"histogram_count", HistogramFunction(&histogram_count)},
    {"histogram_fraction", GridFunction(&histogram_fraction)},
    {"histogram_quantile", GridFunction(&histogram_quantile)},
    {"histogram_quantiles", GridFunction(&histogram_quantiles)},
    {"histogram_stddev", HistogramFunction(&histogram_stddev)},
    {"histogram_stdvar", HistogramFunction(&histogram_stdvar)},
    {"histogram_sum", HistogramFunction(&histogram_sum)},
};

}  // namespace

std::span<const FunctionBody> histogram_functions() { return kFunctions; }

}  // namespace ringside::agent::promql
