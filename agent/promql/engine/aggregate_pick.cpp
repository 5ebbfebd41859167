#include "agent/promql/engine/aggregate_pick.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "agent/base/text.h"
#include "agent/promql/engine/grouping.h"
#include "agent/promql/value/number.h"

namespace ringside::agent::promql {
namespace {

// The values that fit into 64 bits with a sign, ends excluded.
constexpr double kIntegerMax = 9223372036854774784.0, kIntegerMin = -9223372036854775808.0;

struct Candidate {
    Cell cell;
    std::size_t row = 0;  // of `candidates`
};

// Whether `a` goes before `b` in the result. NaN comes last.
bool before(AggregateOp op, double a, double b) {
    if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
    return op == AggregateOp::kTopk ? a > b : a < b;
}

// Of equals the one that came first counts as better.
bool is_better(AggregateOp op, const Candidate& a, const Candidate& b) {
    if (before(op, a.cell.value, b.cell.value)) return true;
    return !before(op, b.cell.value, a.cell.value) && a.row < b.row;
}

// The k best of one group at one step: a heap with the worst one on top, since that one has to go first. Whether
// `candidate` is among them now.
bool keep_best(std::vector<Candidate>& heap, AggregateOp op, std::size_t k, const Candidate& candidate) {
    auto better = [op](const Candidate& a, const Candidate& b) { return is_better(op, a, b); };
    if (heap.size() >= k) {
        if (!better(candidate, heap.front())) return false;
        std::pop_heap(heap.begin(), heap.end(), better);
        heap.pop_back();
    }
    heap.push_back(candidate);
    std::push_heap(heap.begin(), heap.end(), better);
    return true;
}

bool keeps_ratio(double ratio, const Labels& labels) {
    double at = static_cast<double>(labels.hash()) / static_cast<double>(std::numeric_limits<std::uint64_t>::max());
    return ratio >= 0 ? at < ratio : at >= 1 + ratio;
}

Result<bool> any_can_be_kept(Evaluator& evaluator, const Aggregate& node, const std::vector<double>& parameters) {
    bool is_ratio = node.op == AggregateOp::kLimitRatio;
    double low = parameters[0], high = parameters[0];
    bool any_nan = false;
    for (double parameter : parameters) {
        low = std::min(low, parameter);
        high = std::max(high, parameter);
        any_nan |= std::isnan(parameter);
    }
    if (any_nan) return error(Code::kInvalid, is_ratio ? "Ratio value is NaN" : "Parameter value is NaN");
    if (is_ratio) {
        std::uint32_t position = node.parameter->span.begin;
        if (high > 1) evaluator.notes.warn(position, note::invalid_ratio(high, 1));
        if (low < -1) evaluator.notes.warn(position, note::invalid_ratio(low, -1));
        return low != 0 || high != 0;
    }
    if (high < 1) return false;
    if (low <= kIntegerMin) return error(Code::kInvalid, "Scalar value " + short_number(low) + " underflows int64");
    if (high >= kIntegerMax) return error(Code::kInvalid, "Scalar value " + short_number(high) + " overflows int64");
    return true;
}

class Picker {
  public:
    Picker(Evaluator& evaluator, const Expr& expr, const Aggregate& node, const Steps& steps,
           const std::vector<double>& parameters)
        : evaluator_(evaluator),
          expr_(expr),
          node_(node),
          steps_(steps),
          parameters_(parameters),
          grouping_(node.grouping, node.without) {}

    Result<void> take(const Row& row) {
        std::size_t group = grouping_.group_of(row.labels);
        if (group * steps_.count == kept_.size()) {
            if (auto room = check(kept_.size() + steps_.count); !room) return room;
            kept_.resize(kept_.size() + steps_.count);
        }
        Labels labels;
        bool has_labels = false, is_candidate = false;
        for (std::size_t step = 0; step < steps_.count; ++step) {
            if (!row.cells[step]) continue;
            if (node_.op == AggregateOp::kLimitRatio && !has_labels) {
                labels = row.labels.labels();
                has_labels = true;
            }
            is_candidate |= offer(group, step, {row.cells[step], candidates_.size()}, labels);
        }
        if (is_candidate) candidates_.push_back({has_labels ? labels : row.labels.labels(), row.drop_name});
        return check(kept_.size());
    }

