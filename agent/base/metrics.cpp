#include "agent/base/metrics.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace ringside::agent {
namespace {

[[noreturn]] void programmer_error(std::string_view name, const char* what) {
    std::fprintf(stderr, "ringside: metric '%.*s': %s\n", static_cast<int>(name.size()), name.data(), what);
    std::abort();
}

bool is_name(std::string_view name) {
    if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
    for (char c : name) {
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!good) return false;
    }
    return true;
}

// Help texts escape backslash and newline, label values the quote as well.
void append_escaped(std::string& out, std::string_view text, bool quote) {
    for (char c : text) {
        if (c == '\n') {
            out += "\\n";
        } else if (c == '\\' || (quote && c == '"')) {
            out += '\\';
            out += c;
        } else {
            out += c;
        }
    }
}

std::string labels_text(std::string_view name, const MetricLabels& labels) {
    std::string text;
    for (const auto& [label, value] : labels) {
        if (!is_name(label) || label.starts_with("__")) programmer_error(name, "bad label name");
        text += text.empty() ? '{' : ',';
        text += label;
        text += "=\"";
        append_escaped(text, value, true);
        text += '"';
    }
    if (!text.empty()) text += '}';
    return text;
}

void append_number(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
    } else {
        char text[32];
        const auto end = std::to_chars(text, text + sizeof text, value);
        out.append(text, end.ptr);
    }
}

void append_line(std::string& out, std::string_view name, std::string_view labels) {
    out += name;
    out += labels;
    out += ' ';
}

}  // namespace

Metrics::Family& Metrics::family(MetricType type, std::string_view name, std::string_view help) {
    const bool total = name.ends_with("_total");
    if (!is_name(name)) programmer_error(name, "bad name");
    if (help.empty()) programmer_error(name, "has no help text");
    if (total != (type == MetricType::kCounter)) {
        programmer_error(name, "counters end in _total, and nothing else does");
    }
    auto found = families_.find(name);
    if (found == families_.end()) {
        found = families_.emplace(name, Family{}).first;
        found->second.type = type;
        found->second.help = help;
    }
    if (found->second.type != type) programmer_error(name, "has another type already");
    if (found->second.help != help) programmer_error(name, "has another help text already");
    return found->second;
}

MetricCounter& Metrics::counter(std::string_view name, std::string_view help, const MetricLabels& labels) {
    const std::lock_guard lock(mutex_);
    Family& owner = family(MetricType::kCounter, name, help);
    if (owner.callback) programmer_error(name, "comes from a callback");
    auto& slot = owner.counters[labels_text(name, labels)];
    if (!slot) slot = std::make_unique<MetricCounter>();
    return *slot;
}

MetricGauge& Metrics::gauge(std::string_view name, std::string_view help, const MetricLabels& labels) {
    const std::lock_guard lock(mutex_);
    Family& owner = family(MetricType::kGauge, name, help);
    if (owner.callback) programmer_error(name, "comes from a callback");
    auto& slot = owner.gauges[labels_text(name, labels)];
    if (!slot) slot = std::make_unique<MetricGauge>();
    return *slot;
}

void Metrics::collect(MetricType type, std::string_view name, std::string_view help,
                      std::function<std::vector<MetricSample>()> callback) {
    const std::lock_guard lock(mutex_);
    Family& owner = family(type, name, help);
    if (owner.callback || !owner.counters.empty() || !owner.gauges.empty()) {
        programmer_error(name, "is there already");
    }
    owner.callback = std::move(callback);
}

std::string Metrics::text() const {
    const std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& [name, owner] : families_) {
        out += "# HELP " + name + " ";
        append_escaped(out, owner.help, false);
        out += "\n# TYPE " + name + (owner.type == MetricType::kCounter ? " counter\n" : " gauge\n");
        for (const auto& [labels, counter] : owner.counters) {
            append_line(out, name, labels);
            out += std::to_string(counter->value()) + "\n";
        }
        for (const auto& [labels, gauge] : owner.gauges) {
            append_line(out, name, labels);
            append_number(out, gauge->value());
            out += '\n';
        }
        if (!owner.callback) continue;
        // By their text: a callback that gives one set of labels twice must not spoil the whole page.
        std::map<std::string, double> samples;
        for (const MetricSample& sample : owner.callback()) {
            samples.insert_or_assign(labels_text(name, sample.labels), sample.value);
        }
        for (const auto& [labels, value] : samples) {
            append_line(out, name, labels);
            append_number(out, value);
            out += '\n';
        }
    }
    return out;
}

}  // namespace ringside::agent
