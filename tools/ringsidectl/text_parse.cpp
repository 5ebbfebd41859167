// The half of text.h that reads what people type.
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <optional>
#include <utility>

#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

using agent::Code;
using agent::error;

constexpr std::uint64_t kNsPerS = 1'000'000'000;
constexpr double kTooManyNs = 18446744073709551616.0;  // 2^64

struct Suffix {
    std::string_view name;
    double factor;
};

std::string_view stripped(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

// A decimal number at the front of `text`, which is shortened by it. No sign, no exponent, no
// "inf".
std::optional<double> take_number(std::string_view& text) {
    const std::size_t size = std::min(text.find_first_not_of("0123456789."), text.size());
    double value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + size, value, std::chars_format::fixed);
    if (fault != std::errc() || end != text.data() + size) return std::nullopt;
    text.remove_prefix(size);
    return value;
}

template <std::size_t N>
std::optional<double> take_suffix(std::string_view& text, const std::array<Suffix, N>& suffixes) {
    const std::size_t size = std::min(text.find_first_of("0123456789."), text.size());
    for (const Suffix& suffix : suffixes) {
        if (text.substr(0, size) != suffix.name) continue;
        text.remove_prefix(size);
        return suffix.factor;
    }
    return std::nullopt;
}

std::optional<double> duration_ns(std::string_view text) {
    static constexpr std::array<Suffix, 8> kUnits{
        {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {"w", 604800e9}}};
    double total = 0;
    bool bare = true;  // the whole text is one number
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        const auto number = take_number(text);
        if (!number) return std::nullopt;
        if (text.empty() && bare) return *number * 1e9;
        const auto factor = take_suffix(text, kUnits);
        if (!factor) return std::nullopt;
        total += *number * *factor;
        bare = false;
    }
    return total;
}

// Exactly `digits` decimal digits at the front.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
    if (text.size() < digits) return std::nullopt;
    int value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + digits, value);
    if (fault != std::errc() || end != text.data() + digits || text[0] == '-') return std::nullopt;
    text.remove_prefix(digits);
    return value;
}

bool take_char(std::string_view& text, char wanted) {
    if (text.empty() || text.front() != wanted) return false;
    text.remove_prefix(1);
    return true;
}

struct Clock {
    int seconds = 0;  // of the day
    std::uint64_t ns = 0;
};

// "20:40", "20:40:55", "20:40:55.5".
std::optional<Clock> take_clock(std::string_view& text) {
    const auto hour = take_digits(text, 2);
    if (!hour || *hour > 23 || !take_char(text, ':')) return std::nullopt;
    const auto minute = take_digits(text, 2);
    if (!minute || *minute > 59) return std::nullopt;
    Clock clock{*hour * 3600 + *minute * 60, 0};
    if (!take_char(text, ':')) return clock;
    const auto second = take_digits(text, 2);
    if (!second || *second > 59) return std::nullopt;
    clock.seconds += *second;
    if (!take_char(text, '.')) return clock;
    std::uint64_t unit = kNsPerS / 10;
    if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
    for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), unit /= 10) {
        clock.ns += static_cast<std::uint64_t>(text[0] - '0') * unit;
    }
    return clock;
}

// "", "Z", "+01:00", "-0530": seconds east of UTC. The whole rest of the text.
std::optional<int> offset_seconds(std::string_view text) {
    if (text.empty() || text == "Z" || text == "z" || text == " UTC") return 0;
    const bool west = text[0] == '-';
    if (!take_char(text, '+') && !take_char(text, '-')) return std::nullopt;
    const auto hours = take_digits(text, 2);
    take_char(text, ':');
    const auto minutes = take_digits(text, 2);
    if (!hours || !minutes || *hours > 14 || *minutes > 59 || !text.empty()) return std::nullopt;
    const int seconds = *hours * 3600 + *minutes * 60;
    return west ? -seconds : seconds;
}

std::optional<std::uint64_t> calendar_ns(std::string_view text) {
    const auto year = take_digits(text, 4);
    if (!year || *year < 1970 || *year > 2500 || !take_char(text, '-')) return std::nullopt;
    const auto month = take_digits(text, 2);
    if (!month || *month < 1 || *month > 12 || !take_char(text, '-')) return std::nullopt;
    const auto day = take_digits(text, 2);
    if (!day || *day < 1 || *day > 31) return std::nullopt;
    Clock clock;
    int east = 0;
    if (take_char(text, 'T') || take_char(text, 't') || take_char(text, ' ')) {
        const auto of_day = take_clock(text);
        const auto offset = of_day ? offset_seconds(text) : std::nullopt;
        if (!offset) return std::nullopt;
        clock = *of_day;
        east = *offset;
    } else if (!text.empty()) {
        return std::nullopt;
    }
    std::tm parts{};
    parts.tm_year = *year - 1900;
    parts.tm_mon = *month - 1;
    parts.tm_mday = *day;
    const std::time_t midnight = timegm(&parts);
    if (parts.tm_mday != *day) return std::nullopt;  // the 31st of a short month rolled over
    const std::int64_t seconds = midnight + clock.seconds - east;
    if (seconds < 0) return std::nullopt;
    return static_cast<std::uint64_t>(seconds) * kNsPerS + clock.ns;
}

