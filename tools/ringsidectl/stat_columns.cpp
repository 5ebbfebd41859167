#include "tools/ringsidectl/stat_columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include "agent/base/labels.h"
#include "tools/ringsidectl/names.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

using agent::Code;
using agent::error;

constexpr std::size_t kAutomaticColumns = 10;
constexpr std::size_t kLeastOfASet = 3;

// Sets for the standard schemas and what is like them: the set of which a schema has most is taken.
constexpr const char* kVmmSet =
    "cpu=vmm_vcpu_run_seconds_total,steal=vmm_vcpu_steal_seconds_total,exits=vmm_vcpu_userspace_exits_total,"
    "exits=vmm_vcpu_exits_total,rss=vmm_memory_resident_bytes,faults=vmm_memory_faults_total,"
    "reads=vmm_block_requests_total{op=\"read\"},writes=vmm_block_requests_total{op=\"write\"},"
    "read=vmm_block_bytes_total{op=\"read\"},write=vmm_block_bytes_total{op=\"write\"},"
    "blk_p99=vmm_block_request_duration_seconds:p99,rx=vmm_net_bytes_total{direction=\"rx\"},"
    "tx=vmm_net_bytes_total{direction=\"tx\"}";
constexpr const char* kHostSet =
    "run=node_procs_running,blocked=node_procs_blocked,user=node_cpu_seconds_total{mode=\"user\"},"
    "sys=node_cpu_seconds_total{mode=\"system\"},idle=node_cpu_seconds_total{mode=\"idle\"},"
    "iowait=node_cpu_seconds_total{mode=\"iowait\"},steal=node_cpu_seconds_total{mode=\"steal\"},"
    "avail=node_memory_MemAvailable_bytes,read=node_disk_read_bytes_total,write=node_disk_written_bytes_total,"
    "rx=node_network_receive_bytes_total{device!=\"lo\"},tx=node_network_transmit_bytes_total{device!=\"lo\"},"
    "cs=node_context_switches_total";

// Splits at commas that stand outside of braces and quotes.
std::vector<std::string_view> split_columns(std::string_view text) {
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    int depth = 0;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote) {
            if (c == '\\' && quote != '`') ++i;
            if (c == quote) quote = 0;
        } else if (c == '"' || c == '\'' || c == '`') {
            quote = c;
        } else if (c == '{') {
            ++depth;
        } else if (c == '}') {
            --depth;
        } else if (c == ',' && depth <= 0) {
            parts.push_back(text.substr(begin, i - begin));
            begin = i + 1;
        }
    }
    parts.push_back(text.substr(std::min(begin, text.size())));
    return parts;
}

Result<void> set_function(StatColumn& column, std::string_view word) {
    static constexpr std::array<std::pair<const char*, StatFunction>, 6> kWords{{{"rate", StatFunction::kRate},
                                                                                 {"increase", StatFunction::kIncrease},
                                                                                 {"last", StatFunction::kLast},
                                                                                 {"avg", StatFunction::kAvg},
                                                                                 {"min", StatFunction::kMin},
                                                                                 {"max", StatFunction::kMax}}};
    for (const auto& [name, function] : kWords) {
        if (word != name) continue;
        column.function = function;
        return {};
    }
    double percent = 0;
    const auto [end, fault] = std::from_chars(word.data() + 1, word.data() + word.size(), percent);
    if (word.starts_with('p') && fault == std::errc() && end == word.data() + word.size() && percent >= 0 &&
        percent <= 100) {
        column.function = StatFunction::kQuantile;
        column.quantile = percent / 100;
        return {};
    }
    return error(Code::kInvalid, "`" + std::string(word) +
                                     "` is no function; there are rate, increase, last, avg, min, max and quantiles "
                                     "such as p50 and p99.9");
}

