#include "agent/promql/syntax/lexer.h"

#include <algorithm>

#include "agent/base/text.h"
#include "agent/promql/syntax/quoted.h"

namespace ringside::agent::promql {
namespace {

constexpr std::string_view kDigits = "0123456789";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word_part(char c) { return is_letter(c) || is_digit(c); }

}  // namespace

Token Lexer::next() {
    if (failed_) return failure_;
    skip_space_and_comments();
    begin_ = at_;
    const Token token = in_braces_ ? next_in_braces() : in_brackets_ ? next_in_brackets() : next_outside();
    last_ = token.kind;
    return token;
}

Token Lexer::at_end() {
    if (in_braces_) return fail("unexpected end of input inside braces");
    if (in_brackets_ && last_ != TokenKind::kNumber && last_ != TokenKind::kDuration) {
        return fail("unexpected end of input in duration expression");
    }
    if (paren_depth_ != 0) return fail("unclosed left parenthesis");
    if (in_brackets_) return fail("unclosed left bracket");
    return make(TokenKind::kEnd);
}

Token Lexer::next_outside() {
    if (at_ >= text_.size()) return at_end();
    const char c = text_[at_];
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) return number_or_duration();
    if (is_letter(c) || c == ':') return word();
    if (c == '"' || c == '\'' || c == '`') return string(c);
    return punctuation(c);
}

Token Lexer::next_in_braces() {
    if (at_ >= text_.size()) return at_end();
    const char c = text_[at_];
    if (c == '"' || c == '\'' || c == '`') return string(c);
    if (is_letter(c)) {
        while (at_ < text_.size() && is_word_part(text_[at_])) ++at_;
        return make(TokenKind::kIdentifier);
    }
    ++at_;
    switch (c) {
        case ',': return make(TokenKind::kComma);
        case '=': return make(accept("~") ? TokenKind::kRegexMatch : TokenKind::kAssign);
        case '!':
            if (accept("~")) return make(TokenKind::kRegexNoMatch);
            if (accept("=")) return make(TokenKind::kNotEqual);
            return fail("unexpected character after '!' inside braces: " + character(at_));
        case '}': in_braces_ = false; return make(TokenKind::kRightBrace);
        case '{': return fail("unexpected left brace '{'");
        default: return fail("unexpected character inside braces: " + character(begin_));
    }
}

Token Lexer::next_in_brackets() {
    if (at_ >= text_.size()) return at_end();
    const char c = text_[at_];
    if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
        got_duration_ = true;
        return number_or_duration();
    }
    if (is_letter(c)) return word_in_brackets();
    if (c == ':') return colon();
    if (std::string_view("]()+-*/%^,").find(c) != std::string_view::npos) return punctuation(c);
    return fail("unexpected character in duration expression: " + character(at_));
}

Token Lexer::punctuation(char c) {
    ++at_;
    switch (c) {
        case ',': return make(TokenKind::kComma);
        case '*': return make(TokenKind::kMul);
        case '/': return make(TokenKind::kDiv);
        case '%': return make(TokenKind::kMod);
        case '+': return make(TokenKind::kAdd);
        case '-': return make(TokenKind::kSub);
        case '^': return make(TokenKind::kPow);
        case '@': return make(TokenKind::kAt);
        case '(': ++paren_depth_; return make(TokenKind::kLeftParen);
        case ')': return close_paren();
        case '{': in_braces_ = true; return make(TokenKind::kLeftBrace);
        case '[': return left_bracket();
        case ']':
            if (!in_brackets_) return fail("unexpected right bracket ']'");
            in_brackets_ = false;
            return make(TokenKind::kRightBracket);
        case '=':
        case '!':
        case '<':
        case '>': return comparison(c);
        default: return fail("unexpected character: " + character(begin_));
    }
}

Token Lexer::comparison(char c) {
    switch (c) {
        case '=':
            if (accept("=")) return make(TokenKind::kEqual);
            if (next_is("~")) return fail("unexpected character after '=': '~'");
            return make(TokenKind::kAssign);
        case '!':
            if (accept("=")) return make(TokenKind::kNotEqual);
            return fail("unexpected character after '!': " + character(at_));
        case '<':
            if (accept("/")) return make(TokenKind::kTrimUpper);
            return make(accept("=") ? TokenKind::kLessOrEqual : TokenKind::kLess);
        default:
            if (accept("/")) return make(TokenKind::kTrimLower);
            return make(accept("=") ? TokenKind::kGreaterOrEqual : TokenKind::kGreater);
    }
}

Token Lexer::colon() {
    ++at_;
    if (!got_duration_) return fail_at(at_, "unexpected colon before duration in duration expression");
    if (got_colon_) return fail_at(at_, "unexpected repeated colon in duration expression");
    got_colon_ = true;
    return make(TokenKind::kColon);
}

Token Lexer::left_bracket() {
    in_brackets_ = true;
    got_colon_ = false;
    got_duration_ = false;
    return make(TokenKind::kLeftBracket);
}

Token Lexer::close_paren() {
    if (--paren_depth_ < 0) return fail_at(at_, "unexpected right parenthesis ')'");
    return make(TokenKind::kRightParen);
}

