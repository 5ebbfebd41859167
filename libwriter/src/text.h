// Error texts and checks of strings, without the C++ library and without printf.
#pragma once

#include <ringside/schema.h>

namespace ringside::writer {

// Writes into the text of an error, cut at its end. A null error swallows everything.
class ErrorText {
  public:
    ErrorText(rside_error* error, int code) : error_(error) {
        if (!error_) return;
        error_->code = code;
        error_->text[0] = '\0';
    }

    ErrorText& operator<<(const char* text) {
        if (!error_) return *this;
        if (!text) text = "(null)";
        while (*text && used_ + 1 < sizeof error_->text) error_->text[used_++] = *text++;
        error_->text[used_] = '\0';
        return *this;
    }

    ErrorText& operator<<(uint64_t number) {
        char digits[21];
        char* at = digits + sizeof digits;
        *--at = '\0';
        do {
            *--at = static_cast<char>('0' + number % 10);
            number /= 10;
        } while (number);
        return *this << at;
    }

  private:
    rside_error* error_;
    size_t used_ = 0;
};

inline size_t length(const char* text) { return text ? __builtin_strlen(text) : 0; }
inline bool same(const char* a, const char* b) { return __builtin_strcmp(a, b) == 0; }

// [a-zA-Z_][a-zA-Z0-9_]* of 1 .. max bytes.
inline bool is_identifier(const char* text, size_t max) {
    size_t size = length(text);
    if (size == 0 || size > max || (text[0] >= '0' && text[0] <= '9')) return false;
    for (size_t i = 0; i < size; ++i) {
        char c = text[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!good) return false;
    }
    return true;
}

// Well-formed UTF-8 by the Unicode standard, table 3-7: no overlong forms, no surrogates.
inline bool is_utf8(const char* text, size_t size) {
    const unsigned char* at = reinterpret_cast<const unsigned char*>(text);
    const unsigned char* end = at + size;
    while (at < end) {
        unsigned char lead = *at++;
        if (lead < 0x80) continue;
        int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
        if (lead < 0xC2 || lead > 0xF4 || end - at < more) return false;
        unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
        unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
        for (; more > 0; --more, ++at, low = 0x80, high = 0xBF) {
            if (*at < low || *at > high) return false;
        }
    }
    return true;
}

}  // namespace ringside::writer