Result<StatColumn> parse_column(std::string_view text) {
    StatColumn column;
    std::string_view rest = text;
    const std::size_t brace = rest.find('{');
    const std::size_t equals = rest.find('=');
    if (equals != std::string_view::npos && equals < brace) {
        column.name = rest.substr(0, equals);
        rest.remove_prefix(equals + 1);
    }
    const std::size_t colon = rest.rfind(':');
    const std::size_t closed = rest.rfind('}');
    if (colon != std::string_view::npos && (closed == std::string_view::npos || colon > closed)) {
        if (auto set = set_function(column, rest.substr(colon + 1)); !set) return set.error();
        if (column.name.empty()) column.name = rest;
        rest = rest.substr(0, colon);
    }
    auto selector = agent::parse_selector(rest);
    if (!selector) return selector.error();
    column.selector = std::move(*selector);
    for (const agent::Matcher& matcher : column.selector.matchers) {
        if (matcher.label() == agent::kNameLabel && matcher.op() == agent::MatchOp::kEqual) {
            column.metric = matcher.value();
        }
    }
    if (column.metric.empty()) {
        return error(Code::kInvalid, "it names no metric; write metric{label=\"value\"}:function");
    }
    if (column.name.empty()) column.name = rest;
    return column;
}

bool has_metric(const v1::Schema& schema, const std::string& name) {
    return std::any_of(schema.metrics().begin(), schema.metrics().end(),
                       [&](const v1::Metric& metric) { return metric.name() == name; });
}

std::vector<StatColumn> of_set(const char* set, const v1::Schema& schema) {
    std::vector<StatColumn> columns;
    auto parsed = parse_columns(set);
    if (!parsed) return columns;
    std::set<std::string> names;
    for (StatColumn& column : *parsed) {
        if (has_metric(schema, column.metric) && names.insert(column.name).second) columns.push_back(std::move(column));
    }
    return columns;
}

// "vmm_block_bytes_total" -> "block_bytes": without the word that all metrics begin with, and without the suffix that the
// function says again.
std::string short_name(const std::string& metric, const std::string& prefix) {
    std::string name = metric;
    if (!prefix.empty() && name.starts_with(prefix) && name.size() > prefix.size()) name.erase(0, prefix.size());
    if (name.ends_with("_total")) name.resize(name.size() - 6);
    return name;
}

std::string common_prefix(const v1::Schema& schema) {
    std::string prefix;
    for (const v1::Metric& metric : schema.metrics()) {
        const std::string word = metric.name().substr(0, metric.name().find('_') + 1);
        if (prefix.empty()) prefix = word;
        if (word.empty() || word != prefix) return {};
    }
    return prefix;
}

std::vector<StatColumn> automatic_columns(const v1::Schema& schema) {
    const std::string prefix = common_prefix(schema);
    std::vector<StatColumn> columns;
    for (const v1::Metric& metric : schema.metrics()) {
        if (columns.size() == kAutomaticColumns) break;
        const bool gauge = metric.kind() == v1::METRIC_KIND_GAUGE || metric.kind() == v1::METRIC_KIND_LEVEL;
        // The sum of several gauges may mean nothing (temperatures), so only single ones are taken unasked.
        if (metric.kind() == v1::METRIC_KIND_INFO || (gauge && metric.max_series() > 1)) continue;
        auto column = parse_column(metric.name());
        if (!column) continue;
        column->name = short_name(metric.name(), prefix);
        columns.push_back(std::move(*column));
    }
    return columns;
}

StatFunction default_function(v1::MetricKind kind) {
    return kind == v1::METRIC_KIND_GAUGE || kind == v1::METRIC_KIND_LEVEL ? StatFunction::kLast : StatFunction::kRate;
}

