// Functions over ranges: one window a step over the samples of one series after the other.
#include <algorithm>
#include <array>
#include <unordered_set>

#include "agent/promql/engine/function.h"
#include "agent/promql/engine/windows.h"

namespace ringside::agent::promql {
namespace {

// The range argument, whatever stands there, reduced to what windows need.
struct RangeArgument {
    std::int64_t range_ms = 0, offset_ms = 0;
    AtModifier at;
    bool anchored = false, smoothed = false;

    std::int64_t end(const Steps& steps, std::size_t step) const {
        return (at.is_set() ? at.time_ms : steps.at(step)) - offset_ms;
    }
};

std::string allowed_functions(bool FunctionBody::*allows) {
    std::string names;
    for (const Function& function : functions()) {
        const FunctionBody* body = function_body(function);
        if (!body || !(body->*allows)) continue;
        if (!names.empty()) names += ", ";
        names += function.name;
    }
    return names;
}

Result<void> check_modifiers(const RangeArgument& range, const FunctionBody& body) {
    bool FunctionBody::*allows = range.anchored ? &FunctionBody::allows_anchored : &FunctionBody::allows_smoothed;
    if ((!range.anchored && !range.smoothed) || body.*allows) return {};
    return error(Code::kInvalid, std::string(range.anchored ? "anchored" : "smoothed") +
                                     " modifier can only be used with: " + allowed_functions(allows) + " - not with " +
                                     std::string(body.name));
}

constexpr std::size_t kCountersAtOnce = 64;
constexpr std::size_t kGainsAtOnce = 64;
constexpr std::size_t kSamplesOfGain = 2;  // are looked at

bool looks_like_a_counter(std::string_view metric) {
    return metric.ends_with("_total") || metric.ends_with("_sum") || metric.ends_with("_count") ||
           metric.ends_with("_bucket");
}

// The name that all series have, so that they differ without it, too. "" if there may be several.
std::string_view one_name(const VectorSelector& selector) {
    for (const Matcher& matcher : selector.matchers) {
        if (matcher.label() == kNameLabel && matcher.op() == MatchOp::kEqual) return matcher.value();
    }
    return {};
}

// Evaluates one call for series after series with the same buffers.
class RangeEvaluation {
  public:
    RangeEvaluation(Evaluator& evaluator, const Call& call, const FunctionBody& body, const RangeArgument& range,
                    const Steps& steps, const RowSink& sink)
        : evaluator_(evaluator),
          call_(call),
          body_(body),
          range_(range),
          steps_(steps),
          sink_(sink),
          function_(std::get<RangeFunction>(body.body)),
          cells_(steps.count) {
        checks_counter_ = body.name == "rate" || body.name == "increase";
    }

    Result<void> evaluate_scalars() {
        std::vector<std::vector<double>> scalars;
        for (const ExprPtr& argument : call_.arguments) {
            if (argument->type() != ValueType::kScalar) continue;
            Result<std::vector<double>> values = evaluator_.scalar(*argument, steps_);
            if (!values) return values.error();
            scalars.push_back(std::move(*values));
        }
        argument_count_ = scalars.size();
        for (std::size_t step = 0; step < steps_.count; ++step) {
            for (const std::vector<double>& values : scalars) arguments_.push_back(values[step]);
        }
        return {};
    }

    // All series have this name, so one of them tells of it what there is to tell. No effect with "".
    void set_metric(std::string_view metric) {
        has_one_metric_ = !metric.empty() && !evaluator_.options.type_and_unit_labels;
        if (has_one_metric_ && looks_like_a_counter(metric)) checks_counter_ = false;
    }

    // Two rows may turn out to have the same labels once metadata is gone.
    void watch_for_same_labels() { watches_labels_ = !evaluator_.options.delayed_name_removal && !body_.keeps_name; }

    // Whether there is one window, of which take_counter() needs no sample.
    bool takes_counters() const { return body_.of_counter != nullptr && steps_.count == 1 && needs_ends_only(); }