    Grid result() {
        Grid grid(steps_.count);
        std::vector<std::size_t> row_of(candidates_.size(), std::numeric_limits<std::size_t>::max());
        for (std::size_t i = 0; i < kept_.size(); ++i) {
            std::vector<Candidate>& kept = kept_[i];
            if (node_.op == AggregateOp::kTopk || node_.op == AggregateOp::kBottomk) {
                std::sort(kept.begin(), kept.end(),
                          [&](const Candidate& a, const Candidate& b) { return is_better(node_.op, a, b); });
            }
            for (Candidate& candidate : kept) {
                std::size_t& row = row_of[candidate.row];
                if (row == std::numeric_limits<std::size_t>::max()) {
                    row = grid.add_row(candidates_[candidate.row].labels, candidates_[candidate.row].drop_name);
                }
                grid.set(row, i % steps_.count, std::move(candidate.cell));
            }
        }
        return grid;
    }

  private:
    Result<void> check(std::size_t lists) {
        return evaluator_.check((lists * sizeof(kept_[0]) + kept_samples_ * sizeof(Candidate)) / kSampleBytes);
    }

    // Whether the value is among the kept ones, at least for now.
    bool offer(std::size_t group, std::size_t step, Candidate candidate, const Labels& labels) {
        std::vector<Candidate>& kept = kept_[group * steps_.count + step];
        double parameter = parameters_[step];
        if (node_.op == AggregateOp::kLimitRatio) {
            if (parameter == 0 || !keeps_ratio(std::clamp(parameter, -1.0, 1.0), labels)) return false;
        } else {
            if (parameter < 1) return false;
            auto k = static_cast<std::size_t>(parameter);
            if (node_.op != AggregateOp::kLimitk) {
                if (candidate.cell.histogram) {
                    evaluator_.notes.inform(expr_.span.begin,
                                            note::ignored_in_aggregation(aggregate_op_text(node_.op)));
                    return false;
                }
                std::size_t held = kept.size();
                bool is_kept = keep_best(kept, node_.op, k, candidate);
                kept_samples_ += kept.size() - held;
                return is_kept;
            }
            if (kept.size() >= k) return false;
        }
        kept.push_back(std::move(candidate));
        ++kept_samples_;
        return true;
    }

    struct KeptRow {
        Labels labels;
        bool drop_name;
    };
    Evaluator& evaluator_;
    const Expr& expr_;
    const Aggregate& node_;
    const Steps& steps_;
    const std::vector<double>& parameters_;
    Grouping grouping_;
    std::vector<std::vector<Candidate>> kept_;  // steps.count a group
    std::vector<KeptRow> candidates_;           // rows that were kept at some step, at least for a while
    std::uint64_t kept_samples_ = 0;
};

}  // namespace

Result<Grid> pick(Evaluator& evaluator, const Expr& expr, const Aggregate& node, const Steps& steps,
                  const std::vector<double>& parameters) {
    Result<bool> possible = any_can_be_kept(evaluator, node, parameters);
    if (!possible) return possible.error();
    if (!*possible) return Grid(steps.count);
    Picker picker(evaluator, expr, node, steps, parameters);
    Result<void> taken = evaluator.rows(*node.expr, steps, [&](const Row& row) { return picker.take(row); },
                                        {aggregate_op_text(node.op), &node});
    if (!taken) return taken.error();
    return picker.result();
}

Result<Grid> count_values(Evaluator& evaluator, const Aggregate& node, const Steps& steps) {
    const auto* literal = without_parens(*node.parameter).as<StringLiteral>();
    const std::string& name = literal->value;
    if (name.empty() || !is_utf8(name)) return error(Code::kInvalid, "invalid label name " + quote(name));
    std::vector<std::string> names = node.grouping;
    if (!node.without) names.push_back(name);
    Grouping grouping(names, node.without);
    std::vector<double> counts;  // steps.count a group
    auto take = [&](const Row& row) -> Result<void> {
        LabelsBuilder builder(row.labels.labels());
        for (std::size_t step = 0; step < steps.count; ++step) {
            const Cell& cell = row.cells[step];
            if (!cell) continue;
            builder.set(name, cell.histogram ? cell.histogram->text() : plain_number(cell.value));
            const Labels labels = builder.labels();
            const std::size_t group = grouping.group_of(RowLabels(labels));
            if (group * steps.count == counts.size()) {
                if (auto room = evaluator.check(counts.size() + steps.count); !room) return room;
                counts.resize(counts.size() + steps.count);
            }
            ++counts[group * steps.count + step];
        }
        return evaluator.check(counts.size());
    };
    Result<void> taken = evaluator.rows(*node.expr, steps, take, {aggregate_op_text(node.op), &node});
    if (!taken) return taken.error();
    Grid result(steps.count);
    for (std::size_t group = 0; group < grouping.count(); ++group) {
        std::size_t row = result.add_row(grouping.labels(group));
        for (std::size_t step = 0; step < steps.count; ++step) {
            double count = counts[group * steps.count + step];
            if (count > 0) result.set(row, step, count);
        }
    }
    return result;
}

}  // namespace ringside::agent::promql
