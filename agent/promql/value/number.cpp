#include "agent/promql/value/number.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "agent/base/text.h"

namespace ringside::agent::promql {
namespace {

// value = 0.DIGITS * 10^point
struct Decimal {
    bool negative = false;
    std::string digits;
    int point = 0;
};

Decimal decimal_of(double value) {
    char buffer[64];
    char* end = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(value), std::chars_format::scientific).ptr;
    std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
    std::size_t e = text.find('e');
    Decimal decimal{std::signbit(value), std::string(text.substr(0, e)), 0};
    std::erase(decimal.digits, '.');
    std::string_view exponent = text.substr(e + 1);
    if (exponent.front() == '+') exponent.remove_prefix(1);
    std::from_chars(exponent.data(), exponent.data() + exponent.size(), decimal.point);
    ++decimal.point;
    return decimal;
}

const char* special_text(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    return nullptr;
}

std::string plain_text(const Decimal& decimal) {
    std::string text = decimal.negative ? "-" : "";
    auto count = static_cast<int>(decimal.digits.size());
    if (decimal.point <= 0) {
        text += "0";
        if (decimal.digits == "0") return text;
        text += '.' + std::string(static_cast<std::size_t>(-decimal.point), '0') + decimal.digits;
    } else if (decimal.point >= count) {
        text += decimal.digits + std::string(static_cast<std::size_t>(decimal.point - count), '0');
    } else {
        auto point = static_cast<std::size_t>(decimal.point);
        text += decimal.digits.substr(0, point) + '.' + decimal.digits.substr(point);
    }
    return text;
}

std::string exponent_text(const Decimal& decimal) {
    std::string text = decimal.negative ? "-" : "";
    text += decimal.digits[0];
    if (decimal.digits.size() > 1) text += '.' + decimal.digits.substr(1);
    int exponent = decimal.point - 1;
    text += exponent < 0 ? "e-" : "e+";
    exponent = std::abs(exponent);
    if (exponent < 10) text += '0';
    return text + std::to_string(exponent);
}

}  // namespace

std::string plain_number(double value) {
    if (const char* special = special_text(value)) return special;
    return plain_text(decimal_of(value));
}

std::string short_number(double value) {
    if (const char* special = special_text(value)) return special;
    Decimal decimal = decimal_of(value);
    int exponent = decimal.point - 1;
    bool plain = value == 0 || (exponent >= -4 && exponent < 21);
    return plain ? plain_text(decimal) : exponent_text(decimal);
}

std::string open_metrics_number(double value) {
    std::string text = short_number(value);
    if (std::isfinite(value) && text.find_first_of(".e") == text.npos) text += ".0";
    return text;
}

std::optional<double> parse_number(std::string_view text) {
    bool negative = false;
    if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
        negative = text.front() == '-';
        text.remove_prefix(1);
    }
    std::chars_format format = std::chars_format::general;
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        format = std::chars_format::hex;
        text.remove_prefix(2);
    } else if (std::string lower = lower_ascii(text); lower == "inf" || lower == "infinity") {
        return negative ? -INFINITY : INFINITY;
    } else if (lower == "nan") {
        return NAN;
    }
    // from_chars reads a sign of its own, and names with text behind them.
    if (text.empty() || !(text[0] == '.' || (text[0] >= '0' && text[0] <= '9') || format == std::chars_format::hex)) {
        return std::nullopt;
    }
    double value = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, format);
    if (end != text.data() + text.size() || failure == std::errc::invalid_argument) return std::nullopt;
    if (failure != std::errc{}) return std::nullopt;  // out of range, as Go's ParseFloat refuses it
    return negative ? -value : value;
}

}  // namespace ringside::agent::promql
