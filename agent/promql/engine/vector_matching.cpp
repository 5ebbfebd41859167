#include "agent/promql/engine/vector_matching.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "agent/promql/engine/cell_operator.h"

namespace ringside::agent::promql {
namespace {

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

// The labels that series are matched by.
Labels matched_labels(const Labels& labels, const VectorMatching& matching) {
    LabelsBuilder builder(labels);
    if (matching.on) {
        builder.keep(matching.labels);
    } else {
        builder.erase(matching.labels);
        builder.erase(kNameLabel);
    }
    return builder.labels();
}

// Gives all series of both sides that match each other one number.
class MatchGroups {
  public:
    explicit MatchGroups(const VectorMatching& matching) : matching_(matching) {}

    std::vector<std::size_t> number(const Grid& grid) {
        std::vector<std::size_t> groups(grid.rows());
        for (std::size_t row = 0; row < grid.rows(); ++row) {
            Labels labels = matched_labels(grid.labels(row), matching_);
            groups[row] = numbers_.emplace(std::move(labels), numbers_.size()).first->second;
        }
        return groups;
    }
    std::size_t count() const { return numbers_.size(); }

  private:
    const VectorMatching& matching_;
    std::unordered_map<Labels, std::size_t, LabelsHash> numbers_;
};

void copy_row(Grid& to, const Grid& from, std::size_t row) {
    std::size_t at = to.add_row(from.labels(row), from.drop_name(row));
    for (std::size_t step = 0; step < from.steps(); ++step) to.set(at, step, from.cell(row, step));
}

Error many_to_many(const Labels& group, bool left_side, const Labels& one, const Labels& other) {
    return error(Code::kInvalid, "found duplicate series for the match group " + group.text() + " on the " +
                                     (left_side ? "left" : "right") + " hand-side of the operation: [" + one.text() +
                                     ", " + other.text() +
                                     "];many-to-many matching not allowed: matching labels must be unique on one side");
}

// `many` and `one` are the sides of a group_left; with group_right they are swapped, with one to one it is left and
// right.
class VectorMatch {
  public:
    VectorMatch(Evaluator& evaluator, const Expr& expr, const Binary& binary, const Grid& left, const Grid& right,
                const Steps& steps)
        : evaluator_(evaluator),
          expr_(expr),
          op_(binary.op),
          return_bool_(binary.return_bool),
          matching_(*binary.matching),
          swapped_(matching_.cardinality == Cardinality::kOneToMany),
          many_(swapped_ ? right : left),
          one_(swapped_ ? left : right),
          // Fills do not swap with the sides: this is how Prometheus has it, and its tests.
          fill_one_(matching_.fill_right),
          fill_many_(matching_.fill_left),
          steps_(steps),
          result_(steps.count) {}

    Result<Grid> run() {
        MatchGroups groups(matching_);
        many_groups_ = groups.number(many_);
        one_groups_ = groups.number(one_);
        one_of_group_.resize(groups.count());
        matched_.resize(groups.count());
        for (std::size_t step = 0; step < steps_.count; ++step) {
            if (Result<void> done = match(step); !done) return done.error();
            if (Result<void> room = evaluator_.check(result_.rows() * steps_.count); !room) return room.error();
        }
        return std::move(result_);
    }

  private:
    Result<void> match(std::size_t step) {
        std::fill(one_of_group_.begin(), one_of_group_.end(), kNone);
        std::fill(matched_.begin(), matched_.end(), false);
        written_.clear();
        last_note_.reset();
        bool many_empty = true, one_empty = true;
        for (std::size_t row = 0; row < many_.rows(); ++row) many_empty &= many_.kind(row, step) == CellKind::kNone;
        for (std::size_t row = 0; row < one_.rows(); ++row) one_empty &= one_.kind(row, step) == CellKind::kNone;
        // Nothing is going to match, so nothing can be wrong either.
        if ((many_empty && one_empty) || ((many_empty || one_empty) && !fill_one_ && !fill_many_)) return {};
        for (std::size_t row = 0; row < one_.rows(); ++row) {
            if (one_.kind(row, step) == CellKind::kNone) continue;
            std::size_t& known = one_of_group_[one_groups_[row]];
            if (known != kNone) {
                return many_to_many(matched_labels(one_.labels(row), matching_), swapped_, one_.labels(row),
                                    one_.labels(known));
            }
            known = row;
        }
        for (std::size_t row = 0; row < many_.rows(); ++row) {
            if (many_.kind(row, step) == CellKind::kNone) continue;
            std::size_t one = one_of_group_[many_groups_[row]];
            if (one == kNone && !fill_one_) continue;
            if (Result<void> done = combine(step, row, one, many_groups_[row]); !done) return done;
        }
        if (fill_many_) {
            for (std::size_t row = 0; row < one_.rows(); ++row) {
                if (one_.kind(row, step) == CellKind::kNone || matched_[one_groups_[row]]) continue;
                if (Result<void> done = combine(step, kNone, row, one_groups_[row]); !done) return done;
            }
        }
        if (last_note_) {
            auto tell = last_note_->level == NoteLevel::kInfo ? &Notes::inform : &Notes::warn;
            (evaluator_.notes.*tell)(expr_.span.begin, last_note_->text);
        }
        return {};
    }

