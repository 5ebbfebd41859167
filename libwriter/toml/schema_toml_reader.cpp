// The one file that touches toml++, which is told not to throw.
//
// Invariants:
//  I1  Only the first failure is kept; every function returns false after it and its outputs mean nothing.
//  I2  The rules of a schema live in the library. Here are only those of the text form; a rule that the library finds
//      broken is traced back to the line that broke it (culprit).
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libwriter/toml/nearest.h"
#include "libwriter/toml/schema_names.h"
#include "libwriter/toml/schema_parsed.h"
#include "libwriter/toml/schema_toml.h"

namespace ringside {
namespace {

constexpr std::string_view kRootKeys[] = {"name", "version", "label_arena_bytes", "tier", "metric"};
constexpr std::string_view kTierKeys[] = {"resolution", "slots", "columns"};
constexpr std::string_view kMetricKeys[] = {"name", "kind", "labels", "max_series",
                                            "unit", "help", "shared", "histogram"};
constexpr std::string_view kHistogramKeys[] = {"scale", "lowest", "highest"};

Position position_of(const toml::source_region& region) {
    // Tables that only their children mention have no place of their own in the text.
    if (!region.begin) return {};
    return {region.begin.line, region.begin.column};
}

Position position_of(const toml::node& node) { return position_of(node.source()); }

std::string shown(std::string_view name) { return "'" + std::string(name) + "'"; }

// Reads the tables of a document into ParsedSchema.
class Reader {
  public:
    explicit Reader(std::string_view source) : source_(source) {}

    bool read(const toml::table& root, ParsedSchema& out);
    bool fail(Position at, std::string_view what);
    const std::string& error() const { return error_; }

  private:
    bool check_keys(const toml::table& table, std::span<const std::string_view> known, std::string_view owner);
    bool read_tables(const toml::table& root, std::string_view key, std::vector<const toml::table*>& out);
    bool read_tier(const toml::table& table, ParsedTier& out);
    bool read_columns(const toml::node& node, std::uint32_t& out);
    bool read_metric(const toml::table& table, ParsedMetric& out);
    bool read_labels(const toml::node& node, std::vector<std::string>& out);
    bool read_room(const toml::table& table, ParsedMetric& out);
    bool read_histogram(const toml::table& table, ParsedMetric& out);

    bool text(const toml::node& node, std::string_view key, std::string& out);
    bool whole(const toml::node& node, std::string_view key, std::int64_t least, std::int64_t most, std::int64_t& out);
    bool number(const toml::node& node, std::string_view key, double& out);
    bool need(const toml::table& table, std::string_view key, std::string_view owner, std::string_view example,
              const toml::node*& out);

