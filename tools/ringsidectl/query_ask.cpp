#include "tools/ringsidectl/query_ask.h"

#include <algorithm>
#include <cstdio>

#include "tools/ringsidectl/client.h"
#include "tools/ringsidectl/query_files.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

namespace promql = agent::promql;

constexpr std::uint64_t kNsPerMs = 1'000'000;
constexpr std::uint64_t kNsPerS = 1'000'000'000;

std::int64_t ms_of(std::uint64_t ns) { return static_cast<std::int64_t>(ns / kNsPerMs); }
// Up, so that the last, partial window of a VM is not cut off with its milliseconds.
std::int64_t ms_up(std::uint64_t ns) { return static_cast<std::int64_t>((ns + kNsPerMs - 1) / kNsPerMs); }

// A range ends at a whole second, since windows do. Of an end without one it is the next one.
std::int64_t second_up(std::int64_t ms) { return (ms + 999) / 1000 * 1000; }

agent::Query query_of(const QueryOptions& options, std::int64_t end_ms) {
    agent::Query query{options.expression, end_ms, end_ms, 0, ms_of(options.lookback_ns)};
    if (options.range_ns == 0) return query;
    query.step_ms = ms_of(options.step_ns ? options.step_ns : step_for(options.range_ns, options.points));
    query.begin_ms = std::max<std::int64_t>(0, end_ms - ms_of(options.range_ns));
    return query;
}

Result<agent::QueryAnswer> ask_agent(const Session& session, const agent::Query& query) {
    Client client(session.socket, session.timeout_ns);
    if (query.step_ms == 0) {
        v1::QueryRequest request;
        request.set_query(query.text);
        request.set_time_ms(query.begin_ms);
        request.set_lookback_ms(query.lookback_ms);
        return client.query(request);
    }
    v1::QueryRangeRequest request;
    request.set_query(query.text);
    request.set_begin_ms(query.begin_ms);
    request.set_end_ms(query.end_ms);
    request.set_step_ms(query.step_ms);
    request.set_lookback_ms(query.lookback_ms);
    return client.query(request);
}

}  // namespace

void add_query_options(Command& command, QueryOptions& options, const std::string& range_help) {
    command
        .text("EXPRESSION", options.expression,
              "PromQL, such as 'sum by (vm_id) (rate(vmm_block_requests_total[30s]))'; behind -- if it begins with -")
        .required();
    command
        .texts(
            "FILE", options.files,
            "Segments, archive files, and folders of them, to be read without the agent; left out: the agent is asked")
        .hint({Hint::kFile});
    command.time("--time", options.time_ns,
                 "At this time, or up to it; left out: now, or the last end of the files' VMs");
    command.duration("--range", options.range_ns, range_help);
    command.duration("--step", options.step_ns, "Between the points of a range; left out: what suits its length");
    command.duration("--lookback", options.lookback_ns, "How long a sample stands for its series").shows("5m");
}

std::uint64_t step_for(std::uint64_t range_ns, std::uint64_t points) {
    constexpr std::uint64_t kSteps[] = {1,   2,   5,    10,   15,   30,    60,    120,  300,
                                        600, 900, 1800, 3600, 7200, 21600, 43200, 86400};
    const std::uint64_t parts_ns = std::max<std::uint64_t>(points, 1) * kNsPerS;
    const std::uint64_t least_s = range_ns / parts_ns + (range_ns % parts_ns != 0 ? 1 : 0);
    for (std::uint64_t step_s : kSteps) {
        if (step_s >= least_s) return step_s * kNsPerS;
    }
    return (least_s + 86399) / 86400 * 86400 * kNsPerS;
}

Result<void> check_spans(std::initializer_list<std::pair<const char*, std::uint64_t>> spans_ns) {
    for (const auto& [name, span_ns] : spans_ns) {
        if (span_ns == 0 || span_ns >= kNsPerMs) continue;
        return agent::error(agent::Code::kInvalid, std::string(name) + " is below 1ms, in which PromQL counts time");
    }
    return {};
}

Result<AskedAnswer> ask(const Session& session, const QueryOptions& options) {
    const auto fit =
        check_spans({{"--range", options.range_ns}, {"--step", options.step_ns}, {"--lookback", options.lookback_ns}});
    if (!fit) return fit.error();
    const std::uint64_t now = now_ns();
    std::optional<QueriedFiles> files;
    if (!options.files.empty()) {
        auto opened = open_queried_files(options.files, now);
        if (!opened) return opened.error();
        files = std::move(*opened);
    }
    std::int64_t end_ms = options.time_ns ? ms_of(*options.time_ns) : ms_up(files ? files->end_ns : now);
    // An instant may be any; the steps of a range look better at whole seconds.
    if (options.range_ns != 0 && !options.time_ns) end_ms = files ? second_up(end_ms) : end_ms / 1000 * 1000;
    AskedAnswer asked{query_of(options, end_ms), {}, now};
    auto answer = files ? query_files(*files, asked.query, now) : ask_agent(session, asked.query);
    if (!answer) return answer.error();
    asked.answer = std::move(*answer);
    return asked;
}

int fail_query(const agent::Error& error, const std::string& expression) {
    const int code = fail(error);
    const auto position = agent::query_position(error);
    if (!position) return code;
    std::size_t begin = 0;
    for (std::uint32_t line = 1; line < position->line && begin != std::string::npos; ++line) {
        begin = expression.find('\n', begin);
        if (begin != std::string::npos) ++begin;
    }
    if (begin == std::string::npos) return code;
    const std::string line = expression.substr(begin, expression.find('\n', begin) - begin);
    const std::string before = printable(line.substr(0, position->column - 1));
    std::fprintf(stderr, "  %s\n  %s^\n", printable(line).c_str(), std::string(width_of(before), ' ').c_str());
    return code;
}

ExitCode note_gaps(const agent::QueryAnswer& answer) {
    for (const std::string& text : answer.warnings) note(text);
    for (const std::string& text : answer.infos) note(text);
    return answer.warnings.empty() ? kExitOk : kExitPartial;
}

bool is_empty(const agent::QueryAnswer& answer) {
    if (const auto* vector = std::get_if<promql::VectorValue>(&answer.value)) return vector->empty();
    if (const auto* matrix = std::get_if<promql::MatrixValue>(&answer.value)) return matrix->empty();
    return false;
}

}  // namespace ringside::ctl
