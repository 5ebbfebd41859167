// Selectors: instant ones step by step, range ones as they are.
#include <algorithm>

#include "agent/promql/engine/evaluator.h"
#include "agent/promql/engine/interpolation.h"
#include "agent/promql/engine/windows.h"

namespace ringside::agent::promql {
namespace {

// The times that a selector looks back from.
struct References {
    const VectorSelector& selector;
    const Steps& steps;

    std::int64_t at(std::size_t step) const {
        return (selector.at.is_set() ? selector.at.time_ms : steps.at(step)) - selector.offset.ms;
    }
    std::int64_t first() const { return at(0); }
    std::int64_t last() const { return at(steps.count - 1); }
};

SelectHints hints_for(const References& references, std::int64_t before_ms, std::int64_t behind_ms,
                      const Around& around) {
    SelectHints hints;
    hints.begin_ms = references.first() - before_ms;
    hints.end_ms = references.last() + behind_ms;
    hints.wanted_ms = hints.begin_ms;
    hints.step_ms = references.steps.count > 1 ? references.steps.step_ms : 0;
    hints.function = around.function;
    if (around.aggregate) {
        hints.grouping = around.aggregate->grouping;
        hints.by = !around.aggregate->without;
    }
    return hints;
}

// The newest sample of the window, if it is not a stale marker.
Cell newest(const SampleSpan& window, Yield yield) {
    std::size_t f = window.floats.count, h = window.histograms.count;
    if (f == 0 && h == 0) return {};
    bool is_float = h == 0 || (f > 0 && window.floats.times_ms[f - 1] >= window.histograms.times_ms[h - 1]);
    double value = is_float ? window.floats.values[f - 1] : window.histograms.values[h - 1]->sum;
    if (is_stale(value)) return {};
    if (yield == Yield::kValue) return is_float ? Cell::of(value) : Cell::of(window.histograms.values[h - 1]);
    const std::int64_t* times = is_float ? window.floats.times_ms + f - 1 : window.histograms.times_ms + h - 1;
    if (yield == Yield::kTime) return Cell::of(static_cast<double>(*times) / 1000);
    const std::int64_t* starts = is_float ? window.floats.starts_ms : window.histograms.starts_ms;
    return Cell::of(starts ? static_cast<double>(starts[(is_float ? f : h) - 1]) / 1000 : 0);
}

Result<void> select_instant(Evaluator& evaluator, const SeriesSet& set, const References& references, Yield yield,
                            const RowSink& sink) {
    std::int64_t lookback = evaluator.options.lookback_ms;
    SampleBuffer buffer, hinted;
    std::vector<Cell> cells(references.steps.count);
    for (std::size_t series = 0; series < set.size(); ++series) {
        Result<SampleSpan> samples = set.read(series, references.first() - lookback, references.last(), buffer);
        if (!samples) return samples.error();
        evaluator.stats.samples_read += samples->count();
        if (Result<void> room = evaluator.check(samples->count()); !room) return room;
        if (samples->count() == 0) continue;
        Windows windows(evaluator.reads_counts_only() ? with_hints(*samples, hinted) : *samples);
        bool any = false;
        for (std::size_t step = 0; step < cells.size(); ++step) {
            std::int64_t reference = references.at(step);
            cells[step] = newest(windows.at(reference - lookback, reference), yield);
            any |= static_cast<bool>(cells[step]);
        }
        if (!any) continue;
        if (Result<void> taken = sink({RowLabels(set, series), false, cells}); !taken) return taken;
    }
    return {};
}

Result<void> select_smoothed(Evaluator& evaluator, const Expr& expr, const SeriesSet& set, const References& references,
                             const RowSink& sink) {
    std::int64_t lookback = evaluator.options.lookback_ms;
    SampleBuffer buffer, clean;
    std::vector<Cell> cells(references.steps.count);
    for (std::size_t series = 0; series < set.size(); ++series) {
        Result<SampleSpan> samples =
            set.read(series, references.first() - lookback, references.last() + lookback, buffer);
        if (!samples) return samples.error();
        evaluator.stats.samples_read += samples->count();
        if (Result<void> room = evaluator.check(samples->count()); !room) return room;
        Windows windows(without_stale(*samples, clean));
        RowLabels labels(set, series);
        InterpolationNotes notes{evaluator.notes, expr.span.begin, labels};
        for (std::size_t step = 0; step < cells.size(); ++step) {
            std::int64_t reference = references.at(step);
            cells[step] = value_at(windows.at(reference - lookback, reference + lookback), reference, notes);
        }
        if (Result<void> taken = sink({labels, false, cells}); !taken) return taken;
    }
    return {};
}

}  // namespace

Result<void> Evaluator::select(const Expr& expr, const VectorSelector& selector, const Steps& steps, Yield yield,
                               const RowSink& sink, Around around) {
    References references{selector, steps};
    std::int64_t behind = selector.smoothed ? options.lookback_ms : 0;
    SelectHints hints = hints_for(references, options.lookback_ms, behind, around);
    if (!selector.smoothed) hints.wanted_ms = references.first();
    Result<std::unique_ptr<SeriesSet>> set = select_series(selector.matchers, hints);
    if (!set) return set.error();
    const bool smoothed = selector.smoothed && yield == Yield::kValue;
    auto selected = smoothed ? select_smoothed(*this, expr, **set, references, sink)
                             : select_instant(*this, **set, references, yield, sink);
    take_warnings(**set);
    return selected;
}

Result<MatrixValue> Evaluator::matrix(const Expr& expr, const Steps& steps) {
    MatrixValue value;
    if (const auto* inner = expr.as<Subquery>()) {
        Result<SubqueryRows> rows = subquery(*inner, steps);
        if (!rows) return rows.error();
        if (options.delayed_name_removal) {
            for (std::size_t row = 0; row < rows->grid.rows(); ++row) {
                if (rows->grid.drop_name(row)) rows->grid.set_labels(row, rows->grid.labels(row).without_metadata());
            }
            if (Result<void> merged = merge_same_labels(rows->grid); !merged) return merged.error();
        }
        return series_of(rows->grid, rows->steps);
    }
    const auto* range = expr.as<MatrixSelector>();
    References references{range->selector, steps};
    bool extended = range->selector.anchored || range->selector.smoothed;
    std::int64_t before = range->range.ms + (extended ? options.lookback_ms : 0);
    std::int64_t behind = range->selector.smoothed ? options.lookback_ms : 0;
    SelectHints hints = hints_for(references, before, behind, {});
    hints.range_ms = range->range.ms;
    Result<std::unique_ptr<SeriesSet>> set = select_series(range->selector.matchers, hints);
    if (!set) return set.error();
    SampleBuffer buffer, clean;
    std::uint64_t held = 0;
    for (std::size_t i = 0; i < (*set)->size(); ++i) {
        Result<SampleSpan> samples = (*set)->read(i, hints.begin_ms, hints.end_ms, buffer);
        if (!samples) return samples.error();
        stats.samples_read += samples->count();
        SampleSpan window = without_stale(*samples, clean);
        held += window.floats.count;
        for (std::size_t k = 0; k < window.histograms.count; ++k) held += sample_weight(*window.histograms.values[k]);
        if (Result<void> room = check(held); !room) return room.error();
        Series series{(*set)->labels(i), {}, {}};
        std::int64_t end = references.last(), begin = end - range->range.ms;
        if (extended && window.histograms.count > 0) {
            return error(Code::kInvalid, range->selector.anchored
                                             ? "anchored modifier is not supported with histograms"
                                             : "smoothed modifier is not supported with histograms");
        }
        if (extended) {
            series.points = extended_points(window.floats, begin, end, range->selector.smoothed);
        } else {
            for (std::size_t k = 0; k < window.floats.count; ++k) {
                series.points.push_back({window.floats.times_ms[k], window.floats.values[k]});
            }
        }
        for (std::size_t k = 0; k < window.histograms.count; ++k) {
            series.histograms.push_back({window.histograms.times_ms[k], window.histograms.values[k]});
        }
        if (!series.points.empty() || !series.histograms.empty()) value.push_back(std::move(series));
    }
    take_warnings(**set);
    return value;
}

MatrixValue series_of(const Grid& grid, const Steps& steps) {
    MatrixValue value;
    for (std::size_t row = 0; row < grid.rows(); ++row) {
        Series series{grid.labels(row), {}, {}};
        for (std::size_t step = 0; step < grid.steps(); ++step) {
            Cell cell = grid.cell(row, step);
            if (cell.kind == CellKind::kFloat) series.points.push_back({steps.at(step), cell.value});
            if (cell.histogram) series.histograms.push_back({steps.at(step), std::move(cell.histogram)});
        }
        if (!series.points.empty() || !series.histograms.empty()) value.push_back(std::move(series));
    }
    return value;
}

}  // namespace ringside::agent::promql
