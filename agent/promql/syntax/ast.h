// The tree of a query. A closed set of expressions: whoever visits one handles them all or fails to compile.
//
// The parser hands out a tree that is checked: argument types and counts fit, operators suit their operands,
// each selector has a matcher that refuses the empty string, modifiers stand once. What may still fail at
// evaluation are durations that hang on the query's step and range (see resolve_durations).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/promql/syntax/duration.h"
#include "agent/promql/syntax/functions.h"
#include "agent/promql/syntax/matcher.h"
#include "agent/promql/syntax/position.h"

namespace ringside::agent::promql {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct NumberLiteral {
    double value = 0;
    bool written_as_time = false;  // `5m`: the number of its seconds
};

struct StringLiteral {
    std::string value;
};

// `@ 1609746000`, `@ start()`, `@ end()`.
struct AtModifier {
    enum class Kind { kNone, kTime, kStart, kEnd };
    Kind kind = Kind::kNone;
    std::int64_t time_ms = 0;  // of kTime

    bool is_set() const { return kind != Kind::kNone; }
};

struct VectorSelector {
    std::string name;               // the metric's name if it stands before the braces; there is a matcher for it, too
    std::vector<Matcher> matchers;  // all of them, the name's last if it stands before the braces
    Duration offset;
    AtModifier at;
    bool anchored = false;  // at most one of the two
    bool smoothed = false;
    // The second argument of info(): a set of labels and no choice of series, so it may match anything.
    bool of_info = false;
};

// `selector[range]`. Offset, @, anchored and smoothed are the selector's.
struct MatrixSelector {
    VectorSelector selector;
    Span selector_span;
    Duration range;
};

// `expr[range:step]`. A step that is not set stands for the engine's default.
struct Subquery {
    ExprPtr expr;
    Duration range;
    Duration step;
    Duration offset;
    AtModifier at;
};

struct Unary {
    bool minus = false;
    ExprPtr expr;
};

enum class BinaryOp {
    kAdd,
    kSub,
    kMul,
    kDiv,
    kMod,
    kPow,
    kAtan2,
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kAnd,
    kOr,
    kUnless,
    kTrimUpper,  // histogram </ bound: drops what lies above it
    kTrimLower,  // histogram >/ bound: drops what lies below it
};
const char* binary_op_text(BinaryOp op);
bool is_comparison(BinaryOp op);  // the six of == != < <= > >=
bool is_set_operator(BinaryOp op);

enum class Cardinality { kOneToOne, kManyToOne, kOneToMany, kManyToMany };

// How series of two vectors find each other.
struct VectorMatching {
    Cardinality cardinality = Cardinality::kOneToOne;  // kManyToOne is group_left, kManyToMany the set operators
    bool on = false;                                   // match on `labels` only; otherwise on all but `labels`
    std::vector<std::string> labels;
    std::vector<std::string> include;             // labels that the one side lends to the result
    std::optional<double> fill_left, fill_right;  // the value of a series that a side lacks
};

struct Binary {
    BinaryOp op = BinaryOp::kAdd;
    ExprPtr left, right;
    bool return_bool = false;
    std::optional<VectorMatching> matching;  // set if both operands are instant vectors
};

enum class AggregateOp {
    kSum,
    kAvg,
    kCount,
    kMin,
    kMax,
    kGroup,
    kStddev,
    kStdvar,
    kTopk,
    kBottomk,
    kCountValues,
    kQuantile,
    kLimitk,      // experimental
    kLimitRatio,  // experimental
};
const char* aggregate_op_text(AggregateOp op);
bool has_parameter(AggregateOp op);

struct Aggregate {
    AggregateOp op = AggregateOp::kSum;
    ExprPtr expr;
    ExprPtr parameter;  // null unless has_parameter(op): a scalar, or a string for count_values
    bool without = false;
    std::vector<std::string> grouping;
};

struct Call {
    const Function* function = nullptr;  // never null in a parsed tree
    std::vector<ExprPtr> arguments;
};

struct Paren {
    ExprPtr expr;
};

struct Expr {
    using Node = std::variant<NumberLiteral, StringLiteral, VectorSelector, MatrixSelector, Subquery, Unary, Binary,
                              Aggregate, Call, Paren>;

    Node node;
    Span span;
    // The value is the same at each step of a range query: every selector below is fixed by `@`, and no function
    // looks at the clock. Literals are, too.
    bool step_invariant = false;
    std::uint32_t height = 1;  // of the tree from here down; the parser's limit bounds it

    ValueType type() const;

    template <typename T>
    const T* as() const {
        return std::get_if<T>(&node);
    }
    template <typename T>
    T* as() {
        return std::get_if<T>(&node);
    }
};

// The expression inside any number of parentheses.
const Expr& without_parens(const Expr& expr);

// The children in the order of the text, except that an aggregate's parameter comes after its vector.
std::vector<const Expr*> children(const Expr& expr);

// A copy of the whole tree, so that one query can be parsed once and evaluated under several contexts.
ExprPtr clone(const Expr& expr);

// Replaces `ms` of each duration with what it comes to under this step and range, so that the evaluator reads
// `ms` alone. kInvalid if one cannot be: zero or negative where it must not be, a division by zero, out of range.
Result<void> resolve_durations(Expr& expr, const DurationContext& context);

}  // namespace ringside::agent::promql
