// Taking kernel text apart: lines, words, numbers. Nothing is copied; views end with the text they came from.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace ringside::bridge {

// Cuts the first line off `text`, without its line feed. False at the end. The last line may lack the line feed.
inline bool next_line(std::string_view& text, std::string_view& line) {
    if (text.empty()) return false;
    const auto end = text.find('\n');
    line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return true;
}

// Cuts the first word off `line`; words are apart by blanks and tabs. False, and an empty word, when there is none.
inline bool next_word(std::string_view& line, std::string_view& word) {
    constexpr std::string_view kBlanks = " \t";
    const auto begin = line.find_first_not_of(kBlanks);
    line.remove_prefix(begin == std::string_view::npos ? line.size() : begin);
    const auto length = line.find_first_of(kBlanks);
    word = line.substr(0, length);
    line.remove_prefix(word.size());
    return !word.empty();
}

// The whole of `word` as a number, decimal and finite. False leaves `out` alone.
inline bool parse_number(std::string_view word, std::uint64_t& out) {
    std::uint64_t value = 0;
    const char* end = word.data() + word.size();
    const auto [stop, error] = std::from_chars(word.data(), end, value);
    if (error != std::errc() || stop != end) return false;
    out = value;
    return true;
}

inline bool parse_number(std::string_view word, std::int64_t& out) {
    std::int64_t value = 0;
    const char* end = word.data() + word.size();
    const auto [stop, error] = std::from_chars(word.data(), end, value);
    if (error != std::errc() || stop != end) return false;
    out = value;
    return true;
}

inline bool parse_number(std::string_view word, double& out) {
    double value = 0.0;
    const char* end = word.data() + word.size();
    const auto [stop, error] = std::from_chars(word.data(), end, value, std::chars_format::fixed);
    if (error != std::errc() || stop != end || value - value != 0.0) return false;
    out = value;
    return true;
}

// The next word of `line` as a number.
template <typename Number>
bool next_number(std::string_view& line, Number& out) {
    std::string_view word;
    return next_word(line, word) && parse_number(word, out);
}

}  // namespace ringside::bridge
