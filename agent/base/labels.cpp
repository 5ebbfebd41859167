#include "agent/base/labels.h"

#include <algorithm>

namespace ringside::agent {
namespace {

void add(LabelSet& labels, std::string_view name, std::string_view value) {
    if (!value.empty()) labels.push_back({std::string(name), std::string(value)});
}

bool by_name(const Label& a, const Label& b) { return a.name < b.name; }

void append_escaped(std::string& text, std::string_view value) {
    for (char c : value) {
        if (c == '\n') {
            text += "\\n";
            continue;
        }
        if (c == '\\' || c == '"') text += '\\';
        text += c;
    }
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t name_length(std::string_view text, bool colon) {
    std::size_t length = 0;
    while (length < text.size()) {
        char c = text[length];
        if (!is_letter(c) && !(colon && c == ':') && !(length > 0 && is_digit(c))) break;
        ++length;
    }
    return length;
}

}  // namespace

std::size_t metric_name_length(std::string_view text) { return name_length(text, true); }
std::size_t label_name_length(std::string_view text) { return name_length(text, false); }

bool is_metric_name(std::string_view text) { return !text.empty() && metric_name_length(text) == text.size(); }

bool is_label_name(std::string_view text) { return !text.empty() && label_name_length(text) == text.size(); }

LabelSet agent_labels(const VmInfo& vm, const HostLabels& host) {
    LabelSet labels;
    add(labels, "component", vm.component);
    add(labels, "instance", host.instance);
    add(labels, "job", host.job);
    add(labels, "vm_id", vm.vm_id);
    return labels;
}

LabelSet series_labels(const SchemaInfo& schema, const SeriesInfo& series, const LabelSet& agent_owned) {
    const MetricInfo& metric = schema.metrics[series.metric];
    LabelSet labels = agent_owned;
    add(labels, kNameLabel, metric.name);
    for (std::size_t i = 0; i < metric.label_names.size() && i < series.label_values.size(); ++i) {
        add(labels, metric.label_names[i], series.label_values[i]);
    }
    // Stable, so that of two labels with one name the first stays, which is the agent's.
    std::stable_sort(labels.begin(), labels.end(), by_name);
    auto same_name = [](const Label& a, const Label& b) { return a.name == b.name; };
    labels.erase(std::unique(labels.begin(), labels.end(), same_name), labels.end());
    return labels;
}

std::string_view label_value(const LabelSet& labels, std::string_view name) {
    auto at = std::lower_bound(labels.begin(), labels.end(), name,
                               [](const Label& label, std::string_view n) { return label.name < n; });
    if (at == labels.end() || at->name != name) return {};
    return at->value;
}

std::string label_text(const LabelSet& labels) {
    std::string text(label_value(labels, kNameLabel));
    bool first = true;
    for (const Label& label : labels) {
        if (label.name == kNameLabel) continue;
        text += first ? '{' : ',';
        first = false;
        text += label.name;
        text += "=\"";
        append_escaped(text, label.value);
        text += '"';
    }
    if (!first) {
        text += '}';
    } else if (text.empty()) {
        text = "{}";
    }
    return text;
}

}  // namespace ringside::agent
