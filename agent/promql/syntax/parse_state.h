// The parser's inside: one class over several files, a file each for expressions, calls, selectors with their
// modifiers, and durations. Others include parser.h.
//
// P1: a function that returns null (or false) has called fail() before; the first failure wins, and nobody goes on.
// P2: token_ is the next token, not yet taken.
// P3: depth_ counts the expressions under construction, Expr::height those below a finished one; neither exceeds
//     the limit, so neither this parser nor any walk over its tree can run out of stack.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/promql/syntax/ast.h"
#include "agent/promql/syntax/lexer.h"
#include "agent/promql/syntax/parser.h"

namespace ringside::agent::promql {

class ParseState {
  public:
    ParseState(std::string_view text, const ParseOptions& options);

    // A whole query. Null if it failed.
    ExprPtr query();
    // A vector selector without modifiers and nothing after it. An empty text selects everything.
    bool lone_selector(VectorSelector* selector);

    // What failed, "line:column: parse error: ...".
    Error error() const;

    // A finding of the checks that come after parsing; always false.
    bool fail(Span span, std::string message);
    // Where the operator stands between two operands, with its modifiers.
    Span operator_span(const Expr& left, const Expr& right) const;

  private:
    using DurationPtr = std::unique_ptr<DurationNode>;
    struct BinaryModifiers {
        bool return_bool = false;
        VectorMatching matching;
    };

    // parser.cpp
    ExprPtr binary_expr(int precedence_min);
    ExprPtr unary_expr();
    ExprPtr primary_expr();
    ExprPtr paren_expr();
    ExprPtr number_expr();
    ExprPtr string_expr();
    ExprPtr join(Token op, ExprPtr left, ExprPtr right, BinaryModifiers modifiers);
    bool binary_modifiers(BinaryModifiers* modifiers);
    bool fill_modifiers(VectorMatching* matching);
    bool fill_value(std::optional<double>* value);

    // parser_call.cpp
    ExprPtr word_expr();
    ExprPtr function_call(Token name);
    ExprPtr aggregation(Token op);
    bool arguments(std::vector<ExprPtr>* found, Span* closing);
    bool labels_of_modifier(std::vector<std::string>* labels, Span* closing);
    bool label_name(std::vector<std::string>* labels);

    // parser_selector.cpp
    ExprPtr vector_selector(std::optional<Token> name);
    bool label_matchers(VectorSelector* selector, Span* closing);
    bool label_matcher(VectorSelector* selector);
    bool add_matcher(VectorSelector* selector, Span span, std::string label, MatchOp op, std::string value);
    ExprPtr with_postfixes(ExprPtr expr);
    ExprPtr range_or_subquery(ExprPtr expr);
    ExprPtr matrix_selector(ExprPtr expr, Duration range, Span brackets);
    ExprPtr with_offset(ExprPtr expr);
    ExprPtr with_at(ExprPtr expr);
    ExprPtr with_extension(ExprPtr expr);
    bool at_modifier(const Expr& expr, AtModifier* at);

    // parser_duration.cpp
    bool range_duration(Duration* duration);
    bool offset_duration(Duration* duration);
    DurationPtr duration_expr(int precedence_min);
    DurationPtr duration_unary();
    DurationPtr duration_primary();
    DurationPtr duration_literal();
    DurationPtr duration_call();
    DurationPtr negate(Token op, DurationPtr operand);
    DurationPtr join(Token op, DurationPtr left, DurationPtr right);
    bool finish(DurationPtr parsed, bool may_be_negative, Duration* duration);

    // parse_state.cpp
    Token take();
    bool at(TokenKind kind) const { return token_.kind == kind; }
    bool accept(TokenKind kind, Span* span = nullptr);
    // Takes this token or fails with what stands there instead.
    bool expect(TokenKind kind, const char* context = "", const char* expected = "", Span* span = nullptr);
    bool unexpected(const char* context = "", const char* expected = "");
    bool number_value(double* value);
    bool string_value(std::string* value, Span* span = nullptr);
    // Wraps a node up; null if the tree gets too high.
    ExprPtr make(Expr::Node node, Span span);
    // Whether this many expressions may nest.
    bool may_nest(std::size_t count);

    struct Depth {
        explicit Depth(ParseState& state) : state_(state) { ++state_.depth_; }
        ~Depth() { --state_.depth_; }
        Depth(const Depth&) = delete;
        Depth& operator=(const Depth&) = delete;
        ParseState& state_;
    };

    std::string_view text_;
    ParseOptions options_;
    Lexer lexer_;
    Token token_;
    std::size_t depth_ = 0;
    std::size_t patterns_cost_ = 0;  // of all matchers so far
    // How many aggregations' arguments are being read: syntax errors within say so.
    int in_aggregations_ = 0;
    std::size_t duration_nodes_ = 0;  // of the duration being read: bounds the height of its tree
    std::uint32_t last_end_ = 0;      // where the token taken last ended
    // Where a bad duration stands, for messages; null outside of durations.
    const char* duration_context_ = nullptr;
    bool failed_ = false;
    Span failed_at_;
    std::string failure_;
};

}  // namespace ringside::agent::promql
