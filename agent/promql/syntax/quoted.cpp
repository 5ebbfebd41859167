#include "agent/promql/syntax/quoted.h"

#include <cstdint>

namespace ringside::agent {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int digit_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 16;
}

// Reads exactly `count` digits of `base`; false when they are not there.
bool read_number(std::string_view text, std::size_t* at, int count, int base, std::uint32_t* out) {
    std::uint32_t number = 0;
    for (int i = 0; i < count; ++i) {
        if (*at >= text.size() || digit_value(text[*at]) >= base) return false;
        number = number * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit_value(text[*at]));
        ++*at;
    }
    *out = number;
    return true;
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

// Reads what follows a backslash, *at being on the character after it, and appends it to `out`.
Result<void> read_escape(std::string_view text, std::size_t* at, char quote, std::string& out) {
    if (*at >= text.size()) return error(Code::kInvalid, "the string has no end");
    char c = text[*at];
    if (char simple = c == quote ? quote : simple_escape(c)) {
        out += simple;
        ++*at;
        return {};
    }
    std::uint32_t number = 0;
    if (c >= '0' && c <= '7') {
        if (!read_number(text, at, 3, 8, &number) || number > 255) {
            return error(Code::kInvalid, "an octal escape is \\000 to \\377");
        }
        out += static_cast<char>(number);
        return {};
    }
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) return error(Code::kInvalid, std::string("\\") + c + " is not an escape");
    ++*at;
    if (!read_number(text, at, digits, 16, &number)) {
        return error(Code::kInvalid, std::string("\\") + c + " needs " + std::to_string(digits) + " hex digits");
    }
    if (c == 'x') {
        out += static_cast<char>(number);
        return {};
    }
    if (number > 0x10ffff || (number >= 0xd800 && number < 0xe000)) {
        return error(Code::kInvalid, "the escape is not a Unicode character");
    }
    append_utf8(out, number);
    return {};
}

}  // namespace

std::string quote(std::string_view value) {
    static const char digits[] = "0123456789abcdef";
    std::string text = "\"";
    for (char c : value) {
        auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            text += '\\';
            text += c;
        } else if (c == '\n') {
            text += "\\n";
        } else if (byte < 0x20 || byte == 0x7f) {
            text += "\\x";
            text += digits[byte >> 4];
            text += digits[byte & 15];
        } else {
            text += c;
        }
    }
    return text + '"';
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
        if (auto done = read_escape(text, at, quote, out); !done) return done.error();
    }
    *at = begin;
    return error(Code::kInvalid, "the string has no end");
}

}  // namespace ringside::agent
