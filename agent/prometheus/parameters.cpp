#include "agent/prometheus/parameters.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "agent/promql/syntax/literals.h"
#include "agent/promql/value/number.h"

namespace ringside::agent {
namespace {

constexpr double kSecondsMax = 9.0e9;  // the year 2255

std::optional<double> seconds(const std::string& text) {
    const auto value = promql::parse_number(text);
    if (!value || !std::isfinite(*value)) return std::nullopt;
    return value;
}

// Days from 1970-01-01 of the proleptic Gregorian calendar, after Howard Hinnant's days_from_civil.
std::int64_t days_of(int year, unsigned month, unsigned day) {
    year -= month <= 2;
    const int era = (year >= 0 ? year : year - 399) / 400;
    const unsigned year_of_era = static_cast<unsigned>(year - era * 400);
    const unsigned day_of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return std::int64_t{era} * 146097 + day_of_era - 719468;
}

// 2026-01-02T03:04:05[.678][Z|+01:00]
std::optional<std::int64_t> rfc3339_ms(const std::string& text) {
    int year = 0, used = 0;
    unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
    if (std::sscanf(text.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u%n", &year, &month, &day, &hour, &minute, &second, &used) !=
            6 ||
        used != 19) {
        return std::nullopt;
    }
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return std::nullopt;
    std::size_t at = 19;
    double fraction = 0;
    if (at < text.size() && text[at] == '.') {
        const std::size_t end = text.find_first_not_of("0123456789", at + 1);
        if (end == std::string::npos || end == at + 1) return std::nullopt;
        fraction = std::strtod(("0" + text.substr(at, end - at)).c_str(), nullptr);
        at = end;
    }
    int zone_minutes = 0;
    if (text.substr(at) != "Z") {
        unsigned zone_hour = 0, zone_minute = 0;
        char sign = 0;
        if (std::sscanf(text.c_str() + at, "%c%2u:%2u%n", &sign, &zone_hour, &zone_minute, &used) != 3 || used != 6 ||
            at + 6 != text.size() || (sign != '+' && sign != '-') || zone_hour > 23 || zone_minute > 59) {
            return std::nullopt;
        }
        zone_minutes = static_cast<int>(zone_hour * 60 + zone_minute) * (sign == '-' ? -1 : 1);
    }
    const std::int64_t whole = ((days_of(year, month, day) * 24 + hour) * 60 + minute - zone_minutes) * 60 + second;
    return whole * 1000 + std::llround(fraction * 1000);
}

// Of `U__a_2e_b`: the character of the escape that begins at `at`, and how long the escape is.
struct Escape {
    std::uint32_t character = 0;
    std::size_t length = 0;  // 0: this is none
};
Escape escape_at(const std::string& name, std::size_t at) {
    const std::size_t end = name.find('_', at + 1);
    if (end == std::string::npos || end - at > 7) return {};
    Escape found;
    const auto [stop, failure] = std::from_chars(name.data() + at + 1, name.data() + end, found.character, 16);
    if (failure != std::errc() || stop != name.data() + end || found.character > 0x10ffff) return {};
    found.length = end - at + 1;
    return found;
}

void append_utf8(std::string& text, std::uint32_t character) {
    const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (character < 0x80) return put(character);
    if (character < 0x800) {
        put(0xc0 | character >> 6);
    } else {
        if (character < 0x10000) {
            put(0xe0 | character >> 12);
        } else {
            put(0xf0 | character >> 18);
            put(0x80 | (character >> 12 & 0x3f));
        }
        put(0x80 | (character >> 6 & 0x3f));
    }
    put(0x80 | (character & 0x3f));
}

}  // namespace

Error invalid_parameter(const std::string& name, const std::string& why) {
    return error(Code::kInvalid, "invalid parameter \"" + name + "\": " + why);
}

Result<std::int64_t> parse_time_ms(const std::string& text) {
    if (const auto number = seconds(text); number && std::abs(*number) <= kSecondsMax) {
        return static_cast<std::int64_t>(std::llround(*number * 1000));
    }
    if (const auto time = rfc3339_ms(text); time && std::abs(*time) <= kAllTimeMs) return *time;
    return error(Code::kInvalid, "cannot parse \"" + text + "\" to a valid timestamp");
}

Result<std::int64_t> parse_duration_ms(const std::string& text) {
    if (const auto number = seconds(text); number && std::abs(*number) <= kSecondsMax) {
        return static_cast<std::int64_t>(*number * 1000);
    }
    if (auto duration = promql::parse_duration_literal(text)) return *duration;
    return error(Code::kInvalid, "cannot parse \"" + text + "\" to a valid duration");
}

Result<std::int64_t> time_parameter(const HttpForm& form, const std::string& name, std::int64_t otherwise) {
    const std::string& text = form.get(name);
    if (text.empty()) return otherwise;
    auto time = parse_time_ms(text);
    if (!time) return invalid_parameter(name, "Invalid time value for '" + name + "': " + time.error().context);
    return time;
}

Result<std::int64_t> duration_parameter(const HttpForm& form, const std::string& name, std::int64_t otherwise) {
    const std::string& text = form.get(name);
    if (text.empty()) return otherwise;
    auto duration = parse_duration_ms(text);
    if (!duration) return invalid_parameter(name, duration.error().context);
    return duration;
}

Result<std::size_t> limit_parameter(const HttpForm& form, const std::string& name) {
    const std::string& text = form.get(name);
    if (text.empty()) return std::size_t{0};
    long long limit = 0;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (failure != std::errc() || stop != text.data() + text.size()) {
        return invalid_parameter(name, "cannot parse \"" + text + "\" to a number");
    }
    if (limit < 0) return invalid_parameter(name, "limit must be non-negative");
    return static_cast<std::size_t>(limit);
}

Result<Period> period_parameter(const HttpForm& form) {
    auto begin = time_parameter(form, "start", -kAllTimeMs);
    if (!begin) return begin.error();
    auto end = time_parameter(form, "end", kAllTimeMs);
    if (!end) return end.error();
    return Period{*begin, *end};
}

Result<std::vector<Selector>> match_parameter(const HttpForm& form) {
    std::vector<Selector> selectors;
    std::size_t patterns_cost = 0;
    for (const std::string& text : form.all("match[]")) {
        auto selector = parse_selector(text);
        if (!selector) return selector.error();
        bool chooses = false;
        for (const Matcher& matcher : selector->matchers) {
            chooses |= !matcher.matches_empty();
            patterns_cost += matcher.cost();
        }
        if (patterns_cost > kPatternsMaxCost) {
            return error(Code::kInvalid,
                         "the regular expressions of all match[] are too large together; use fewer, or simpler ones");
        }
        if (!chooses) return error(Code::kInvalid, "match[] must contain at least one non-empty matcher");
        selectors.push_back(std::move(*selector));
    }
    return selectors;
}

std::string unescaped_label(const std::string& name) {
    if (!name.starts_with("U__")) return name;
    std::string plain;
    for (std::size_t at = 3; at < name.size(); ++at) {
        if (name[at] != '_') {
            plain += name[at];
        } else if (name.compare(at, 2, "__") == 0) {
            plain += '_';
            ++at;
        } else {
            const Escape escape = escape_at(name, at);
            if (escape.length == 0) return name;
            append_utf8(plain, escape.character);
            at += escape.length - 1;
        }
    }
    return plain;
}

}  // namespace ringside::agent