// The columns of a tier that a function needs; empty when the kind does not have it.
std::vector<v1::Column> needs(v1::MetricKind kind, StatFunction function) {
    const bool counter = kind == v1::METRIC_KIND_COUNTER || kind == v1::METRIC_KIND_COUNTER_F64;
    const bool gauge = kind == v1::METRIC_KIND_GAUGE || kind == v1::METRIC_KIND_LEVEL;
    const bool histogram = kind == v1::METRIC_KIND_HISTOGRAM;
    switch (function) {
        case StatFunction::kRate:
        case StatFunction::kIncrease:
            if (counter) return {v1::COLUMN_VALUE};
            if (histogram) return {v1::COLUMN_COUNT};
            return {};
        case StatFunction::kLast: return gauge ? std::vector<v1::Column>{v1::COLUMN_LAST} : std::vector<v1::Column>{};
        case StatFunction::kMin: return gauge ? std::vector<v1::Column>{v1::COLUMN_MIN} : std::vector<v1::Column>{};
        case StatFunction::kMax: return gauge ? std::vector<v1::Column>{v1::COLUMN_MAX} : std::vector<v1::Column>{};
        case StatFunction::kAvg:
            if (gauge || histogram) return {v1::COLUMN_COUNT, v1::COLUMN_SUM};
            return {};
        case StatFunction::kQuantile:
            return histogram ? std::vector<v1::Column>{v1::COLUMN_BUCKETS} : std::vector<v1::Column>{};
    }
    return {};
}

std::uint32_t finest_tier(const v1::Schema& schema, const std::vector<v1::Column>& wanted) {
    for (const v1::Tier& tier : schema.tiers()) {
        const bool keeps = std::all_of(wanted.begin(), wanted.end(), [&](v1::Column column) {
            return std::find(tier.columns().begin(), tier.columns().end(), column) != tier.columns().end();
        });
        if (keeps) return tier.resolution_s();
    }
    return 0;
}

}  // namespace

Result<std::vector<StatColumn>> parse_columns(std::string_view text) {
    std::vector<StatColumn> columns;
    for (std::string_view part : split_columns(text)) {
        auto column = parse_column(part);
        if (!column) {
            return error(Code::kInvalid, "column `" + std::string(part) + "`: " + column.error().context);
        }
        columns.push_back(std::move(*column));
    }
    return columns;
}

std::vector<StatColumn> default_columns(const v1::Schema& schema) {
    std::vector<StatColumn> best;
    for (const char* set : {kVmmSet, kHostSet}) {
        std::vector<StatColumn> columns = of_set(set, schema);
        if (columns.size() > best.size()) best = std::move(columns);
    }
    return best.size() >= kLeastOfASet ? best : automatic_columns(schema);
}

Result<void> resolve_columns(std::vector<StatColumn>& columns, const v1::Schema& schema) {
    for (StatColumn& column : columns) {
        const auto metric = std::find_if(schema.metrics().begin(), schema.metrics().end(),
                                         [&](const v1::Metric& entry) { return entry.name() == column.metric; });
        if (metric == schema.metrics().end()) {
            return no_such_metric(schema, column.metric);
        }
        column.kind = metric->kind();
        column.unit = metric->unit();
        if (!column.function) column.function = default_function(column.kind);
        const std::vector<v1::Column> wanted = needs(column.kind, *column.function);
        if (wanted.empty()) {
            return error(Code::kInvalid, "column `" + column.name + "`: a " + kind_name(column.kind) +
                                             " does not have that function; counters have rate and increase, gauges "
                                             "and levels last, avg, min and max, histograms rate, increase, avg and "
                                             "quantiles");
        }
        column.resolution_s = finest_tier(schema, wanted);
        if (column.resolution_s == 0) {
            return error(Code::kInvalid, "column `" + column.name + "`: no tier of schema " + schema.name() +
                                             " keeps the column " + column_name(wanted.front()));
        }
    }
    return {};
}

Column output_column(const StatColumn& column) {
    const bool rate = column.function == StatFunction::kRate;
    // Observations of a histogram are counted, whatever their unit.
    const bool counts =
        column.kind == v1::METRIC_KIND_HISTOGRAM && (rate || column.function == StatFunction::kIncrease);
    const std::string unit = counts ? "" : column.unit;
    const Unit shown = unit == "bytes" ? Unit::kBytes : unit == "seconds" && !rate ? Unit::kSeconds : Unit::kCompact;
    return {column.name, shown, column.name, unit_text(unit, rate)};
}

}  // namespace ringside::ctl
