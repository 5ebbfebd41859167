// /federate: the newest sample of each series, for another Prometheus to scrape.
#include <map>

#include "agent/base/labels.h"
#include "agent/base/text.h"
#include "agent/prometheus/api.h"
#include "agent/prometheus/reply.h"
#include "agent/prometheus/selection.h"
#include "agent/promql/value/number.h"

namespace ringside::agent {
namespace {

struct Newest {
    std::int64_t time_ms = 0;
    double value = 0;
};

std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    for (const char c : clean_utf8(text)) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

// `name{label="value",instance=""} value time`. Without an instance of its own a series must not take that of this agent
// when it is scraped with honor_labels, so it says that it has none.
void append_line(std::string& out, const promql::Labels& labels, const Newest& newest) {
    const std::string_view name = labels.metric_name();
    const bool plain_name = is_metric_name(name);
    if (plain_name) out += name;
    const char* before = "{";
    const auto put = [&](std::string_view label, std::string_view value) {
        out += before + (is_label_name(label) ? std::string(label) : in_quotes(label)) + "=" + in_quotes(value);
        before = ",";
    };
    if (!plain_name) {
        out += "{" + in_quotes(name);
        before = ",";
    }
    for (const Label& label : labels.set()) {
        if (label.name != kNameLabel) put(label.name, label.value);
    }
    if (labels.get("instance").empty()) put("instance", "");
    out += "} " + promql::short_number(newest.value) + " " + std::to_string(newest.time_ms) + "\n";
}

}  // namespace

HttpAnswer PrometheusApi::federate(const Call& call) const {
    auto selectors = match_parameter(call.form);
    if (!selectors) return {.status = 400, .body = selectors.error().context + "\n"};
    const std::int64_t now_ms = host_.backend.now_ms();
    const auto session = host_.backend.open(call.request.caller);
    std::map<promql::Labels, Newest> found;
    std::vector<std::string> warnings;  // The format has no place for them.
    promql::SampleBuffer buffer;
    promql::SelectHints hints = hints_of({now_ms - host_.limits.lookback_ms + 1, now_ms});
    hints.wanted_ms = now_ms;  // The newest sample is in the finest tier; older ones only stand in for it.
    const auto walked =
        each_series(session->source(), *selectors, hints, warnings,
                    [&](const promql::SeriesSet& set, std::size_t series) -> Result<void> {
                        if (auto on = call.go_on(); !on) return on;
                        auto span = set.read(series, now_ms - host_.limits.lookback_ms, now_ms, buffer);
                        if (!span) return span.error();
                        const promql::FloatSamples& floats = span->floats;
                        const promql::HistogramSamples& histograms = span->histograms;
                        if (floats.count == 0) return {};
                        const Newest newest{floats.times_ms[floats.count - 1], floats.values[floats.count - 1]};
                        // Native histograms have no place in the text format.
                        if (histograms.count > 0 && histograms.times_ms[histograms.count - 1] > newest.time_ms)
                            return {};
                        if (!promql::is_stale(newest.value)) found.emplace(set.labels(series), newest);
                        return {};
                    });
    if (!walked) return {.status = error_reply(walked.error()).status, .body = walked.error().message() + "\n"};
    HttpAnswer answer{.content_type = "text/plain; version=0.0.4; charset=utf-8"};
    // Labels sort by the name of the label first, and __name__ comes before all that begin with a small letter; a name with
    // a capital may come earlier, so families are put together here.
    std::map<std::string, std::string> families;
    for (const auto& [labels, newest] : found) {
        append_line(families[std::string(labels.metric_name())], labels, newest);
    }
    for (const auto& [name, lines] : families) {
        answer.body += "# TYPE " + (is_metric_name(name) ? name : in_quotes(name)) + " untyped\n" + lines;
    }
    return answer;
}

}  // namespace ringside::agent