    // `window` has the samples of the only step.
    Result<void> take_counter(const RowLabels& series, const CounterSpan& window) {
        RangeCall call = call_of(series);
        move_to(call, 0);
        cells_[0] = window.count > 0 ? body_.of_counter(call, window) : Cell{};
        return pass_on(call, false, static_cast<bool>(cells_[0]), true);
    }

    // The same of histograms, over any number of steps.
    bool takes_gains() const { return body_.of_gain != nullptr && needs_ends_only(); }

    // A row from what a histogram's windows gained. False: its samples are to be read.
    Result<bool> take_gains(const SeriesSet& set, std::size_t series) {
        const RowLabels labels(set, series);
        RangeCall call = call_of(labels);
        bool any = false;
        std::uint64_t held = 0;
        for (std::size_t begin = 0; begin < steps_.count; begin += kGainsAtOnce) {
            const std::size_t count = std::min(kGainsAtOnce, steps_.count - begin);
            windows_.resize(count);
            gains_.resize(count);
            for (std::size_t i = 0; i < count; ++i) {
                move_to(call, begin + i);
                windows_[i] = {call.begin_ms, call.end_ms};
            }
            if (!set.read_gains(series, windows_, gains_)) return false;
            evaluator_.stats.samples_read += kSamplesOfGain * count;
            for (std::size_t i = 0; i < count; ++i) {
                move_to(call, begin + i);
                Cell& cell = cells_[begin + i];
                cell = gains_[i].count > 0 ? body_.of_gain(call, std::move(gains_[i])) : Cell{};
                any |= static_cast<bool>(cell);
                if (cell.histogram) held += sample_weight(*cell.histogram);
            }
            if (Result<void> room = evaluator_.check(held); !room) return room.error();
            if (Result<void> time = evaluator_.work(count); !time) return time.error();
        }
        if (Result<void> passed = pass_on(call, false, any, false); !passed) return passed.error();
        return true;
    }

    Result<void> take(const RowLabels& series, bool drop_name, const SampleSpan& samples) {
        RangeCall call = call_of(series);
        std::int64_t lookback = evaluator_.options.lookback_ms;
        std::int64_t before = range_.anchored || range_.smoothed ? lookback : 0,
                     behind = range_.smoothed ? lookback : 0;
        Windows windows(samples);
        bool any = false, any_float = false;
        std::uint64_t held = 0;  // by histograms of this row
        for (std::size_t step = 0; step < steps_.count; ++step) {
            move_to(call, step);
            SampleSpan window = windows.at(call.begin_ms - before, call.end_ms + behind);
            if (window.count() == 0) {
                cells_[step] = {};
                continue;
            }
            cells_[step] = function_(call, window);
            if (Result<void> time = evaluator_.work(window.count()); !time) return time;
            any |= static_cast<bool>(cells_[step]);
            if (cells_[step].histogram) {
                held += sample_weight(*cells_[step].histogram);
                if (Result<void> room = evaluator_.check(held); !room) return room;
            }
            any_float |= cells_[step].kind == CellKind::kFloat;
        }
        if (failure_) return *failure_;
        return pass_on(call, drop_name, any, any_float);
    }

  private:
    // Of what stands in a window, by a function that can do with its first and last sample.
    bool needs_ends_only() const {
        return !range_.anchored && !range_.smoothed && !evaluator_.options.start_timestamps;
    }

    RangeCall call_of(const RowLabels& series) {
        return {
            evaluator_, call_, series, range_.anchored, range_.smoothed, static_cast<double>(range_.range_ms) / 1000, 0,
            0,          0,     {},     failure_};
    }

    void move_to(RangeCall& call, std::size_t step) const {
        call.time_ms = steps_.at(step);
        call.end_ms = range_.end(steps_, step);
        call.begin_ms = call.end_ms - range_.range_ms;
        call.arguments = {arguments_.data() + step * argument_count_, argument_count_};
    }

