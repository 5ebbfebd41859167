#include "tools/ringsidectl/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace ringside::ctl {
namespace {

constexpr double kNsPerS = 1e9;

// printf with a precision, never in the locale's way: main does not call setlocale.
std::string fixed(double value, int decimals) {
    std::array<char, 64> out{};
    const int size = std::snprintf(out.data(), out.size(), "%.*f", decimals, value);
    return {out.data(), static_cast<std::size_t>(std::clamp(size, 0, static_cast<int>(out.size()) - 1))};
}

// Cuts "12.50" to "12.5" and "12.00" to "12".
std::string trimmed(std::string text) {
    if (text.find('.') == std::string::npos) return text;
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
    return text;
}

// Three or four digits of a value that is below `limit`, the step to the next suffix.
std::string scaled(double value) {
    const double size = std::fabs(value);
    return trimmed(fixed(value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0));
}

std::string two_units(std::uint64_t big, char big_name, std::uint64_t small, char small_name) {
    if (small == 0) return std::to_string(big) + big_name;
    std::array<char, 48> out{};
    std::snprintf(out.data(), out.size(), "%llu%c%02llu%c", static_cast<unsigned long long>(big), big_name,
                  static_cast<unsigned long long>(small), small_name);
    return out.data();
}

}  // namespace

std::string bytes_text(double bytes) {
    if (!std::isfinite(bytes)) return "-";
    static constexpr std::array<const char*, 7> kNames{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    std::size_t name = 0;
    // 1023.5 would be shown as 1024: it belongs to the next unit already.
    while (std::fabs(bytes) >= 1023.5 && name + 1 < kNames.size()) {
        bytes /= 1024;
        ++name;
    }
    return scaled(bytes) + kNames[name];
}

std::string duration_text(double ns) {
    if (!std::isfinite(ns)) return "-";
    if (ns < 0) return "-" + duration_text(-ns);
    if (ns == 0) return "0s";
    if (ns < 999.5) return scaled(ns) + "ns";
    if (ns < 999.5e3) return scaled(ns / 1e3) + "us";
    if (ns < 999.5e6) return scaled(ns / 1e6) + "ms";
    if (ns < 59.95 * kNsPerS) return scaled(ns / kNsPerS) + "s";
    if (ns >= 1e18 * kNsPerS) return compact_text(ns / kNsPerS) + "s";
    const auto seconds = static_cast<std::uint64_t>(std::llround(ns / kNsPerS));
    if (seconds < 3600) return two_units(seconds / 60, 'm', seconds % 60, 's');
    if (seconds < 86400) return two_units(seconds / 3600, 'h', seconds / 60 % 60, 'm');
    return two_units(seconds / 86400, 'd', seconds / 3600 % 24, 'h');
}

std::string time_text(std::uint64_t ns, int digits) {
    const auto seconds = static_cast<std::time_t>(ns / 1'000'000'000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 64> out{};
    std::size_t size = std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::string text(out.data(), size);
    if (digits > 0) {
        size = static_cast<std::size_t>(
            std::snprintf(out.data(), out.size(), ".%09llu", static_cast<unsigned long long>(ns % 1'000'000'000)));
        text.append(out.data(), std::min(size, static_cast<std::size_t>(digits) + 1));
    }
    return text + "Z";
}

std::string compact_text(double value) {
    if (!std::isfinite(value)) return "-";
    const double size = std::fabs(value);
    if (size == 0) return "0";
    if (size < 0.0005) {
        std::array<char, 32> out{};
        std::snprintf(out.data(), out.size(), "%.1e", value);
        return out.data();
    }
    if (size < 9.9995) return trimmed(fixed(value, 3));
    if (size < 99.995) return trimmed(fixed(value, 2));
    if (size < 999.95) return trimmed(fixed(value, 1));
    if (size < 99'999.5) return fixed(value, 0);
    static constexpr std::array<const char*, 6> kNames{"", "k", "M", "G", "T", "P"};
    std::size_t name = 0;
    while (std::fabs(value) >= 999.5 && name + 1 < kNames.size()) {
        value /= 1000;
        ++name;
    }
    if (std::fabs(value) >= 999.5) {
        std::array<char, 32> out{};
        std::snprintf(out.data(), out.size(), "%.2e", value * 1e15);
        return out.data();
    }
    return scaled(value) + kNames[name];
}

std::string exact_text(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    std::array<char, 32> out{};
    const auto end = std::to_chars(out.data(), out.data() + out.size(), value).ptr;
    return {out.data(), end};
}

std::string number_text(double value) {
    const double size = std::fabs(value);
    if (!std::isfinite(value) || size >= 1e15) return exact_text(value);
    if (size >= 1e6 || value == std::trunc(value)) return fixed(value, 0);
    std::array<char, 32> out{};
    const auto end = std::to_chars(out.data(), out.data() + out.size(), value, std::chars_format::general, 6).ptr;
    return {out.data(), end};
}

std::string value_text(double value, std::string_view unit, bool per_second) {
    if (unit == "bytes") return bytes_text(value);
    if (unit == "seconds" && !per_second) return duration_text(value * kNsPerS);
    return compact_text(value);
}

std::string unit_text(std::string_view unit, bool per_second) {
    std::string base = unit == "bytes" ? "B" : unit == "seconds" ? "s" : std::string(unit);
    if (!per_second) return base;
    return (base.empty() ? "1" : base) + "/s";
}

std::string printable(std::string_view text) {
    std::string out;
    const auto escape = [&out](const char* format, unsigned value) {
        std::array<char, 16> buffer{};
        std::snprintf(buffer.data(), buffer.size(), format, value);
        out += buffer.data();
    };
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : 2;
        bool good = lead < 0x80 || (lead >= 0xc2 && lead < 0xf5 && i + length <= text.size());
        unsigned point = lead < 0x80 ? lead : lead & (0x7fu >> length);
        for (std::size_t k = 1; good && k < length; ++k) {
            const auto next = static_cast<unsigned char>(text[i + k]);
            good = (next & 0xc0u) == 0x80;
            point = (point << 6) | (next & 0x3fu);
        }
        // Overlong forms, surrogates and what is past Unicode's end.
        good = good && !(length == 3 && point < 0x800) && !(length == 4 && (point < 0x10000 || point > 0x10ffff)) &&
               !(point >= 0xd800 && point <= 0xdfff);
        if (!good) {
            escape("\\x%02x", lead);
            ++i;
            continue;
        }
        const bool reorders = point == 0x200e || point == 0x200f || (point >= 0x202a && point <= 0x202e) ||
                              (point >= 0x2066 && point <= 0x2069) || point == 0x2028 || point == 0x2029;
        if (point < 0x20 || point == 0x7f) {
            escape("\\x%02x", point);
        } else if ((point >= 0x80 && point < 0xa0) || reorders) {
            escape("\\u{%04x}", point);
        } else {
            out.append(text.substr(i, length));
        }
        i += length;
    }
    return out;
}

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80; }));
}

std::string shortened(std::string_view text, std::size_t columns) {
    if (width_of(text) <= columns) return std::string(text);
    std::size_t end = 0;
    for (std::size_t shown = 0; shown + 1 < columns; ++shown) {
        do ++end;
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0u) == 0x80);
    }
    return std::string(text.substr(0, end)) + (columns > 0 ? "…" : "");
}

}  // namespace ringside::ctl
