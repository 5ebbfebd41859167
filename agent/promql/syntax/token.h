// The words of the language.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/promql/syntax/position.h"

namespace ringside::agent::promql {

enum class TokenKind : std::uint8_t {
    kEnd,
    kError,             // Token::text says what is wrong
    kIdentifier,        // no colon in it
    kMetricIdentifier,  // with a colon
    kNumber,
    kDuration,
    kString,  // Token::text has its quotes and escapes still
    kComma,
    kColon,
    kLeftParen,
    kRightParen,
    kLeftBrace,
    kRightBrace,
    kLeftBracket,
    kRightBracket,
    kAssign,  // =
    // Binary operators, in the order of BinaryOp.
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
    kTrimUpper,
    kTrimLower,
    // Other operators.
    kAt,
    kRegexMatch,    // =~
    kRegexNoMatch,  // !~
    // Aggregations, in the order of AggregateOp.
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
    kLimitk,
    kLimitRatio,
    // Words that modify.
    kOffset,
    kSmoothed,
    kAnchored,
    kBy,
    kWithout,
    kOn,
    kIgnoring,
    kGroupLeft,
    kGroupRight,
    kFill,
    kFillLeft,
    kFillRight,
    kBool,
    // Words that stand for a property of the query.
    kStart,
    kEndOfRange,  // end
    kStep,
    kRange,
    kMaxOf,
    kMinOf,
};

struct Token {
    TokenKind kind = TokenKind::kEnd;
    Span span;
    std::string_view text;  // of the query, as written
};

// What the word means outside of braces, in any case; kIdentifier or kMetricIdentifier for all others.
TokenKind classify_word(std::string_view word);

bool is_binary_operator(TokenKind kind);
bool is_aggregation(TokenKind kind);
// Words of the language that may all the same name a metric, or a label of a grouping.
bool may_name_metric(TokenKind kind);
bool may_name_label(TokenKind kind);

// The token as error messages name it: `identifier "foo"`, `<op:+>`, `end of input`.
std::string describe(const Token& token);

}  // namespace ringside::agent::promql
