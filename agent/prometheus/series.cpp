// What series, labels and metrics there are.
#include <charconv>
#include <set>

#include "agent/base/text.h"
#include "agent/prometheus/api.h"
#include "agent/prometheus/parameters.h"
#include "agent/prometheus/reply.h"
#include "agent/prometheus/selection.h"
#include "agent/promql/run/json.h"

namespace ringside::agent {
namespace {

// What all of these endpoints take.
struct Question {
    Period period;
    std::vector<Selector> selectors;
    std::size_t limit = 0;
};

Result<Question> read_question(const HttpForm& form) {
    auto limit = limit_parameter(form, "limit");
    if (!limit) return limit.error();
    auto period = period_parameter(form);
    if (!period) return period.error();
    auto selectors = match_parameter(form);
    if (!selectors) return invalid_parameter("match[]", selectors.error().context);
    return Question{*period, std::move(*selectors), *limit};
}

// Once, as the answer is going to show it.
void add(std::set<std::string, std::less<>>& names, std::string_view name) {
    if (name.empty() || names.contains(name)) return;
    is_utf8(name) ? names.emplace(name) : names.insert(clean_utf8(name));
}

// For labels and values, no selector means every series.
void select_all(Question& question) {
    if (question.selectors.empty()) question.selectors.emplace_back();
}

// Below zero is none here, too.
Result<std::size_t> metadata_limit(const HttpForm& form, const std::string& name) {
    const std::string& text = form.get(name);
    if (text.empty()) return std::size_t{0};
    long long limit = 0;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (failure == std::errc() && stop == text.data() + text.size()) {
        return limit < 0 ? std::size_t{0} : static_cast<std::size_t>(limit);
    }
    return error(Code::kInvalid, name + " must be a number");
}

HttpAnswer names_reply(const std::set<std::string, std::less<>>& names, std::size_t limit, ReplyNotes notes) {
    std::string reply = begin_reply() + "[";
    std::size_t count = 0;
    for (const std::string& name : names) {
        if (limit > 0 && count == limit) {
            notes.truncated();
            break;
        }
        if (count++ > 0) reply += ',';
        append_json(reply, std::string_view(name));
    }
    reply += ']';
    return finish_reply(std::move(reply), notes);
}

}  // namespace

HttpAnswer PrometheusApi::series(const Call& call) const {
    auto question = read_question(call.form);
    if (!question) return error_reply(question.error());
    if (question->selectors.empty()) return error_reply(ErrorType::kBadData, "no match[] parameter provided");
    const auto session = host_.backend.open(call.request.caller);
    std::set<promql::Labels> found;
    ReplyNotes notes{session->warnings(), {}};
    const auto walked = each_series(session->source(), question->selectors, hints_of(question->period), notes.warnings,
                                    [&](const promql::SeriesSet& set, std::size_t series) -> Result<void> {
                                        if (auto on = call.go_on(); !on) return on;
                                        found.insert(set.labels(series));
                                        return {};
                                    });
    if (!walked) return error_reply(walked.error());
    std::string reply = begin_reply() + "[";
    std::size_t count = 0;
    for (const promql::Labels& labels : found) {
        if (question->limit > 0 && count == question->limit) {
            notes.truncated();
            break;
        }
        if (count++ > 0) reply += ',';
        append_json(reply, labels);
    }
    reply += ']';
    return finish_reply(std::move(reply), notes);
}

HttpAnswer PrometheusApi::labels(const Call& call) const {
    auto question = read_question(call.form);
    if (!question) return error_reply(question.error());
    select_all(*question);
    const auto session = host_.backend.open(call.request.caller);
    std::set<std::string, std::less<>> names;
    ReplyNotes notes{session->warnings(), {}};
    const auto walked = each_series(session->source(), question->selectors, hints_of(question->period), notes.warnings,
                                    [&](const promql::SeriesSet& set, std::size_t series) -> Result<void> {
                                        if (auto on = call.go_on(); !on) return on;
                                        const promql::Labels labels = set.labels(series);  // which owns what is walked
                                        for (const Label& label : labels.set()) add(names, label.name);
                                        return {};
                                    });
    if (!walked) return error_reply(walked.error());
    return names_reply(names, question->limit, std::move(notes));
}

HttpAnswer PrometheusApi::label_values(const Call& call) const {
    constexpr std::size_t kBefore = sizeof("/api/v1/label/") - 1, kAfter = sizeof("/values") - 1;
    const std::string& path = call.request.path;
    const std::string name = unescaped_label(path.substr(kBefore, path.size() - kBefore - kAfter));
    if (name.empty() || !is_utf8(name)) return error_reply(ErrorType::kBadData, "invalid label name: " + quote(name));
    auto question = read_question(call.form);
    if (!question) return error_reply(question.error());
    select_all(*question);
    const auto session = host_.backend.open(call.request.caller);
    std::set<std::string, std::less<>> values;
    ReplyNotes notes{session->warnings(), {}};
    const auto walked = each_series(session->source(), question->selectors, hints_of(question->period), notes.warnings,
                                    [&](const promql::SeriesSet& set, std::size_t series) -> Result<void> {
                                        if (auto on = call.go_on(); !on) return on;
                                        add(values, set.label(series, name));
                                        return {};
                                    });
    if (!walked) return error_reply(walked.error());
    return names_reply(values, question->limit, std::move(notes));
}

HttpAnswer PrometheusApi::metadata(const Call& call) const {
    auto limit = metadata_limit(call.form, "limit");
    if (!limit) return error_reply(limit.error());
    auto limit_per_metric = metadata_limit(call.form, "limit_per_metric");
    if (!limit_per_metric) return error_reply(limit_per_metric.error());
    const std::string& wanted = call.form.get("metric");
    std::string reply = begin_reply() + "{";
    std::size_t count = 0;
    for (const auto& [name, readings] : host_.backend.metadata(call.request.caller)) {
        if (!wanted.empty() && name != wanted) continue;
        if (*limit > 0 && count == *limit) break;
        if (count++ > 0) reply += ',';
        append_json(reply, std::string_view(name));
        const char* before = ":[{\"type\":";
        std::size_t readings_count = 0;
        for (const MetricMetadata& one : readings) {
            if (*limit_per_metric > 0 && readings_count++ == *limit_per_metric) break;
            reply += before;
            append_json(reply, std::string_view(one.type));
            reply += ",\"help\":";
            append_json(reply, std::string_view(one.help));
            reply += ",\"unit\":";
            append_json(reply, std::string_view(one.unit));
            reply += '}';
            before = ",{\"type\":";
        }
        reply += ']';
    }
    reply += '}';
    return finish_reply(std::move(reply));
}

}  // namespace ringside::agent