    // The row of cells_, if there is `any`.
    Result<void> pass_on(const RangeCall& call, bool drop_name, bool any, bool any_float) {
        if (!any) return {};
        if (any_float && checks_counter_) note_if_no_counter(call);
        RowLabels labels = call.series;
        if (!body_.keeps_name && !evaluator_.options.delayed_name_removal) labels.drop_metadata();
        if (watches_labels_ && !seen_.insert(labels.labels()).second) return same_labelset_error();
        return sink_({labels, drop_name || !body_.keeps_name, cells_});
    }

    void note_if_no_counter(const RangeCall& call) {
        if (has_one_metric_) checks_counter_ = false;
        std::string_view metric = call.metric();
        if (metric.empty()) return;
        if (evaluator_.options.type_and_unit_labels) {
            std::string_view type = call.series.label(kTypeLabel);
            if (type != "counter" && type != "histogram") {
                call.inform(note::possible_non_counter_label(metric, type));
            }
        } else if (!looks_like_a_counter(metric) && metric != last_metric_) {
            last_metric_ = metric;  // Saves the search for the same note at each of the next thousand series.
            call.inform(note::possible_non_counter(metric));
        }
    }

    Evaluator& evaluator_;
    const Call& call_;
    const FunctionBody& body_;
    const RangeArgument& range_;
    const Steps& steps_;
    const RowSink& sink_;
    RangeFunction function_;
    bool checks_counter_ = false;  // until it is known that there is one, or it has been told
    bool has_one_metric_ = false;
    std::string last_metric_;
    std::size_t argument_count_ = 0;
    std::vector<double> arguments_;  // argument_count_ a step
    std::vector<Cell> cells_;
    std::vector<TimeWindow> windows_;
    std::vector<HistogramGain> gains_;
    std::optional<Error> failure_;
    bool watches_labels_ = false;
    std::unordered_set<Labels, LabelsHash> seen_;
};

// Hints say whether a counter was reset since the sample before. A subquery skips samples or takes some twice, so what
// they say no longer holds.
HistogramPtr without_hint(const HistogramPtr& histogram) {
    if (histogram->reset_hint != ResetHint::kReset && histogram->reset_hint != ResetHint::kNotReset) return histogram;
    auto copy = std::make_shared<FloatHistogram>(*histogram);
    copy->reset_hint = ResetHint::kUnknown;
    return copy;
}

void fill(SampleBuffer& buffer, const Grid& grid, std::size_t row, const Steps& steps) {
    buffer.clear();
    for (std::size_t step = 0; step < grid.steps(); ++step) {
        if (grid.kind(row, step) == CellKind::kFloat) {
            buffer.times_ms.push_back(steps.at(step));
            buffer.values.push_back(grid.value(row, step));
        } else if (grid.kind(row, step) == CellKind::kHistogram) {
            buffer.histogram_times_ms.push_back(steps.at(step));
            buffer.histograms.push_back(without_hint(grid.histogram(row, step)));
        }
    }
}

Result<void> over_subquery(Evaluator& evaluator, const Call& call, const FunctionBody& body, const Subquery& subquery,
                           const Steps& steps, const RowSink& sink) {
    RangeArgument range{subquery.range.ms, subquery.offset.ms, subquery.at};
    RangeEvaluation evaluation(evaluator, call, body, range, steps, sink);
    if (Result<void> scalars = evaluation.evaluate_scalars(); !scalars) return scalars;
    evaluation.watch_for_same_labels();
    Result<Evaluator::SubqueryRows> rows = evaluator.subquery(subquery, steps);
    if (!rows) return rows.error();
    SampleBuffer buffer, clean;
    for (std::size_t row = 0; row < rows->grid.rows(); ++row) {
        fill(buffer, rows->grid, row, rows->steps);
        Result<void> taken = evaluation.take(RowLabels(rows->grid.labels(row)), rows->grid.drop_name(row),
                                             without_stale(buffer.span(), clean));
        if (!taken) return taken;
    }
    return {};
}

}  // namespace

Result<void> Evaluator::range_rows(const Call& call, const FunctionBody& body, const Steps& steps, const RowSink& sink,
                                   Around around) {
    // The row on its way, also while the argument is evaluated.
    const Hold row(*this, steps.count * sizeof(Cell) / kSampleBytes);
    if (Result<void> room = check(0); !room) return room;
    const MatrixSelector* selector = nullptr;
    for (const ExprPtr& argument : call.arguments) {
        const Expr& bare = without_parens(*argument);
        if (const auto* inner = bare.as<Subquery>()) return over_subquery(*this, call, body, *inner, steps, sink);
        if (const auto* range = bare.as<MatrixSelector>()) selector = range;
    }
    if (selector == nullptr) return error(Code::kInternal, "a function over a range has no range");
    const VectorSelector& vector = selector->selector;
    RangeArgument range{selector->range.ms, vector.offset.ms, vector.at, vector.anchored, vector.smoothed};
    if (Result<void> allowed = check_modifiers(range, body); !allowed) return allowed;
    RangeEvaluation evaluation(*this, call, body, range, steps, sink);
    if (Result<void> scalars = evaluation.evaluate_scalars(); !scalars) return scalars;

    SelectHints hints;
    hints.begin_ms = range.end(steps, 0) - range.range_ms;
    hints.end_ms = range.end(steps, steps.count - 1);
    if (range.anchored || range.smoothed) hints.begin_ms -= options.lookback_ms;
    if (range.smoothed) hints.end_ms += options.lookback_ms;
    hints.wanted_ms = hints.begin_ms;
    hints.step_ms = steps.count > 1 ? steps.step_ms : 0;
    hints.range_ms = range.range_ms;
    hints.function = body.name;
    if (around.aggregate) {
        hints.grouping = around.aggregate->grouping;
        hints.by = !around.aggregate->without;
    }
    Result<std::unique_ptr<SeriesSet>> set = select_series(vector.matchers, hints);
    if (!set) return set.error();
    std::string_view name = one_name(vector);
    if (name.empty() || (*set)->has_metadata_labels()) evaluation.watch_for_same_labels();
    evaluation.set_metric(name);

    bool has_stale = (*set)->has_stale_markers();
    SampleBuffer buffer, clean, hinted;
    const bool takes_counters = evaluation.takes_counters();
    std::array<CounterSpan, kCountersAtOnce> counters;
    const bool takes_gains = evaluation.takes_gains();
    for (std::size_t series = 0; series < (*set)->size();) {
        const std::size_t in_short =
            takes_counters ? (*set)->read_counters(series, hints.begin_ms, hints.end_ms, counters) : 0;
        for (std::size_t i = 0; i < in_short; ++i) {
            stats.samples_read += counters[i].count;
            if (Result<void> room = check(counters[i].count); !room) return room;
            Result<void> taken = evaluation.take_counter(RowLabels(**set, series + i), counters[i]);
            if (!taken) return taken;
        }
        series += in_short;
        if (in_short > 0) continue;
        if (takes_gains) {
            Result<bool> taken = evaluation.take_gains(**set, series);
            if (!taken) return taken.error();
            if (*taken) {
                ++series;
                continue;
            }
        }
        Result<SampleSpan> samples = (*set)->read(series, hints.begin_ms, hints.end_ms, buffer);
        if (!samples) return samples.error();
        stats.samples_read += samples->count();
        if (Result<void> room = check(samples->count()); !room) return room;
        SampleSpan span = has_stale ? without_stale(*samples, clean) : *samples;
        if (reads_counts_only()) span = with_hints(span, hinted);
        if (!options.start_timestamps) span.floats.starts_ms = span.histograms.starts_ms = nullptr;
        Result<void> taken = evaluation.take(RowLabels(**set, series), false, span);
        if (!taken) return taken;
        ++series;
    }
    take_warnings(**set);
    return {};
}

}  // namespace ringside::agent::promql