    std::string source_;
    std::string error_;
};

bool Reader::fail(Position at, std::string_view what) {
    if (!error_.empty()) return false;  // I1
    error_ = source_ + ':' + std::to_string(at.line) + ':' + std::to_string(at.column) + ": ";
    error_ += what;
    return false;
}

bool Reader::check_keys(const toml::table& table, std::span<const std::string_view> known, std::string_view owner) {
    // The table is sorted by key; the reader of the message starts at the top of the file.
    const toml::key* first = nullptr;
    for (const auto& [key, value] : table) {
        if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
        if (!first || key.source().begin < first->source().begin) first = &key;
    }
    if (!first) return true;
    std::string what = "unknown key " + shown(first->str()) + " in " + std::string(owner);
    if (const auto near = nearest_names(first->str(), known, 1); !near.empty()) {
        what += ", did you mean " + shown(near[0]) + "?";
    } else {
        what += "; known are " + list_names(known);
    }
    return fail(position_of(first->source()), what);
}

bool Reader::need(const toml::table& table, std::string_view key, std::string_view owner, std::string_view example,
                  const toml::node*& out) {
    out = table.get(key);
    if (out) return true;
    return fail(position_of(table),
                std::string(owner) + " has no " + shown(key) + ", add a line such as " + std::string(example));
}

bool Reader::text(const toml::node& node, std::string_view key, std::string& out) {
    const auto* value = node.as_string();
    if (!value) return fail(position_of(node), shown(key) + " must be text in double quotes");
    out = value->get();
    if (out.find('\0') == std::string::npos) return true;
    return fail(position_of(node), shown(key) + " has a NUL character in it, remove it");
}

bool Reader::whole(const toml::node& node, std::string_view key, std::int64_t least, std::int64_t most,
                   std::int64_t& out) {
    const auto* value = node.as_integer();
    if (value && value->get() >= least && value->get() <= most) {
        out = value->get();
        return true;
    }
    return fail(position_of(node),
                shown(key) + " must be a whole number of " + std::to_string(least) + " to " + std::to_string(most));
}

bool Reader::number(const toml::node& node, std::string_view key, double& out) {
    if (const auto* value = node.as_floating_point()) {
        out = value->get();
        return true;
    }
    if (const auto* value = node.as_integer()) {
        out = static_cast<double>(value->get());
        return true;
    }
    return fail(position_of(node), shown(key) + " must be a number");
}

bool Reader::read_tables(const toml::table& root, std::string_view key, std::vector<const toml::table*>& out) {
    const toml::node* node = root.get(key);
    if (!node) return true;
    const toml::array* array = node->as_array();
    if (!array) {
        return fail(position_of(*node), "write [[" + std::string(key) + "]] with two brackets: there can be several");
    }
    for (const toml::node& element : *array) {
        const toml::table* table = element.as_table();
        if (!table) {
            return fail(position_of(element),
                        "each " + std::string(key) + " must be a table under [[" + std::string(key) + "]]");
        }
        out.push_back(table);
    }
    return true;
}

bool Reader::read(const toml::table& root, ParsedSchema& out) {
    if (!check_keys(root, kRootKeys, "a schema")) return false;
    const toml::node* node = nullptr;
    if (!need(root, "name", "the schema", "name = \"vmm\"", node)) return false;
    if (!text(*node, "name", out.name)) return false;
    out.name_position = position_of(*node);
    std::int64_t value = 0;
    if ((node = root.get("version"))) {
        if (!whole(*node, "version", 0, std::numeric_limits<std::uint32_t>::max(), value)) return false;
        out.version = static_cast<std::uint32_t>(value);
    }
    if ((node = root.get("label_arena_bytes"))) {
        if (!whole(*node, "label_arena_bytes", 1, RSIDE_MAX_ARENA_BYTES, value)) return false;
        out.label_arena_bytes = static_cast<std::uint32_t>(value);
        out.arena_position = position_of(*node);
    }
    std::vector<const toml::table*> tiers;
    std::vector<const toml::table*> metrics;
    if (!read_tables(root, "tier", tiers) || !read_tables(root, "metric", metrics)) return false;
    for (const toml::table* table : tiers) {
        if (!read_tier(*table, out.tiers.emplace_back())) return false;
    }
    if (metrics.empty()) {
        return fail({}, "the schema has no metric, add a [[metric]] with a name and a kind");
    }
    out.metrics.resize(metrics.size());
    for (std::size_t i = 0; i < metrics.size(); ++i) {
        if (!read_metric(*metrics[i], out.metrics[i])) return false;
    }
    return true;
}

// "10s" and so on in seconds; 0 when it is not a time or longer than any tier may be.
std::uint32_t seconds_of(std::string_view text) {
    std::uint32_t count = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (failed != std::errc() || end + 1 != text.data() + text.size()) return 0;
    for (const auto& [unit, unit_s] : kDurationUnits) {
        if (*end == unit) return count <= RSIDE_MAX_RESOLUTION_S / unit_s ? count * unit_s : 0;
    }
    return 0;
}

bool Reader::read_tier(const toml::table& table, ParsedTier& out) {
    out.position = position_of(table);
    if (!check_keys(table, kTierKeys, "a tier")) return false;
    const toml::node* node = nullptr;
    if (!need(table, "resolution", "the tier", "resolution = \"10s\"", node)) return false;
    const auto* resolution = node->as_string();
    out.tier.resolution_s = resolution ? seconds_of(resolution->get()) : 0;
    if (out.tier.resolution_s == 0) {
        return fail(position_of(*node),
                    "'resolution' must be text such as \"1s\", \"10s\", \"5m\" or \"1h\", at most \"7d\"");
    }
    if (!need(table, "slots", "the tier", "slots = 300", node)) return false;
    std::int64_t slots = 0;
    if (!whole(*node, "slots", 2, RSIDE_MAX_SLOTS, slots)) return false;
    out.tier.slots = static_cast<std::uint32_t>(slots);
    out.tier.columns = RSIDE_COLUMNS_ALL;
    node = table.get("columns");
    return !node || read_columns(*node, out.tier.columns);
}

bool Reader::read_columns(const toml::node& node, std::uint32_t& out) {
    const toml::array* array = node.as_array();
    if (!array || array->empty()) {
        return fail(position_of(node),
                    "'columns' must be a list such as [\"value\", \"last\"]; leave it out for all columns");
    }
    out = 0;
    std::string name;
    for (const toml::node& element : *array) {
        if (!text(element, "columns", name)) return false;
        const auto found = std::find(kColumnNames.begin(), kColumnNames.end(), name);
        if (found == kColumnNames.end()) {
            return fail(position_of(element),
                        "unknown column " + shown(name) + "; known are " + list_names(kColumnNames));
        }
        const std::uint32_t bit = 1u << (found - kColumnNames.begin());
        if (out & bit) return fail(position_of(element), "column " + shown(name) + " is there twice");
        out |= bit;
    }
    return true;
}

bool Reader::read_metric(const toml::table& table, ParsedMetric& out) {
    out.position = position_of(table);
    if (!check_keys(table, kMetricKeys, "a metric")) return false;
    const toml::node* node = nullptr;
    if (!need(table, "name", "the metric", "name = \"vmm_exits_total\"", node)) return false;
    if (!text(*node, "name", out.name)) return false;
    const std::string owner = "metric " + out.name;
    if (!need(table, "kind", owner, "kind = \"counter\"", node)) return false;
    std::string kind;
    if (!text(*node, "kind", kind)) return false;
    const auto found = std::find(kKindNames.begin(), kKindNames.end(), kind);
    if (found == kKindNames.end()) {
        return fail(position_of(*node),
                    owner + ": unknown kind " + shown(kind) + "; known are " + list_names(kKindNames));
    }
    out.metric.kind = static_cast<std::uint8_t>(found - kKindNames.begin() + 1);
    if ((node = table.get("labels")) && !read_labels(*node, out.labels)) return false;
    if ((node = table.get("unit")) && !text(*node, "unit", out.unit)) return false;
    if ((node = table.get("help")) && !text(*node, "help", out.help)) return false;
    if ((node = table.get("shared"))) {
        const auto* shared = node->as_boolean();
        if (!shared) return fail(position_of(*node), "'shared' must be true or false");
        if (shared->get()) out.metric.flags |= RSIDE_METRIC_SHARED;
    }
    return read_room(table, out) && read_histogram(table, out);
}

bool Reader::read_labels(const toml::node& node, std::vector<std::string>& out) {
    const toml::array* array = node.as_array();
    if (!array) return fail(position_of(node), "'labels' must be a list such as [\"device\", \"op\"]");
    for (const toml::node& element : *array) {
        if (!text(element, "labels", out.emplace_back())) return false;
    }
    return true;
}

bool Reader::read_room(const toml::table& table, ParsedMetric& out) {
    const toml::node* node = table.get("max_series");
    if (!node && out.labels.empty()) {
        out.metric.max_series = 1;
        return true;
    }
    const std::string owner = "metric " + out.name + " with labels";
    if (!need(table, "max_series", owner, "max_series = 8", node)) return false;
    std::int64_t series = 0;
    if (!whole(*node, "max_series", 1, RSIDE_MAX_SERIES, series)) return false;
    out.metric.max_series = static_cast<std::uint32_t>(series);
    return true;
}

bool Reader::read_histogram(const toml::table& table, ParsedMetric& out) {
    const toml::node* node = table.get("histogram");
    const std::string owner = "metric " + out.name;
    if (out.metric.kind != RSIDE_HISTOGRAM) {
        if (!node) return true;
        return fail(position_of(*node),
                    owner + ": 'histogram' is for kind = \"histogram\" only, remove it or change the kind");
    }
    if (!need(table, "histogram", owner, "histogram = { scale = 1, lowest = 1e-6, highest = 10.0 }", node))
        return false;
    const toml::table* range = node->as_table();
    if (!range) {
        return fail(position_of(*node),
                    "'histogram' must be a table such as { scale = 1, lowest = 1e-6, highest = 10.0 }");
    }
    if (!check_keys(*range, kHistogramKeys, "a histogram")) return false;
    std::int64_t scale = 0;
    if (!need(*range, "scale", owner, "scale = 1", node)) return false;
    if (!whole(*node, "scale", RSIDE_HISTOGRAM_SCALE_MIN, RSIDE_HISTOGRAM_SCALE_MAX, scale)) return false;
    out.metric.histogram_scale = static_cast<std::int8_t>(scale);
    if (!need(*range, "lowest", owner, "lowest = 1e-6", node)) return false;
    if (!number(*node, "lowest", out.metric.histogram_lowest)) return false;
    if (!need(*range, "highest", owner, "highest = 10.0", node)) return false;
    return number(*node, "highest", out.metric.histogram_highest);
}

// Points a plain schema at what was parsed; `parsed` must outlive what is copied from the result.
rside_schema view_of(ParsedSchema& parsed, std::vector<rside_tier>& tiers, std::vector<rside_metric>& metrics) {
    for (const ParsedTier& tier : parsed.tiers) tiers.push_back(tier.tier);
    if (tiers.empty()) tiers.assign(std::begin(rside_default_tiers), std::end(rside_default_tiers));
    for (ParsedMetric& metric : parsed.metrics) {
        for (const std::string& label : metric.labels) metric.label_pointers.push_back(label.c_str());
        metric.metric.name = metric.name.c_str();
        metric.metric.unit = metric.unit.c_str();
        metric.metric.help = metric.help.c_str();
        metric.metric.labels = metric.label_pointers.data();
        metric.metric.label_count = static_cast<std::uint32_t>(metric.labels.size());
        metrics.push_back(metric.metric);
    }
    return {parsed.name.c_str(),
            parsed.version,
            tiers.data(),
            static_cast<std::uint32_t>(tiers.size()),
            metrics.data(),
            static_cast<std::uint32_t>(metrics.size()),
            parsed.label_arena_bytes};
}

}  // namespace

SchemaResult schema_from_toml(std::string_view text, std::string_view source) noexcept {
    Reader reader(source);
    const toml::parse_result document = toml::parse(text, source);
    if (!document) {
        const toml::parse_error& error = document.error();
        reader.fail(position_of(error.source()), error.description());
        return SchemaResult::failure(reader.error());
    }
    ParsedSchema parsed;
    if (!reader.read(document.table(), parsed)) return SchemaResult::failure(reader.error());
    std::vector<rside_tier> tiers;
    std::vector<rside_metric> metrics;
    const rside_schema schema = view_of(parsed, tiers, metrics);
    rside_error error{};
    if (rside_schema_size(&schema, &error) == 0) {
        reader.fail(culprit(parsed, schema), error.text);
        return SchemaResult::failure(reader.error());
    }
    return OwnedSchema(schema);
}

}  // namespace ringside
