#include "agent/upstreams_file_rules.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace ringside::agent {
namespace {

struct FileRule {
    Rule rule;
    std::vector<std::string> upstreams;  // empty: all of the file
    bool keep_sources = true;
};

void read_rule(TomlTable& table, FileRule& read) {
    table.text("name", [&](const std::string& text) -> Result<void> {
        read.rule.name = text;
        return {};
    });
    table.texts("metrics", [&](const std::vector<std::string>& texts) -> Result<void> {
        for (const std::string& text : texts) {
            Result<Pattern> pattern = Pattern::parse(text);
            if (!pattern) return pattern.error();
            read.rule.metrics.push_back(std::move(*pattern));
        }
        return {};
    });
    table.texts("by", [&](const std::vector<std::string>& labels) -> Result<void> {
        const std::set<std::string> sorted(labels.begin(), labels.end());
        read.rule.by.assign(sorted.begin(), sorted.end());
        return {};
    });
    const bool said = table.text("operation", [&](const std::string& text) -> Result<void> {
        Result<RuleOperation> operation = parse_rule_operation(text);
        if (!operation) return operation.error();
        read.rule.operation = *operation;
        return {};
    });
    if (!said) table.wrong("the rule '" + read.rule.name + "' has no operation; give it sum, min, max, count or merge");
    table.texts("upstreams", [&](const std::vector<std::string>& names) -> Result<void> {
        read.upstreams = names;
        return {};
    });
    table.flag("keep-sources", &read.keep_sources);
}

}  // namespace

void read_rules(TomlTable& top, std::vector<UpstreamOptions>& upstreams) {
    top.tables("rule", [&](TomlTable& table) {
        FileRule read;
        read_rule(table, read);
        if (auto good = check_rules({read.rule}); !good) return table.wrong(good.error().context);
        for (const std::string& name : read.upstreams) {
            auto named = [&](const UpstreamOptions& options) { return options.name == name; };
            if (std::any_of(upstreams.begin(), upstreams.end(), named)) continue;
            return table.wrong("there is no [upstream." + name + "] in this file");
        }
        for (UpstreamOptions& options : upstreams) {
            const auto& wanted = read.upstreams;
            if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), options.name) == wanted.end()) continue;
            options.rules.push_back(read.rule);
            if (auto good = check_rules(options.rules); !good) return table.wrong(good.error().context);
            if (read.keep_sources) continue;
            for (const Pattern& metrics : read.rule.metrics) {
                options.choice.replaced.push_back({metrics, kinds_of(read.rule.operation)});
            }
        }
    });
}

}  // namespace ringside::agent
