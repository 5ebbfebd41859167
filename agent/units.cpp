#include "agent/units.h"

#include <array>
#include <charconv>
#include <cmath>

#include "agent/base/bytes.h"

namespace ringside::agent {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t size;
};

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1000 * kMillisecond;

// Largest first. "ms" stands before "m" in no way: the name is all letters up to the next digit.
constexpr std::array<Unit, 6> kDurations = {{{"w", 7 * 86400 * kSecond},
                                             {"d", 86400 * kSecond},
                                             {"h", 3600 * kSecond},
                                             {"m", 60 * kSecond},
                                             {"s", kSecond},
                                             {"ms", kMillisecond}}};

constexpr std::array<Unit, 9> kSizes = {{{"TiB", 1ull << 40},
                                         {"GiB", 1ull << 30},
                                         {"MiB", 1ull << 20},
                                         {"KiB", 1ull << 10},
                                         {"TB", 1'000'000'000'000},
                                         {"GB", 1'000'000'000},
                                         {"MB", 1'000'000},
                                         {"kB", 1'000},
                                         {"B", 1}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The digits at the front of *text, cut off; false when there is none or the number is too large.
bool cut_number(std::string_view* text, std::uint64_t* number) {
    auto [at, failed] = std::from_chars(text->data(), text->data() + text->size(), *number);
    if (failed != std::errc()) return false;
    text->remove_prefix(static_cast<std::size_t>(at - text->data()));
    return true;
}

// Everything up to the next digit.
std::string_view cut_name(std::string_view* text) {
    std::size_t length = 0;
    while (length < text->size() && !is_digit((*text)[length])) ++length;
    std::string_view name = text->substr(0, length);
    text->remove_prefix(length);
    return name;
}

Error wrong(std::string_view text, const char* form) {
    return error(Code::kInvalid, "\"" + std::string(text) + "\" is not " + form);
}

constexpr const char* kDurationForm = "a duration, such as 10s, 1h30m or 15d (units: ms, s, m, h, d, w)";
constexpr const char* kSizeForm = "a size, such as 4096, 64MiB or 1.5GiB (units: KiB, MiB, GiB, TiB, kB, MB, GB, TB)";

}  // namespace

Result<std::uint64_t> parse_duration(std::string_view text) {
    if (text == "0") return std::uint64_t{0};
    std::string_view rest = text;
    std::uint64_t total = 0;
    std::size_t next_unit = 0;
    do {
        std::uint64_t number = 0;
        if (!cut_number(&rest, &number)) return wrong(text, kDurationForm);
        const std::string_view name = cut_name(&rest);
        while (next_unit < kDurations.size() && kDurations[next_unit].name != name) ++next_unit;
        if (next_unit == kDurations.size()) return wrong(text, kDurationForm);
        auto part = checked_multiply(number, kDurations[next_unit++].size);
        auto sum = part ? checked_add(total, *part) : std::nullopt;
        if (!sum) return wrong(text, "a duration that fits: the longest is 500 years");
        total = *sum;
    } while (!rest.empty());
    return total;
}

std::string duration_text(std::uint64_t ns) {
    std::string text;
    for (const Unit& unit : kDurations) {
        if (ns < unit.size) continue;
        text += std::to_string(ns / unit.size) + std::string(unit.name);
        ns %= unit.size;
    }
    return text.empty() ? "0" : text;
}

Result<std::uint64_t> parse_size(std::string_view text) {
    std::string_view rest = text;
    std::uint64_t number = 0;
    if (!cut_number(&rest, &number)) return wrong(text, kSizeForm);
    // Decimals are read apart, so that whole numbers stay exact up to 2^64 - 1.
    double fraction = 0;
    if (rest.starts_with('.')) {
        rest.remove_prefix(1);
        const std::size_t before = rest.size();
        std::uint64_t decimals = 0;
        if (!cut_number(&rest, &decimals)) return wrong(text, kSizeForm);
        fraction = static_cast<double>(decimals) / std::pow(10.0, static_cast<double>(before - rest.size()));
    }
    if (rest.empty() && fraction == 0) return number;
    for (const Unit& unit : kSizes) {
        if (unit.name != rest) continue;
        auto whole = checked_multiply(number, unit.size);
        auto part = static_cast<std::uint64_t>(fraction * static_cast<double>(unit.size));
        auto sum = whole ? checked_add(*whole, part) : std::nullopt;
        if (!sum) return wrong(text, "a size that fits: the largest is below 16777216TiB");
        return *sum;
    }
    return wrong(text, kSizeForm);
}

std::string size_text(std::uint64_t bytes) {
    for (const Unit& unit : kSizes) {
        if (unit.name.size() != 3 || bytes == 0 || bytes % unit.size != 0) continue;
        return std::to_string(bytes / unit.size) + std::string(unit.name);
    }
    return std::to_string(bytes);
}

Result<std::uint64_t> parse_number(std::string_view text) {
    std::string_view rest = text;
    std::uint64_t number = 0;
    if (!cut_number(&rest, &number) || !rest.empty()) return wrong(text, "a whole number");
    return number;
}

}  // namespace ringside::agent
