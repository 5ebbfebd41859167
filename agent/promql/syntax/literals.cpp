#include "agent/promql/syntax/literals.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "agent/base/text.h"

namespace ringside::agent::promql {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t ms;
    bool only_if_even;  // printing leaves it to smaller units unless nothing would be left over
};

constexpr std::int64_t kSecond = 1000;
constexpr std::int64_t kDay = 24 * 3600 * kSecond;

// In the order in which they must come.
constexpr Unit kUnits[] = {
    {"y", 365 * kDay, true},    {"w", 7 * kDay, true}, {"d", kDay, false}, {"h", 3600 * kSecond, false},
    {"m", 60 * kSecond, false}, {"s", kSecond, false}, {"ms", 1, false},
};

// Prometheus counts nanoseconds in 64 bits.
constexpr std::int64_t kDurationMaxMs = std::numeric_limits<std::int64_t>::max() / 1'000'000;

bool iequals(std::string_view text, std::string_view lower) {
    return std::ranges::equal(text, lower, [](char a, char b) { return (a | 0x20) == b; });
}

// Whole numbers: hexadecimal after 0x, octal after 0. None if it is no such number or over 63 bits.
std::optional<double> parse_whole(std::string_view digits) {
    int base = 10;
    if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
        base = 16;
        digits.remove_prefix(2);
    } else if (digits.size() > 1 && digits[0] == '0') {
        base = 8;
        digits.remove_prefix(1);
    }
    std::int64_t value = 0;
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (fault != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return static_cast<double>(value);
}

Error number_error(std::string_view text, const char* why) {
    return error(Code::kInvalid,
                 "error parsing number: strconv.ParseFloat: parsing " + quote(text) + ": " + std::string(why));
}

Error duration_error(std::string_view text) {
    return error(Code::kInvalid, "not a valid duration string: " + quote(text));
}

// The unit at the front of `text`: its letters, all of them.
const Unit* read_unit(std::string_view* text) {
    std::size_t length = 0;
    while (length < text->size() && std::isalpha(static_cast<unsigned char>((*text)[length]))) ++length;
    const Unit* found = std::ranges::find(kUnits, text->substr(0, length), &Unit::name);
    text->remove_prefix(length);
    return found;
}

}  // namespace

Result<double> parse_number_literal(std::string_view text) {
    if (iequals(text, "inf")) return std::numeric_limits<double>::infinity();
    if (iequals(text, "nan")) return std::numeric_limits<double>::quiet_NaN();
    std::string digits;
    std::ranges::copy_if(text, std::back_inserter(digits), [](char c) { return c != '_'; });
    if (auto whole = parse_whole(digits)) return *whole;
    double value = 0;
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (end != digits.data() + digits.size()) return number_error(text, "invalid syntax");
    // Too large to hold, or too small: only the former is wrong.
    if (fault == std::errc::result_out_of_range) {
        value = std::strtod(digits.c_str(), nullptr);
        if (std::isinf(value)) return number_error(text, "value out of range");
    }
    return value;
}

Result<std::int64_t> parse_duration_literal(std::string_view text) {
    if (text == "0") return std::int64_t{0};
    if (text.empty()) return error(Code::kInvalid, "empty duration string");
    std::int64_t total = 0;
    const Unit* last = nullptr;
    for (std::string_view rest = text; !rest.empty();) {
        std::int64_t count = 0;
        const auto [end, fault] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
        if (fault == std::errc::result_out_of_range) return error(Code::kInvalid, "duration out of range");
        if (fault != std::errc() || count < 0) return duration_error(text);
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        const Unit* unit = read_unit(&rest);
        if (unit == std::end(kUnits) || (last && unit <= last)) return duration_error(text);
        last = unit;
        if (__builtin_mul_overflow(count, unit->ms, &count) || __builtin_add_overflow(total, count, &total) ||
            total > kDurationMaxMs) {
            return error(Code::kInvalid, "duration out of range");
        }
    }
    return total;
}

std::string format_number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    std::array<char, 512> text;  // 1.8e308 has 309 digits, 5e-324 has 326
    const auto [end, fault] = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    return fault == std::errc() ? std::string(text.data(), end) : std::string();
}

std::string format_duration(std::int64_t ms) {
    if (ms == 0) return "0s";
    std::string text;
    for (const Unit& unit : kUnits) {
        if (unit.only_if_even && ms % unit.ms != 0) continue;
        if (const std::int64_t count = ms / unit.ms; count > 0) {
            text += std::to_string(count);
            text += unit.name;
            ms -= count * unit.ms;
        }
    }
    return text;
}

}  // namespace ringside::agent::promql
