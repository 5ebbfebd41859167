#include "agent/upstreams_file_choice.h"

#include <string>
#include <utility>
#include <vector>

#include "agent/units.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

auto into_patterns(std::vector<Pattern>* to) {
    return [to](const std::vector<std::string>& texts) -> Result<void> {
        for (const std::string& text : texts) {
            Result<Pattern> pattern = Pattern::parse(text);
            if (!pattern) return pattern.error();
            to->push_back(std::move(*pattern));
        }
        return {};
    };
}

Result<void> take_columns(const std::vector<std::string>& names, RollupChoice& choice) {
    if (names.empty()) return error(Code::kInvalid, "the list is empty; leave it out for all, or use drop-metrics");
    choice.columns = 0;
    for (const std::string& name : names) {
        Result<std::uint32_t> column = parse_column(name);
        if (!column) return column.error();
        choice.columns |= *column;
    }
    return {};
}

Result<void> take_tier(const std::string& text, RollupChoice& choice) {
    Result<std::uint64_t> ns = parse_duration(text);
    if (!ns) return ns.error();
    if (*ns == 0 || *ns % kNsPerSecond != 0 || *ns / kNsPerSecond > 86400) {
        return error(Code::kInvalid, "is no resolution of a tier; use whole seconds up to a day, such as 10s or 5m");
    }
    choice.resolution_s = static_cast<std::uint32_t>(*ns / kNsPerSecond);
    return {};
}

void read_relabel(TomlTable& table, RelabelRule& rule) {
    table.text("action", [&](const std::string& text) -> Result<void> {
        Result<RelabelAction> action = parse_relabel_action(text);
        if (!action) return action.error();
        rule.action = *action;
        return {};
    });
    auto into = [](std::string* to) {
        return [to](const std::string& text) -> Result<void> {
            *to = text;
            return {};
        };
    };
    table.texts("source-labels", [&](const std::vector<std::string>& names) -> Result<void> {
        rule.source_labels = names;
        return {};
    });
    table.text("separator", into(&rule.separator));
    table.text("regex", into(&rule.regex));
    table.text("target-label", into(&rule.target_label));
    table.text("replacement", into(&rule.replacement));
}

}  // namespace

void read_choice(TomlTable& table, RollupChoice& choice) {
    table.texts("metrics", into_patterns(&choice.keep));
    table.texts("drop-metrics", into_patterns(&choice.drop));
    table.texts("columns", [&](const auto& names) { return take_columns(names, choice); });
    table.text("tier", [&](const std::string& text) { return take_tier(text, choice); });
    table.text("histograms", [&](const std::string& text) -> Result<void> {
        if (text != "native" && text != "classic") return error(Code::kInvalid, "use native or classic");
        choice.histograms = text == "native" ? HistogramForm::kNative : HistogramForm::kClassic;
        return {};
    });
    table.text("short-vms", [&](const std::string& text) -> Result<void> {
        if (text != "10s" && text != "off") return error(Code::kInvalid, "use 10s or off");
        choice.short_vms = text == "10s";
        return {};
    });
    std::vector<RelabelRule> rules;
    table.tables("relabel", [&](TomlTable& rule) { read_relabel(rule, rules.emplace_back()); });
    Result<Relabeling> relabeling = Relabeling::make(rules);
    if (!relabeling) return table.wrong(relabeling.error().context);
    choice.relabeling = std::move(*relabeling);
}

}  // namespace ringside::agent
