// query and query_range, and what only looks at the text of a query.
#include <algorithm>

#include "agent/prometheus/api.h"
#include "agent/prometheus/json.h"
#include "agent/prometheus/parameters.h"
#include "agent/prometheus/reply.h"
#include "agent/prometheus/tree.h"
#include "agent/promql/engine/engine.h"
#include "agent/promql/syntax/parser.h"
#include "agent/promql/syntax/printer.h"

namespace ringside::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::int64_t kPointsMax = 11'000;

// What the parameters say about how a query is run.
struct Run {
    promql::ExprPtr expr;
    promql::EngineOptions engine;
    milliseconds timeout;
    std::size_t limit = 0;  // of series; 0: none
};

Result<promql::ExprPtr> parsed(const HttpForm& form, bool experimental) {
    auto expr =
        promql::parse_query(form.get("query"), experimental ? promql::ParseOptions::all() : promql::ParseOptions{});
    if (!expr) return invalid_parameter("query", expr.error().context);
    return expr;
}

Result<Run> read_run(const HttpForm& form, const QueryOptions& options) {
    Run run;
    auto limit = limit_parameter(form, "limit");
    if (!limit) return limit.error();
    run.limit = *limit;
    auto timeout = duration_parameter(form, "timeout", options.timeout.count());
    if (!timeout) return timeout.error();
    run.timeout = std::min(options.timeout, milliseconds(*timeout));
    run.engine.lookback_ms = options.lookback_ms;
    if (const std::string& lookback = form.get("lookback_delta"); !lookback.empty()) {
        auto duration = parse_duration_ms(lookback);
        if (!duration)
            return error(Code::kInvalid, "error parsing lookback delta duration: " + duration.error().context);
        // Zero and less stand for the server's own, as there.
        if (*duration > 0) run.engine.lookback_ms = *duration;
    }
    auto expr = parsed(form, options.experimental);
    if (!expr) return expr.error();
    run.expr = std::move(*expr);
    return run;
}

// A query is long for as long as it was when it was asked before.
class Remembered {
  public:
    Remembered(LongQueries& queries, const std::string& text, FairPool::Turn& turn)
        : queries_(queries), text_(text), turn_(turn) {
        if (queries_.has(text_)) turn_.expect_long();
    }
    ~Remembered() { queries_.put(text_, turn_.was_costly()); }
    Remembered(const Remembered&) = delete;
    Remembered& operator=(const Remembered&) = delete;

  private:
    LongQueries& queries_;
    const std::string& text_;
    FairPool::Turn& turn_;
};

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

// What Prometheus tells, and under "ringside" where the samples came from.
void append_stats(std::string& out, const promql::QueryStats& stats, steady_clock::duration took,
                  const std::vector<ReadReport>& reports) {
    const std::string seconds = std::to_string(std::chrono::duration<double>(took).count());
    out += ",\"stats\":{\"timings\":{\"evalTotalTime\":" + seconds +
           ",\"resultSortTime\":0,\"queryPreparationTime\":0,\"innerEvalTime\":" + seconds +
           ",\"execQueueTime\":0,\"execTotalTime\":" + seconds +
           "},\"samples\":{\"totalQueryableSamples\":" + std::to_string(stats.samples_read) +
           ",\"peakSamples\":" + std::to_string(stats.samples_peak) + "},\"ringside\":{\"selections\":[";
    const char* before = "{\"selector\":";
    for (const ReadReport& report : reports) {
        out += before;
        append_json(out, std::string_view(report.selector));
        out += ",\"seriesByTierSeconds\":{";
        const char* comma = "";
        for (const auto& [resolution_s, series] : report.series_by_resolution_s) {
            out += comma + ("\"" + std::to_string(resolution_s) + "\":" + std::to_string(series));
            comma = ",";
        }
        out += "},\"windows\":" + std::to_string(report.windows) + ",\"bytes\":" + std::to_string(report.bytes) +
               ",\"newest\":";
        append_json_time(out, report.newest_ms);
        out += '}';
        before = ",{\"selector\":";
    }
    out += "]}}";
}

// An error of the evaluation, as opposed to one of the parameters.
HttpAnswer failed(const Error& error, const FairPool::Turn& turn) {
    if (turn.hung_up()) return error_reply(ErrorType::kCanceled, "query was canceled in expression evaluation");
    if (turn.is_refused()) return error_reply(ErrorType::kUnavailable, kTooManyLong);
    if (error.code == Code::kInvalid) return error_reply(ErrorType::kExecution, error.message());
    return error_reply(error);
}

// What one query may use.
struct Means {
    const QueryOptions& options;
    SampleBudget::Share share;
    FairPool::Turn& turn;
    steady_clock::time_point deadline;

