// info(): adds the labels of info metrics (target_info and its like) to the series of the same target.
//
// A target is what `instance` and `job` say. Of several info series of one metric and target the one with the newest
// sample counts, step by step.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include "agent/promql/engine/function.h"

namespace ringside::agent::promql {
namespace {

constexpr std::array<std::string_view, 2> kTargetLabels = {"instance", "job"};
constexpr std::size_t kNoRow = static_cast<std::size_t>(-1);

using Target = std::array<std::string, kTargetLabels.size()>;

Target target_of(const Labels& labels) {
    Target target;
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = std::string(labels.get(kTargetLabels[i]));
    return target;
}

// What the second argument asks for.
struct Wanted {
    std::vector<Matcher> names;  // of info metrics
    std::vector<Matcher> data;   // labels to add; all of them if there is none here

    bool is_info_metric(std::string_view name) const {
        return std::ranges::all_of(names, [&](const Matcher& matcher) { return matcher.matches(name); });
    }
    bool wants_label(std::string_view name) const {
        return data.empty() ||
               std::ranges::any_of(data, [&](const Matcher& matcher) { return matcher.label() == name; });
    }
    // Whether a series may stay as it is where no info series belongs to it.
    bool may_be_missing() const { return std::ranges::all_of(data, &Matcher::matches_empty); }
};

Result<Wanted> wanted_by(const GridCall& call) {
    Wanted wanted;
    if (call.argument_count() > 1) {
        const auto& selector = *call.argument(1).as<VectorSelector>();
        for (const Matcher& matcher : selector.matchers) {
            (matcher.label() == kNameLabel ? wanted.names : wanted.data).push_back(matcher);
        }
    }
    const bool chosen = std::ranges::any_of(wanted.names, [](const Matcher& matcher) {
        return matcher.op() == MatchOp::kEqual || matcher.op() == MatchOp::kRegex;
    });
    if (chosen) return wanted;
    // Whoever says only which metrics are not meant still means info metrics.
    auto usual = wanted.names.empty() ? Matcher::make(kNameLabel, MatchOp::kEqual, "target_info")
                                      : Matcher::make(kNameLabel, MatchOp::kRegex, ".+_info");
    if (!usual) return usual.error();
    wanted.names.push_back(std::move(*usual));
    return wanted;
}

// The info series of one metric and one target, and which of them counts at each step.
struct Group {
    std::vector<std::size_t> rows;
    std::vector<std::size_t> newest;  // kNoRow where none has a sample
};

class InfoSeries {
  public:
    // The info series for the targets of `base`, with the time of the sample that stands at each step.
    static Result<InfoSeries> select(const GridCall& call, const Wanted& wanted, const std::set<Target>& targets) {
        VectorSelector selector;
        selector.matchers = wanted.names;
        selector.matchers.insert(selector.matchers.end(), wanted.data.begin(), wanted.data.end());
        if (auto done = add_target_matchers(targets, selector.matchers); !done) return done.error();
        InfoSeries info;
        auto times = call.evaluator.collect(call.steps, [&](const RowSink& sink) {
            return call.evaluator.select(call.expr, selector, call.steps, Yield::kTime, sink, {"info", nullptr});
        });
        if (!times) return times.error();
        auto floats = call.evaluator.select(call.expr, selector, call.steps, Yield::kValue,
                                            [](const Row& row) -> Result<void> {
                                                const auto is_histogram = [](const Cell& cell) {
                                                    return cell.kind == CellKind::kHistogram;
                                                };
                                                if (std::ranges::none_of(row.cells, is_histogram)) return {};
                                                return error(Code::kInvalid, "info sample should be float");
                                            },
                                            {"info", nullptr});
        if (!floats) return floats.error();
        info.times_ = std::move(*times);
        info.group(targets);
        if (auto done = info.choose(); !done) return done.error();
        return info;
    }

    // The series that count for a target at one step, one a metric.
    template <typename Visit>
    Result<void> for_each(const Target& target, std::size_t step, Visit visit) const {
        const auto found = groups_.find(target);
        if (found == groups_.end()) return {};
        for (const auto& [name, group] : found->second) {
            if (group.newest[step] == kNoRow) continue;
            if (auto done = visit(times_.labels(group.newest[step])); !done) return done;
        }
        return {};
    }

  private:
    // A fleet has too many targets for a pattern that lists them; one value is worth saying to the source.
    static Result<void> add_target_matchers(const std::set<Target>& targets, std::vector<Matcher>& matchers) {
        for (std::size_t i = 0; i < kTargetLabels.size(); ++i) {
            std::set<std::string> values;
            for (const Target& target : targets) values.insert(target[i]);
            if (values.size() != 1) continue;
            auto matcher = Matcher::make(std::string(kTargetLabels[i]), MatchOp::kEqual, *values.begin());
            if (!matcher) return matcher.error();
            matchers.push_back(std::move(*matcher));
        }
        return {};
    }