Token Lexer::word() {
    while (at_ < text_.size() && (is_word_part(text_[at_]) || text_[at_] == ':')) ++at_;
    TokenKind kind = classify_word(text_.substr(begin_, at_ - begin_));
    // These came late to the language: only before a parenthesis do they mean anything, so that metrics may
    // keep such a name.
    const bool late = kind == TokenKind::kFill || kind == TokenKind::kFillLeft || kind == TokenKind::kFillRight;
    if (late && !left_paren_follows()) kind = TokenKind::kIdentifier;
    return make(kind);
}

Token Lexer::word_in_brackets() {
    while (at_ < text_.size() && is_letter(text_[at_])) ++at_;
    const TokenKind kind = classify_word(text_.substr(begin_, at_ - begin_));
    switch (kind) {
        case TokenKind::kStep:
        case TokenKind::kRange:
        case TokenKind::kMaxOf:
        case TokenKind::kMinOf: got_duration_ = true; return make(kind);
        default: break;
    }
    if (last_ == TokenKind::kNumber || last_ == TokenKind::kDuration) {
        return fail("unexpected character: " + character(begin_) + ", expected ':'");
    }
    return fail("unexpected character in duration expression: " + character(begin_));
}

Token Lexer::number_or_duration() {
    if (scan_number()) return make(TokenKind::kNumber);
    if (scan_rest_of_duration()) return make(TokenKind::kDuration);
    return fail("bad number or duration syntax: " + quote(text_.substr(begin_, at_ - begin_)));
}

// Takes what looks like a number and says whether it is one. Where it is not, the digits at its front may still
// begin a duration, so *at_ stays where the doubt arose.
bool Lexer::scan_number() {
    std::string_view digits = kDigits;
    if (accept("0") && accept("xX")) {
        accept("_");
        digits = "0123456789abcdefABCDEF";
    }
    const bool hex = digits != kDigits;
    accept(".");
    accept(digits);
    bool dot = false;
    bool exponent = false;
    while (next_is(digits) || next_is("._eE")) {
        if (next_is(".") && dot) return accept("."), false;
        if (!hex && next_is("eE") && exponent) return accept("eE"), false;
        if (accept(".")) {
            dot = true;
            if (accept("_.") || hex) return false;
        } else if (!hex && accept("eE")) {
            exponent = true;
            accept("+-");
            if (accept("._eE") || at_ >= text_.size()) return false;
        } else if (accept("_")) {
            if (accept("._eE") || at_ >= text_.size()) return false;
        } else {
            accept_run(digits);
        }
    }
    return at_ >= text_.size() || !is_word_part(text_[at_]);
}

// Units in any order and any number here; what makes no duration is refused when its value is read.
bool Lexer::scan_rest_of_duration() {
    if (!accept("smhdwy")) return false;
    accept("s");
    while (accept(kDigits)) {
        accept_run(kDigits);
        if (!accept("smhdw")) return false;
        accept("s");
    }
    if (at_ < text_.size() && is_word_part(text_[at_])) return ++at_, false;
    return true;
}

Token Lexer::string(char quote) {
    ++at_;
    while (at_ < text_.size()) {
        const char c = text_[at_];
        if (c == quote) {
            ++at_;
            return make(TokenKind::kString);
        }
        if (c == '\n' && quote != '`') break;
        const std::size_t length = utf8_character_bytes(text_.substr(at_));
        if (length == 0) return fail("invalid UTF-8 rune");
        at_ += length;
        if (c != '\\' || quote == '`') continue;
        if (std::string wrong = scan_escape(quote); !wrong.empty()) return fail(std::move(wrong));
    }
    return fail(quote == '`' ? "unterminated raw string" : "unterminated quoted string");
}

std::string Lexer::scan_escape(char quote) {
    std::size_t end = at_;
    std::string value;
    const EscapeFault fault = read_escape(text_, &end, quote, &value);
    const std::string where = character_code(text_.substr(std::min(end, text_.size())));
    at_ = end;
    switch (fault) {
        case EscapeFault::kNone: return "";
        case EscapeFault::kEnd: return "escape sequence not terminated";
        case EscapeFault::kUnknown: return "unknown escape sequence " + where;
        case EscapeFault::kDigit: return "illegal character " + where + " in escape sequence";
        case EscapeFault::kValue: return "escape sequence is an invalid Unicode code point";
    }
    return "";
}

void Lexer::skip_space_and_comments() {
    for (;;) {
        while (at_ < text_.size() && is_space(text_[at_])) ++at_;
        if (at_ >= text_.size() || text_[at_] != '#') return;
        while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
    }
}

bool Lexer::accept(std::string_view set) {
    if (!next_is(set)) return false;
    ++at_;
    return true;
}

void Lexer::accept_run(std::string_view set) {
    while (next_is(set)) ++at_;
}

bool Lexer::left_paren_follows() const {
    std::size_t at = at_;
    while (at < text_.size() && is_space(text_[at])) ++at;
    return at < text_.size() && text_[at] == '(';
}

Token Lexer::make(TokenKind kind) {
    return {kind,
            {static_cast<std::uint32_t>(begin_), static_cast<std::uint32_t>(at_)},
            text_.substr(begin_, at_ - begin_)};
}

Token Lexer::fail(std::string message) { return fail_at(begin_, std::move(message)); }

Token Lexer::fail_at(std::size_t begin, std::string message) {
    failed_ = true;
    message_ = std::move(message);
    failure_ = {
        TokenKind::kError, {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(text_.size())}, message_};
    return failure_;
}

std::string Lexer::character(std::size_t at) const { return quote_character(text_.substr(std::min(at, text_.size()))); }

}  // namespace ringside::agent::promql