    std::uint64_t samples_max() const { return std::min(options.samples_max, share.samples()); }
    bool out_of_time() { return turn.hung_up() || !turn.go_on(deadline) || steady_clock::now() >= deadline; }

    // For an answer of so many bytes.
    Result<void> room(std::size_t bytes) {
        if (bytes > options.answer_bytes_max) {
            return error(Code::kExhausted, "the answer is larger than " +
                                               std::to_string(options.answer_bytes_max >> 20) +
                                               " MiB; ask for fewer series, a shorter time or a larger step");
        }
        if (out_of_time()) return error(Code::kTimeout, "query timed out while its answer was written");
        return {};
    }
};

// Evaluates with `evaluate(engine, source, limits)` and writes the answer.
template <typename Evaluate>
HttpAnswer answered(const HttpForm& form, const Run& run, QuerySession& session, Means means, std::int64_t time_ms,
                    Evaluate evaluate) {
    const auto begin = steady_clock::now();
    // One that is known to be long begins as such.
    if (means.out_of_time()) return failed(error(Code::kTimeout, "query timed out before it began"), means.turn);
    promql::EvaluationLimits limits;
    limits.samples_max = means.samples_max();
    limits.out_of_time = [&] { return means.out_of_time(); };
    Result<promql::QueryResult> result = evaluate(promql::Engine(run.engine), session.source(), limits);
    if (!result && result.error().code == Code::kExhausted && means.samples_max() < means.options.samples_max) {
        return error_reply(ErrorType::kUnavailable, "other queries have too many samples in memory; try again");
    }
    if (!result) return failed(result.error(), means.turn);

    ReplyNotes notes;
    notes.add(result->notes, form.get("query"));
    for (const auto& more : {result->warnings, session.warnings()}) {
        notes.warnings.insert(notes.warnings.end(), more.begin(), more.end());
    }
    if (cut(result->value, run.limit)) notes.truncated();
    std::string reply = begin_reply() + "{";
    if (auto written = append_json(reply, result->value, time_ms, [&](std::size_t bytes) { return means.room(bytes); });
        !written) {
        return failed(written.error(), means.turn);
    }
    if (!form.get("stats").empty()) {
        append_stats(reply, result->stats, steady_clock::now() - begin, session.reports());
    }
    return finish_reply(reply + "}", notes);
}

}  // namespace

HttpAnswer PrometheusApi::query(const Call& call) const {
    auto time = time_parameter(call.form, "time", backend_.now_ms());
    if (!time) return error_reply(time.error());
    auto run = read_run(call.form, options_);
    if (!run) return error_reply(run.error());
    const auto session = backend_.open(call.request.caller);
    const Remembered remembered(long_queries_, call.form.get("query"), call.turn);
    return answered(call.form, *run, *session,
                    {options_, SampleBudget::Share(budget_), call.turn, steady_clock::now() + run->timeout}, *time,
                    [&](const promql::Engine& engine, promql::SampleSource& source, const auto& limits) {
                        return engine.instant(*run->expr, *time, source, limits);
                    });
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
    if ((*end - *begin) / *step > kPointsMax) {
        return error_reply(ErrorType::kBadData,
                           "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
                           "resolution (?step=XX)");
    }
    auto run = read_run(call.form, options_);
    if (!run) return error_reply(run.error());
    const promql::ValueType type = run->expr->type();
    if (type != promql::ValueType::kScalar && type != promql::ValueType::kVector) {
        return error_reply(invalid_parameter("query", std::string("invalid expression type \"") +
                                                          promql::value_type_text(type) +
                                                          "\" for range query, must be Scalar or instant Vector"));
    }
    const auto session = backend_.open(call.request.caller);
    const Remembered remembered(long_queries_, call.form.get("query"), call.turn);
    return answered(call.form, *run, *session,
                    {options_, SampleBudget::Share(budget_), call.turn, steady_clock::now() + run->timeout}, *end,
                    [&](const promql::Engine& engine, promql::SampleSource& source, const auto& limits) {
                        return engine.range(*run->expr, *begin, *end, *step, source, limits);
                    });
}

HttpAnswer PrometheusApi::format_query(const Call& call) const {
    auto expr = parsed(call.form, options_.experimental);
    if (!expr) return error_reply(expr.error());
    std::string reply = begin_reply();
    append_json(reply, std::string_view(promql::format_query(**expr)));
    return finish_reply(std::move(reply));
}

HttpAnswer PrometheusApi::parse_query(const Call& call) const {
    auto expr = parsed(call.form, options_.experimental);
    if (!expr) return error_reply(expr.error());
    std::string reply = begin_reply();
    append_json_tree(reply, **expr);
    return finish_reply(std::move(reply));
}

}  // namespace ringside::agent