    void group(const std::set<Target>& targets) {
        for (std::size_t row = 0; row < times_.rows(); ++row) {
            Target target = target_of(times_.labels(row));
            if (!targets.contains(target)) continue;
            groups_[std::move(target)][std::string(times_.labels(row).metric_name())].rows.push_back(row);
        }
    }

    Result<void> choose() {
        for (auto& [target, by_name] : groups_) {
            for (auto& [name, group] : by_name) {
                if (auto done = choose(group); !done) return done;
            }
        }
        return {};
    }

    Result<void> choose(Group& group) {
        group.newest.assign(times_.steps(), kNoRow);
        for (std::size_t step = 0; step < times_.steps(); ++step) {
            std::size_t& newest = group.newest[step];
            for (const std::size_t row : group.rows) {
                if (times_.kind(row, step) == CellKind::kNone) continue;
                if (newest != kNoRow && times_.value(row, step) == times_.value(newest, step)) {
                    const std::string time = std::to_string(std::llround(times_.value(row, step) * 1000));
                    return error(Code::kInvalid, "found duplicate series for info metric: existing " +
                                                     times_.labels(newest).text() + " @ " + time + ", new " +
                                                     times_.labels(row).text() + " @ " + time);
                }
                if (newest == kNoRow || times_.value(row, step) > times_.value(newest, step)) newest = row;
            }
        }
        return {};
    }

    Grid times_;
    std::map<Target, std::map<std::string, Group>> groups_;
};

// The rows of the result: one series may gain other labels from step to step.
class Enriched {
  public:
    explicit Enriched(std::size_t steps) : grid_(steps) {}

    Result<void> set(Labels labels, bool drop_name, std::size_t step, Cell cell) {
        const auto [at, is_new] = rows_.try_emplace(labels, grid_.rows());
        if (is_new) grid_.add_row(std::move(labels), drop_name);
        if (grid_.kind(at->second, step) != CellKind::kNone) return same_labelset_error();
        grid_.set(at->second, step, std::move(cell));
        return {};
    }
    Grid take() { return std::move(grid_); }

  private:
    Grid grid_;
    std::unordered_map<Labels, std::size_t, LabelsHash> rows_;
};

// The labels of a series with those of its info series at one step. Nothing if the series has to go.
Result<std::optional<Labels>> with_info(const Labels& base, const Wanted& wanted, const InfoSeries& info,
                                        std::size_t step) {
    LabelsBuilder added;
    bool any = false;
    auto done = info.for_each(target_of(base), step, [&](const Labels& labels) -> Result<void> {
        any = true;
        for (const Label& label : labels.set()) {
            if (label.name == kNameLabel || !wanted.wants_label(label.name) || !base.get(label.name).empty()) continue;
            const std::string_view before = added.get(label.name);
            if (!before.empty() && before != label.value) {
                return error(Code::kInvalid, "conflicting label: " + label.name);
            }
            added.set(label.name, label.value);
        }
        return {};
    });
    if (!done) return done.error();
    if (!any && !wanted.may_be_missing()) return std::optional<Labels>();
    LabelsBuilder result(base);
    const Labels labels = added.labels();
    for (const Label& label : labels.set()) result.set(label.name, label.value);
    return std::optional(result.labels());
}

Result<Grid> info(const GridCall& call) {
    Result<Grid> base = call.grid(0);
    if (!base) return base;
    auto wanted = wanted_by(call);
    if (!wanted) return wanted.error();
    std::set<Target> targets;
    for (std::size_t row = 0; row < base->rows(); ++row) {
        if (wanted->is_info_metric(base->labels(row).metric_name())) continue;
        Target target = target_of(base->labels(row));
        if (target != Target()) targets.insert(std::move(target));
    }
    Result<InfoSeries> series = InfoSeries();
    if (!targets.empty()) series = InfoSeries::select(call, *wanted, targets);
    if (!series) return series.error();
    Enriched result(call.steps.count);
    for (std::size_t row = 0; row < base->rows(); ++row) {
        const Labels& labels = base->labels(row);
        const bool is_info = wanted->is_info_metric(labels.metric_name());  // which are not told about themselves
        for (std::size_t step = 0; step < call.steps.count; ++step) {
            if (base->kind(row, step) == CellKind::kNone) continue;
            std::optional<Labels> enriched = labels;
            if (!is_info) {
                auto found = with_info(labels, *wanted, *series, step);
                if (!found) return found.error();
                enriched = std::move(*found);
            }
            if (!enriched) continue;
            auto done = result.set(std::move(*enriched), base->drop_name(row), step, base->cell(row, step));
            if (!done) return done.error();
        }
    }
    return result.take();
}

constexpr FunctionBody kFunctions[] = {{"info", GridFunction(&info)}};

}  // namespace

std::span<const FunctionBody> info_functions() { return kFunctions; }

}  // namespace ringside::agent::promql
