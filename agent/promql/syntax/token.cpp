#include "agent/promql/syntax/token.h"

#include <algorithm>

#include "agent/base/text.h"

namespace ringside::agent::promql {
namespace {

struct Word {
    std::string_view text;
    TokenKind kind;
};

constexpr Word kWords[] = {
    {"anchored", TokenKind::kAnchored},
    {"and", TokenKind::kAnd},
    {"atan2", TokenKind::kAtan2},
    {"avg", TokenKind::kAvg},
    {"bool", TokenKind::kBool},
    {"bottomk", TokenKind::kBottomk},
    {"by", TokenKind::kBy},
    {"count", TokenKind::kCount},
    {"count_values", TokenKind::kCountValues},
    {"end", TokenKind::kEndOfRange},
    {"fill", TokenKind::kFill},
    {"fill_left", TokenKind::kFillLeft},
    {"fill_right", TokenKind::kFillRight},
    {"group", TokenKind::kGroup},
    {"group_left", TokenKind::kGroupLeft},
    {"group_right", TokenKind::kGroupRight},
    {"ignoring", TokenKind::kIgnoring},
    {"inf", TokenKind::kNumber},
    {"limit_ratio", TokenKind::kLimitRatio},
    {"limitk", TokenKind::kLimitk},
    {"max", TokenKind::kMax},
    {"max_of", TokenKind::kMaxOf},
    {"min", TokenKind::kMin},
    {"min_of", TokenKind::kMinOf},
    {"nan", TokenKind::kNumber},
    {"offset", TokenKind::kOffset},
    {"on", TokenKind::kOn},
    {"or", TokenKind::kOr},
    {"quantile", TokenKind::kQuantile},
    {"range", TokenKind::kRange},
    {"smoothed", TokenKind::kSmoothed},
    {"start", TokenKind::kStart},
    {"stddev", TokenKind::kStddev},
    {"stdvar", TokenKind::kStdvar},
    {"step", TokenKind::kStep},
    {"sum", TokenKind::kSum},
    {"topk", TokenKind::kTopk},
    {"unless", TokenKind::kUnless},
    {"without", TokenKind::kWithout},
};
static_assert(std::ranges::is_sorted(kWords, {}, &Word::text));

bool between(TokenKind kind, TokenKind first, TokenKind last) { return kind >= first && kind <= last; }

// A kind whose name comes before the word itself in messages, for the kinds that have many words.
const char* family(TokenKind kind) {
    switch (kind) {
        case TokenKind::kIdentifier: return "identifier ";
        case TokenKind::kMetricIdentifier: return "metric identifier ";
        case TokenKind::kString: return "string ";
        case TokenKind::kNumber: return "number ";
        case TokenKind::kDuration: return "duration ";
        default: return "";
    }
}

// Long words are cut: the position says where to look.
std::string shortened(std::string_view text) {
    constexpr std::size_t kCharacters = 10;
    if (text.size() <= kCharacters) return quote(text);
    std::size_t end = 0;
    for (std::size_t i = 0; i < kCharacters && end < text.size(); ++i) {
        ++end;
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    }
    return quote(text.substr(0, end)) + "...";
}

}  // namespace

TokenKind classify_word(std::string_view word) {
    const std::string lower = lower_ascii(word);
    const Word* found = std::ranges::lower_bound(kWords, lower, {}, &Word::text);
    if (found != std::end(kWords) && found->text == lower) return found->kind;
    return word.find(':') == std::string_view::npos ? TokenKind::kIdentifier : TokenKind::kMetricIdentifier;
}

bool is_binary_operator(TokenKind kind) { return between(kind, TokenKind::kAdd, TokenKind::kTrimLower); }

bool is_aggregation(TokenKind kind) { return between(kind, TokenKind::kSum, TokenKind::kLimitRatio); }

bool may_name_metric(TokenKind kind) {
    switch (kind) {
        case TokenKind::kIdentifier:
        case TokenKind::kMetricIdentifier:
        case TokenKind::kAnd:
        case TokenKind::kOr:
        case TokenKind::kUnless:
        case TokenKind::kOffset:
        case TokenKind::kSmoothed:
        case TokenKind::kAnchored:
        case TokenKind::kBy:
        case TokenKind::kWithout:
        case TokenKind::kFill:
        case TokenKind::kFillLeft:
        case TokenKind::kFillRight: return true;
        default: return is_aggregation(kind) || between(kind, TokenKind::kStart, TokenKind::kMinOf);
    }
}

bool may_name_label(TokenKind kind) {
    switch (kind) {
        case TokenKind::kAtan2:
        case TokenKind::kBool:
        case TokenKind::kOn:
        case TokenKind::kIgnoring:
        case TokenKind::kGroupLeft:
        case TokenKind::kGroupRight: return true;
        default: return may_name_metric(kind);
    }
}

std::string describe(const Token& token) {
    const TokenKind kind = token.kind;
    if (kind == TokenKind::kEnd) return "end of input";
    if (between(kind, TokenKind::kOffset, TokenKind::kBool)) return "<" + std::string(token.text) + ">";
    if (between(kind, TokenKind::kAdd, TokenKind::kRegexNoMatch)) return "<op:" + std::string(token.text) + ">";
    if (is_aggregation(kind)) return "<aggr:" + std::string(token.text) + ">";
    if (kind == TokenKind::kIdentifier || kind == TokenKind::kMetricIdentifier) return family(kind) + quote(token.text);
    return family(kind) + shortened(token.text);
}

}  // namespace ringside::agent::promql