// "@1763757655.5", to the nanosecond: a double would lose the last digits.
std::optional<std::uint64_t> unix_ns(std::string_view text) {
    std::uint64_t seconds = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (fault != std::errc() || seconds > UINT64_MAX / kNsPerS - 1) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    std::uint64_t ns = 0;
    if (take_char(text, '.')) {
        if (text.empty()) return std::nullopt;
        std::uint64_t unit = kNsPerS / 10;
        for (; !text.empty(); text.remove_prefix(1), unit /= 10) {
            if (text[0] < '0' || text[0] > '9') return std::nullopt;
            ns += static_cast<std::uint64_t>(text[0] - '0') * unit;
        }
    }
    if (!text.empty()) return std::nullopt;
    return seconds * kNsPerS + ns;
}

std::optional<std::uint64_t> time_ns(std::string_view text, std::uint64_t now_ns) {
    if (text == "now") return now_ns;
    if (take_char(text, '@')) return unix_ns(text);
    std::optional<double> back;
    if (!text.empty() && text.front() == '-') {
        back = duration_ns(text.substr(1));
    } else if (text.size() > 4 && text.substr(text.size() - 4) == " ago") {
        back = duration_ns(stripped(text.substr(0, text.size() - 4)));
    }
    if (back) {
        if (*back >= static_cast<double>(now_ns)) return std::nullopt;
        return now_ns - static_cast<std::uint64_t>(*back);
    }
    if (text.size() >= 5 && text[2] == ':') {
        const auto clock = take_clock(text);
        if (!clock || (!text.empty() && text != "Z")) return std::nullopt;
        const std::uint64_t day_ns = 86400 * kNsPerS;
        return now_ns / day_ns * day_ns + static_cast<std::uint64_t>(clock->seconds) * kNsPerS + clock->ns;
    }
    return calendar_ns(text);
}

}  // namespace

Result<std::uint64_t> parse_count(std::string_view text, std::uint64_t max) {
    std::uint64_t count = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (fault == std::errc() && end == text.data() + text.size() && count <= max) return count;
    return error(Code::kInvalid, "`" + std::string(text) + "` is not a whole number from 0 to " + std::to_string(max));
}

Result<std::uint64_t> parse_duration_ns(std::string_view text) {
    const auto ns = duration_ns(stripped(text));
    if (!ns) {
        return error(Code::kInvalid, "`" + printable(text) +
                                         "` is not a duration: write numbers with ns, us, ms, s, m, h, d or w, such as "
                                         "90s or 1h30m (a bare number is seconds)");
    }
    if (*ns >= kTooManyNs) return error(Code::kInvalid, "`" + printable(text) + "` is longer than 584 years");
    return static_cast<std::uint64_t>(std::nearbyint(*ns));
}

Result<std::uint64_t> parse_time_ns(std::string_view text, std::uint64_t now_ns) {
    if (const auto ns = time_ns(stripped(text), now_ns)) return *ns;
    return error(Code::kInvalid, "`" + printable(text) +
                                     "` is not a time: write now, -5m, '5m ago', 20:40, 2026-11-21T20:40:55Z or "
                                     "@1795293655 (seconds since 1970); times are UTC");
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
    static constexpr std::array<Suffix, 16> kUnits{{{"", 1},
                                                    {"B", 1},
                                                    {"k", 1024.0},
                                                    {"K", 1024.0},
                                                    {"KiB", 1024.0},
                                                    {"M", 1048576.0},
                                                    {"MiB", 1048576.0},
                                                    {"G", 1073741824.0},
                                                    {"GiB", 1073741824.0},
                                                    {"T", 1099511627776.0},
                                                    {"TiB", 1099511627776.0},
                                                    {"kB", 1e3},
                                                    {"KB", 1e3},
                                                    {"MB", 1e6},
                                                    {"GB", 1e9},
                                                    {"TB", 1e12}}};
    std::string_view rest = stripped(text);
    std::optional<double> bytes = take_number(rest);
    const auto factor = bytes ? take_suffix(rest, kUnits) : std::nullopt;
    if (!factor || !rest.empty() || *bytes * *factor >= kTooManyNs) {
        return error(Code::kInvalid,
                     "`" + printable(text) + "` is not a number of bytes: write 4096, 64KiB, 1.5MiB or 2GB");
    }
    return static_cast<std::uint64_t>(std::nearbyint(*bytes * *factor));
}

}  // namespace ringside::ctl
