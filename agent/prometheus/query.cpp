// query and query_range, and what only looks at the text of a query.
#include <algorithm>

#include "agent/prometheus/api.h"
#include "agent/prometheus/parameters.h"
#include "agent/prometheus/reply.h"
#include "agent/prometheus/tree.h"
#include "agent/promql/run/json.h"
#include "agent/promql/run/turn.h"
#include "agent/promql/syntax/parser.h"
#include "agent/promql/syntax/printer.h"

namespace ringside::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What the parameters say about how a query is run.
struct Run {
    promql::ExprPtr expr;
    std::int64_t lookback_ms = 0;  // 0: that of the limits
    milliseconds timeout;
    std::size_t limit = 0;  // of series; 0: none
};

Result<promql::ExprPtr> parsed(const HttpForm& form, bool experimental) {
    auto expr =
        promql::parse_query(form.get("query"), experimental ? promql::ParseOptions::all() : promql::ParseOptions{});
    if (!expr) return invalid_parameter("query", expr.error().context);
    return expr;
}

Result<Run> read_run(const HttpForm& form, const QueryLimits& limits) {
    Run run;
    auto limit = limit_parameter(form, "limit");
    if (!limit) return limit.error();
    run.limit = *limit;
    auto timeout = duration_parameter(form, "timeout", limits.timeout.count());
    if (!timeout) return timeout.error();
    run.timeout = std::min(limits.timeout, milliseconds(*timeout));
    if (const std::string& lookback = form.get("lookback_delta"); !lookback.empty()) {
        auto duration = parse_duration_ms(lookback);
        if (!duration)
            return error(Code::kInvalid, "error parsing lookback delta duration: " + duration.error().context);
        // Zero and less stand for the server's own, as there.
        run.lookback_ms = std::max<std::int64_t>(0, *duration);
    }
    auto expr = parsed(form, limits.experimental);
    if (!expr) return expr.error();
    run.expr = std::move(*expr);
    return run;
}

template <typename List>
bool cut(List& list, std::size_t limit) {
    if (limit == 0 || list.size() <= limit) return false;
    list.resize(limit);
    return true;
}

bool cut(promql::QueryValue& value, std::size_t limit) {
    if (auto* vector = std::get_if<promql::VectorValue>(&value)) return cut(*vector, limit);
    if (auto* matrix = std::get_if<promql::MatrixValue>(&value)) return cut(*matrix, limit);
    return false;
}

// An error of the evaluation, as opposed to one of the parameters.
HttpAnswer failed(const Error& error, const FairPool::Turn& turn) {
    if (turn.hung_up()) return error_reply(ErrorType::kCanceled, "query was canceled in expression evaluation");
    if (error.code == Code::kInvalid) return error_reply(ErrorType::kExecution, error.message());
    return error_reply(error);
}

Result<void> fits(std::size_t bytes, std::size_t bytes_max) {
    if (bytes <= bytes_max) return {};
    return error(Code::kExhausted, "the answer is larger than " + std::to_string(bytes_max >> 20) +
                                       " MiB; ask for fewer series, a shorter time or a larger step");
}

}  // namespace

std::optional<FairPool::Expected> PrometheusApi::expected(const HttpRequest& request) const {
    constexpr std::size_t kBytesMax = 4096;  // It is asked on the thread that serves every connection.
    const bool is_range = request.path == "/api/v1/query_range";
    if (!is_range && request.path != "/api/v1/query") return std::nullopt;
    if (request.query.size() + request.body.size() > kBytesMax) return std::nullopt;
    const HttpForm form(request);
    Query query{.text = form.get("query")};
    if (is_range) {
        const auto begin = parse_time_ms(form.get("start")), end = parse_time_ms(form.get("end"));
        const auto step = parse_duration_ms(form.get("step"));
        if (!begin || !end || !step) return std::nullopt;
        query.begin_ms = *begin;
        query.end_ms = *end;
        query.step_ms = *step;
    }
    return host_.costs.find(request.caller, query);
}

HttpAnswer PrometheusApi::evaluate(const Call& call, const promql::Expr& expr, const Query& query, milliseconds timeout,
                                   std::size_t limit) const {
    const auto session = host_.backend.open(call.request.caller);
    QueryTurn turn(host_, call.request.caller, query, call.turn, steady_clock::now() + timeout);
    auto answer = turn.run(expr, *session);
    if (!answer) return failed(answer.error(), call.turn);
    ReplyNotes notes{std::move(answer->warnings), std::move(answer->infos)};
    if (cut(answer->value, limit)) notes.truncated();
    std::string reply = begin_reply();
    const auto room = [&](std::size_t bytes) -> Result<void> {
        if (auto enough = fits(bytes, options_.answer_bytes_max); !enough) return enough;
        return turn.go_on();
    };
    const bool stats = !call.form.get("stats").empty();
    if (auto written = append_json(reply, *answer, query.newest_ms(), stats, room); !written) {
        return failed(written.error(), call.turn);
    }
    return finish_reply(std::move(reply), notes);
}

HttpAnswer PrometheusApi::query(const Call& call) const {
    auto time = time_parameter(call.form, "time", host_.backend.now_ms());
    if (!time) return error_reply(time.error());
    auto run = read_run(call.form, host_.limits);
    if (!run) return error_reply(run.error());
    return evaluate(call, *run->expr, {call.form.get("query"), *time, *time, 0, run->lookback_ms}, run->timeout,
                    run->limit);
}

HttpAnswer PrometheusApi::query_range(const Call& call) const {
    auto begin = parse_time_ms(call.form.get("start"));
    if (!begin) return error_reply(invalid_parameter("start", begin.error().context));
    auto end = parse_time_ms(call.form.get("end"));
    if (!end) return error_reply(invalid_parameter("end", end.error().context));
    if (*end < *begin) return error_reply(invalid_parameter("end", "end timestamp must not be before start time"));
    auto step = parse_duration_ms(call.form.get("step"));
    if (!step) return error_reply(invalid_parameter("step", step.error().context));
    if (*step <= 0) {
        return error_reply(invalid_parameter(
            "step", "zero or negative query resolution step widths are not accepted. Try a positive integer"));
    }
    if ((*end - *begin) / *step > kQueryStepsMax) {
        return error_reply(ErrorType::kBadData,
                           "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
                           "resolution (?step=XX)");
    }
    auto run = read_run(call.form, host_.limits);
    if (!run) return error_reply(run.error());
    const promql::ValueType type = run->expr->type();
    if (type != promql::ValueType::kScalar && type != promql::ValueType::kVector) {
        return error_reply(invalid_parameter("query", std::string("invalid expression type \"") +
                                                          promql::value_type_text(type) +
                                                          "\" for range query, must be Scalar or instant Vector"));
    }
    return evaluate(call, *run->expr, {call.form.get("query"), *begin, *end, *step, run->lookback_ms}, run->timeout,
                    run->limit);
}

HttpAnswer PrometheusApi::format_query(const Call& call) const {
    auto expr = parsed(call.form, host_.limits.experimental);
    if (!expr) return error_reply(expr.error());
    std::string reply = begin_reply();
    append_json(reply, std::string_view(promql::format_query(**expr)));
    return finish_reply(std::move(reply));
}

HttpAnswer PrometheusApi::parse_query(const Call& call) const {
    auto expr = parsed(call.form, host_.limits.experimental);
    if (!expr) return error_reply(expr.error());
    std::string reply = begin_reply();
    append_json_tree(reply, **expr);
    return finish_reply(std::move(reply));
}

}  // namespace ringside::agent
