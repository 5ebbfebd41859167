#include "agent/promql/syntax/quoted.h"

#include <cstdint>
#include <cstdio>

#include "agent/base/text.h"

namespace ringside::agent {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int digit_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 16;
}

void append_utf8(std::string& text, std::uint32_t point) {
    auto byte = [&](std::uint32_t b) { text += static_cast<char>(b); };
    if (point < 0x80) {
        byte(point);
    } else if (point < 0x800) {
        byte(0xc0 | (point >> 6));
        byte(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        byte(0xe0 | (point >> 12));
        byte(0x80 | ((point >> 6) & 0x3f));
        byte(0x80 | (point & 0x3f));
    } else {
        byte(0xf0 | (point >> 18));
        byte(0x80 | ((point >> 12) & 0x3f));
        byte(0x80 | ((point >> 6) & 0x3f));
        byte(0x80 | (point & 0x3f));
    }
}

char simple_escape(char c) {
    switch (c) {
        case 'a': return '\a';
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case 'v': return '\v';
        case '\\': return '\\';
        default: return 0;
    }
}

// What an escape looks like after its backslash: so many digits, of that base, up to that value.
struct EscapeForm {
    int digits = 0;
    std::uint32_t base = 16;
    std::uint32_t max = 0;
};

EscapeForm escape_form(char c) {
    switch (c) {
        case 'x': return {2, 16, 255};
        case 'u': return {4, 16, 0x10ffff};
        case 'U': return {8, 16, 0x10ffff};
        default: return c >= '0' && c <= '7' ? EscapeForm{3, 8, 255} : EscapeForm{};
    }
}

// The number of the well-formed character of `length` bytes at the front of `text`.
std::uint32_t code_point(std::string_view text, std::size_t length) {
    const auto first = static_cast<unsigned char>(text[0]);
    if (length == 1) return first;
    std::uint32_t point = first & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
    return point;
}

Error escape_error(EscapeFault fault) {
    switch (fault) {
        case EscapeFault::kUnknown: return error(Code::kInvalid, "a backslash begins an escape, and this is none");
        case EscapeFault::kDigit: return error(Code::kInvalid, "the escape needs more digits");
        case EscapeFault::kValue: return error(Code::kInvalid, "the escape is not a Unicode character");
        default: return error(Code::kInvalid, "the string has no end");
    }
}

}  // namespace

std::string quote_character(std::string_view text) {
    const std::size_t length = text.empty() ? 0 : utf8_character_bytes(text);
    if (length == 0) return "'\ufffd'";
    if (text[0] == '\'') return "'\\''";
    if (text[0] == '"') return "'\"'";
    std::string quoted = quote(text.substr(0, length));
    quoted.front() = quoted.back() = '\'';
    return quoted;
}

std::string character_code(std::string_view text) {
    const std::size_t length = text.empty() ? 0 : utf8_character_bytes(text);
    char number[16];
    std::snprintf(number, sizeof number, "U+%04X", length == 0 ? 0xfffdu : code_point(text, length));
    return number + (length == 0 ? std::string() : " " + quote_character(text));
}

EscapeFault read_escape(std::string_view text, std::size_t* at, char quote, std::string* out) {
    if (*at >= text.size()) return EscapeFault::kEnd;
    const char c = text[*at];
    if (const char simple = c == quote ? quote : simple_escape(c)) {
        *out += simple;
        ++*at;
        return EscapeFault::kNone;
    }
    const EscapeForm form = escape_form(c);
    if (form.digits == 0) return EscapeFault::kUnknown;
    if (form.base == 16) ++*at;
    std::uint32_t number = 0;
    for (int i = 0; i < form.digits; ++i, ++*at) {
        if (*at >= text.size()) return EscapeFault::kEnd;
        const auto digit = static_cast<std::uint32_t>(digit_value(text[*at]));
        if (digit >= form.base) return EscapeFault::kDigit;
        number = number * form.base + digit;
    }
    if (number > form.max || (number >= 0xd800 && number < 0xe000)) return EscapeFault::kValue;
    if (c == 'u' || c == 'U') {
        append_utf8(*out, number);
    } else {
        *out += static_cast<char>(number);
    }
    return EscapeFault::kNone;
}

Result<std::string> unquote(std::string_view text, std::size_t* at) {
    char quote = *at < text.size() ? text[*at] : '\0';
    if (quote != '"' && quote != '\'' && quote != '`') {
        return error(Code::kInvalid, "expected a string in quotes");
    }
    const std::size_t begin = (*at)++;
    std::string out;
    while (*at < text.size()) {
        char c = text[*at];
        if (c == quote) {
            ++*at;
            return out;
        }
        if (quote != '`' && c == '\n') return error(Code::kInvalid, "a line ends inside the string");
        ++*at;
        if (c != '\\' || quote == '`') {
            out += c;
            continue;
        }
        const EscapeFault fault = read_escape(text, at, quote, &out);
        if (fault != EscapeFault::kNone) return escape_error(fault);
    }
    *at = begin;
    return error(Code::kInvalid, "the string has no end");
}

}  // namespace ringside::agent
