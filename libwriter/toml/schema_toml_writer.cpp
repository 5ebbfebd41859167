#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "libwriter/toml/schema_names.h"
#include "libwriter/toml/schema_toml.h"

namespace ringside {
namespace {

std::string quoted(const char* text) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out = "\"";
    for (const char* at = text; *at; ++at) {
        const auto byte = static_cast<unsigned char>(*at);
        if (byte == '"' || byte == '\\') {
            out += '\\';
            out += *at;
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\u00";
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
        } else {
            out += *at;
        }
    }
    return out + '"';
}

// The shortest text that reads back as the same double and that TOML takes for a float.
std::string number(double value) {
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    std::string text(buffer.data(), end);
    if (text.find_first_of(".en") == std::string::npos) text += ".0";
    return text;
}

std::string duration(std::uint32_t seconds) {
    for (const auto& [unit, unit_s] : kDurationUnits) {
        if (seconds % unit_s == 0) return std::to_string(seconds / unit_s) + unit;
    }
    return std::to_string(seconds) + 's';
}

void write_tier(std::string& out, const rside_tier& tier) {
    out += "\n[[tier]]\nresolution = \"" + duration(tier.resolution_s) + "\"\n";
    out += "slots = " + std::to_string(tier.slots) + '\n';
    const std::uint32_t columns = tier.columns & RSIDE_COLUMNS_ALL;
    if (columns == 0 || columns == RSIDE_COLUMNS_ALL) return;
    out += "columns = [";
    const char* separator = "";
    for (std::size_t i = 0; i < kColumnNames.size(); ++i) {
        if (!(columns >> i & 1)) continue;
        out += separator;
        out += '"';
        out += kColumnNames[i];
        out += '"';
        separator = ", ";
    }
    out += "]\n";
}

void write_metric(std::string& out, const rside_metric& metric) {
    out += "\n[[metric]]\nname = " + quoted(metric.name) + '\n';
    out += "kind = \"" + std::string(kind_name(metric.kind)) + "\"\n";
    if (metric.label_count > 0) {
        out += "labels = [";
        for (std::uint32_t i = 0; i < metric.label_count; ++i) {
            if (i > 0) out += ", ";
            out += quoted(metric.labels[i]);
        }
        out += "]\n";
    }
    out += "max_series = " + std::to_string(metric.max_series) + '\n';
    if (metric.unit && *metric.unit) out += "unit = " + quoted(metric.unit) + '\n';
    if (metric.help && *metric.help) out += "help = " + quoted(metric.help) + '\n';
    if (metric.flags & RSIDE_METRIC_SHARED) out += "shared = true\n";
    if (metric.kind == RSIDE_HISTOGRAM) {
        out += "histogram = { scale = " + std::to_string(metric.histogram_scale);
        out += ", lowest = " + number(metric.histogram_lowest);
        out += ", highest = " + number(metric.histogram_highest) + " }\n";
    }
}

}  // namespace

std::string schema_to_toml(const rside_schema& schema) {
    std::string out = "name = " + quoted(schema.name) + '\n';
    out += "version = " + std::to_string(schema.version) + '\n';
    if (schema.label_arena_bytes > 0) {
        out += "label_arena_bytes = " + std::to_string(schema.label_arena_bytes) + '\n';
    }
    for (std::uint32_t i = 0; i < schema.tier_count; ++i) write_tier(out, schema.tiers[i]);
    for (std::uint32_t i = 0; i < schema.metric_count; ++i) write_metric(out, schema.metrics[i]);
    return out;
}

}  // namespace ringside