    // One value of each side; kNone stands for a fill.
    Result<void> combine(std::size_t step, std::size_t many, std::size_t one, std::size_t group) {
        Cell many_cell = many == kNone ? Cell::of(*fill_many_) : many_.cell(many, step);
        Cell one_cell = one == kNone ? Cell::of(*fill_one_) : one_.cell(one, step);
        CellOutcome outcome = swapped_ ? apply(op_, one_cell, many_cell) : apply(op_, many_cell, one_cell);
        if (outcome.note) last_note_ = std::move(outcome.note);
        if (!outcome.cell) return {};
        std::size_t row = result_row(many, one);
        bool is_first = !matched_[group];
        matched_[group] = true;
        if (matching_.cardinality == Cardinality::kOneToOne) {
            if (!is_first) {
                return error(Code::kInvalid,
                             "multiple matches for labels: many-to-one matching must be explicit "
                             "(group_left/group_right)");
            }
        } else if (!written_.insert(row).second) {
            return error(Code::kInvalid, "multiple matches for labels: grouping labels must ensure unique matches");
        }
        if (return_bool_) {
            outcome.cell = Cell::of(outcome.holds ? 1 : 0);
        } else if (!outcome.holds) {
            return {};
        }
        if (result_.kind(row, step) != CellKind::kNone) return same_labelset_error();
        result_.set(row, step, std::move(outcome.cell));
        return {};
    }

    std::size_t result_row(std::size_t many, std::size_t one) {
        auto [at, is_new] = row_of_pair_.try_emplace({many, one}, 0);
        if (!is_new) return at->second;
        Labels labels = result_labels(many, one);
        auto [known, is_new_row] = row_of_labels_.try_emplace(labels, result_.rows());
        if (is_new_row) result_.add_row(labels, return_bool_);
        return at->second = known->second;
    }

    Labels result_labels(std::size_t many, std::size_t one) const {
        // A side that is filled in has the labels that the other one was to match by.
        Labels many_labels = many == kNone ? matched_labels(one_.labels(one), matching_) : many_.labels(many);
        LabelsBuilder builder(many_labels);
        if (changes_meaning(op_)) {
            for (std::string_view name : {std::string_view(kNameLabel), kTypeLabel, kUnitLabel}) builder.erase(name);
        }
        if (matching_.cardinality == Cardinality::kOneToOne) {
            matching_.on ? builder.keep(matching_.labels) : builder.erase(matching_.labels);
        }
        Labels one_labels = one == kNone ? matched_labels(many_labels, matching_) : one_.labels(one);
        for (const std::string& name : matching_.include) builder.set(name, one_labels.get(name));
        Labels labels = builder.labels();
        return return_bool_ ? evaluator_.renamed(labels) : labels;
    }

    struct PairHash {
        std::size_t operator()(const std::pair<std::size_t, std::size_t>& pair) const {
            return pair.first * 0x9e3779b97f4a7c15 + pair.second;
        }
    };

    Evaluator& evaluator_;
    const Expr& expr_;
    BinaryOp op_;
    bool return_bool_;
    const VectorMatching& matching_;
    bool swapped_;
    const Grid& many_;
    const Grid& one_;
    std::optional<double> fill_one_, fill_many_;
    const Steps& steps_;

    std::vector<std::size_t> many_groups_, one_groups_;  // by row
    // Of the step.
    std::vector<std::size_t> one_of_group_;
    std::vector<bool> matched_;
    std::unordered_set<std::size_t> written_;
    std::optional<PendingNote> last_note_;

    std::unordered_map<std::pair<std::size_t, std::size_t>, std::size_t, PairHash> row_of_pair_;
    std::unordered_map<Labels, std::size_t, LabelsHash> row_of_labels_;
    Grid result_;
};

}  // namespace

Result<Grid> combine_sets(const Evaluator& evaluator, BinaryOp op, const VectorMatching& matching, const Grid& left,
                          const Grid& right) {
    MatchGroups groups(matching);
    std::vector<std::size_t> left_groups = groups.number(left), right_groups = groups.number(right);
    Grid result(left.steps());
    for (std::size_t row = 0; row < left.rows(); ++row) copy_row(result, left, row);
    if (op == BinaryOp::kOr) {
        for (std::size_t row = 0; row < right.rows(); ++row) copy_row(result, right, row);
    }
    // Of `or` the right side goes where the left one has the group; of the others the left side goes or stays by the
    // right one.
    bool by_left = op == BinaryOp::kOr;
    const Grid& deciding = by_left ? left : right;
    const std::vector<std::size_t>& deciding_groups = by_left ? left_groups : right_groups;
    const std::vector<std::size_t>& judged_groups = by_left ? right_groups : left_groups;
    std::size_t offset = by_left ? left.rows() : 0;
    std::vector<bool> present(groups.count());
    for (std::size_t step = 0; step < left.steps(); ++step) {
        std::fill(present.begin(), present.end(), false);
        for (std::size_t row = 0; row < deciding.rows(); ++row) {
            if (deciding.kind(row, step) != CellKind::kNone) present[deciding_groups[row]] = true;
        }
        for (std::size_t row = 0; row < judged_groups.size(); ++row) {
            if (present[judged_groups[row]] != (op == BinaryOp::kAnd)) result.clear(offset + row, step);
        }
    }
    result.drop_empty_rows();
    // One series may come from the left at one step and from the right at another.
    if (Result<void> merged = evaluator.merge_same_labels(result); !merged) return merged.error();
    return result;
}

Result<Grid> match_vectors(Evaluator& evaluator, const Expr& expr, const Binary& binary, const Grid& left,
                           const Grid& right, const Steps& steps) {
    Result<Grid> result = VectorMatch(evaluator, expr, binary, left, right, steps).run();
    if (result) result->drop_empty_rows();
    return result;
}

}  // namespace ringside::agent::promql
