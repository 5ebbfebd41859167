#include "agent/promql/run/run.h"

#include <algorithm>
#include <charconv>
#include <new>

#include "agent/promql/syntax/parser.h"

namespace ringside::agent {
namespace {

using std::chrono::steady_clock;

// A hundred years: no sample stands for so long, and times stay far from where they overflow.
constexpr std::int64_t kLookbackMaxMs = std::int64_t{100} * 366 * 86'400 * 1'000;

Result<void> check_range(const Query& query) {
    if (query.step_ms < 0) return error(Code::kInvalid, "the step is negative; give a span such as 10s");
    if (query.end_ms < query.begin_ms) return error(Code::kInvalid, "the range ends before it begins");
    // Unsigned: a range may be longer than the half of all times.
    const auto span_ms = static_cast<std::uint64_t>(query.end_ms) - static_cast<std::uint64_t>(query.begin_ms);
    const std::uint64_t steps = span_ms / static_cast<std::uint64_t>(query.step_ms);
    if (steps > static_cast<std::uint64_t>(kQueryStepsMax)) {
        return error(Code::kInvalid, "the range has " + std::to_string(steps) + " steps, and " +
                                         std::to_string(kQueryStepsMax) + " are the most; ask for a larger step");
    }
    return {};
}

void keep_each_once(std::vector<std::string>& texts) {
    std::ranges::sort(texts);
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

std::optional<std::uint32_t> number_before(std::string_view& text, char end) {
    std::uint32_t number = 0;
    const auto [at, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    const auto length = static_cast<std::size_t>(at - text.data());
    if (failed != std::errc() || length == text.size() || *at != end) return std::nullopt;
    text.remove_prefix(length + 1);
    return number;
}

// With what the session knows beside the values.
QueryAnswer answer_of(const Query& query, promql::QueryResult result, const QuerySession& session) {
    QueryAnswer answer;
    answer.value = std::move(result.value);
    answer.warnings = std::move(result.warnings);
    for (std::string& gap : session.warnings()) answer.warnings.push_back(std::move(gap));
    for (const promql::Note& note : result.notes) {
        (note.level == promql::NoteLevel::kWarning ? answer.warnings : answer.infos)
            .push_back(promql::note_text(note, query.text));
    }
    keep_each_once(answer.warnings);
    keep_each_once(answer.infos);
    answer.stats = result.stats;
    answer.reports = session.reports();
    return answer;
}

}  // namespace

Result<promql::ExprPtr> check_query(const Query& query, const QueryLimits& limits) {
    auto expr =
        promql::parse_query(query.text, limits.experimental ? promql::ParseOptions::all() : promql::ParseOptions{});
    if (!expr || query.step_ms == 0) return expr;
    if (auto fits = check_range(query); !fits) return fits.error();
    const promql::ValueType type = (*expr)->type();
    if (type != promql::ValueType::kScalar && type != promql::ValueType::kVector) {
        return error(Code::kInvalid, std::string("a range query cannot be of a ") + promql::value_type_text(type) +
                                         ", as that has no value at each step; it must be a scalar or an instant "
                                         "vector");
    }
    return expr;
}

std::optional<QueryPosition> query_position(const Error& error) {
    std::string_view text = error.context;
    const auto line = number_before(text, ':');
    const auto column = line ? number_before(text, ':') : std::nullopt;
    if (!column || !text.starts_with(" parse error")) return std::nullopt;
    return QueryPosition{*line, *column};
}

Result<QueryAnswer> run_query(const Query& query, const promql::Expr& expr, const QueryLimits& limits,
                              QuerySession& session, const std::function<bool()>& out_of_time) try {
    const auto begin = steady_clock::now();
    promql::EngineOptions options;
    options.lookback_ms = std::min(query.lookback_ms > 0 ? query.lookback_ms : limits.lookback_ms, kLookbackMaxMs);
    promql::EvaluationLimits bounds;
    bounds.samples_max = limits.samples_max;
    bounds.out_of_time = out_of_time;
    const promql::Engine engine(options);
    auto result = query.step_ms == 0
                      ? engine.instant(expr, query.begin_ms, session.source(), bounds)
                      : engine.range(expr, query.begin_ms, query.end_ms, query.step_ms, session.source(), bounds);
    if (!result) return result.error();
    QueryAnswer answer = answer_of(query, std::move(*result), session);
    answer.took = steady_clock::now() - begin;
    return answer;
} catch (const std::bad_alloc&) {
    // The largest ones take hundreds of MiB, and the process has more to do than to answer them.
    return error(Code::kExhausted, "no memory for this query; ask for fewer series or a larger step");
}

}  // namespace ringside::agent
