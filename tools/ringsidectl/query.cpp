// ringsidectl query: what an expression of PromQL comes to.
#include <cstdio>
#include <memory>
#include <utility>

#include "tools/ringsidectl/client.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/query_ask.h"
#include "tools/ringsidectl/query_json.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;
constexpr const char* kHome = "\033[H\033[J";  // to the top left, and nothing below

struct Options {
    QueryOptions query;
    bool explain = false;
    std::string section;
    std::uint64_t watch_ns = 0;  // 0: once
    std::uint64_t count = 0;     // 0: no limit
};

Document tables(const AskedAnswer& asked, const Options& options, std::size_t width) {
    Document document{.kind = "query"};
    if (!is_empty(asked.answer)) document.sections = answer_tables(asked, width);
    if (options.explain) {
        for (Section& section : explain_tables(asked, width)) document.sections.push_back(std::move(section));
    }
    return document;
}

int print_once(const Session& session, const Options& options) {
    const auto asked = ask(session, options.query);
    if (!asked) return fail_query(asked.error(), options.query.expression);
    Output output = session.output();
    if (session.format == Format::kJson) {
        std::fputs(answer_json(*asked, options.explain).c_str(), stdout);
    } else if (session.format == Format::kCsv || !options.section.empty()) {
        Document document = answer_document(*asked);
        document.keep(options.section);
        output.print(document);
    } else {
        output.print(tables(*asked, options, terminal_width(stdout)));
        if (is_empty(asked->answer)) note(nothing_found(*asked, options.query.files.empty()));
    }
    return finish(output, note_gaps(asked->answer));
}

// One answer of many.
void print_watched(Output& output, const AskedAnswer& asked, std::uint64_t dropped, const Options& options,
                   bool is_live) {
    if (output.format() == Format::kJson) {
        std::fputs(answer_json(asked, options.explain, dropped).c_str(), stdout);
        return;
    }
    if (output.format() == Format::kCsv) {
        for (const auto& row : sample_rows(asked)) output.stream_row(row);
        return;
    }
    if (is_live) std::fputs(kHome, stdout);
    output.print(tables(asked, options, terminal_width(stdout)));
    if (is_empty(asked.answer)) {
        std::fprintf(stdout, "no series at %s\n", cell_text(now_ns(), Unit::kTime).c_str());
    }
    if (!is_live) std::fputs("\n", stdout);
}

int watch(const Session& session, const Options& options) {
    if (auto fit = check_spans({{"--watch", options.watch_ns}, {"--lookback", options.query.lookback_ns}}); !fit) {
        return fail(fit.error());
    }
    v1::WatchQueryRequest request;
    request.set_query(options.query.expression);
    request.set_interval_ms(static_cast<std::int64_t>(options.watch_ns / kNsPerMs));
    request.set_lookback_ms(static_cast<std::int64_t>(options.query.lookback_ns / kNsPerMs));
    Output output = session.output();
    if (session.format == Format::kCsv) output.begin_stream("sample", sample_columns(), 0);
    // Where there is no cursor to move, one answer follows the other.
    const bool is_live = is_screen(stdout);
    std::uint64_t seen = 0;
    ExitCode code = kExitOk;
    Client client(session.socket, session.timeout_ns);
    const auto result = client.watch_query(request, [&](Client::WatchedAnswer& watched) {
        AskedAnswer asked{
            {request.query(), watched.time_ms, watched.time_ms, 0, 0}, std::move(watched.answer), now_ns()};
        print_watched(output, asked, watched.dropped, options, is_live);
        // On a screen they stand below the table until that is drawn anew.
        if (note_gaps(asked.answer) != kExitOk) code = kExitPartial;
        if (watched.dropped > 0) {
            code = kExitPartial;
            note(std::to_string(watched.dropped) + " answers were left out here: this reader was too slow");
        }
        ++seen;
        return (options.count == 0 || seen < options.count) && output.flush();
    });
    if (!result) return fail_query(result.error(), options.query.expression);
    return finish(output, code);
}

int run(const Session& session, const Options& options) {
    const QueryOptions& query = options.query;
    if (session.format == Format::kJson && !options.section.empty()) {
        return fail(kExitUsage, "--section is of tables and CSV: JSON is one document, as the HTTP API answers");
    }
    if (options.watch_ns == 0) {
        if (options.count != 0) return fail(kExitUsage, "--count is of --watch: say how often, such as --watch 1s");
        if (query.step_ns != 0 && query.range_ns == 0) {
            return fail(kExitUsage, "--step is of a range: say how long it is, such as --range 10m");
        }
        return print_once(session, options);
    }
    if (!query.files.empty()) return fail(kExitUsage, "--watch asks the agent: leave the files out");
    if (query.time_ns || query.range_ns != 0 || query.step_ns != 0) {
        return fail(kExitUsage, "--watch evaluates at the time that it is: leave --time, --range and --step out");
    }
    return watch(session, options);
}

}  // namespace

void add_query(Command& root, const Session& session) {
    Command command = root.add("query", "Evaluate an expression of PromQL over live and drained VMs, or over files");
    auto options = std::make_shared<Options>();
    add_query_options(command, options->query, "Over this span up to --time; left out: at one time");
    command.flag("--explain", options->explain, "Also which tiers and columns were read, how much, and how old it is");
    command.duration("-w,--watch", options->watch_ns, "Evaluate it again and again, this often, until Ctrl-C")
        .type("INTERVAL");
    command.number("-n,--count", options->count, "End after this many answers of --watch");
    add_section_choice(command, options->section, {"query", "samples", "selections"});
    command.footer(
        "Labels that all series have in common stand above the table. In files there are no labels\n"
        "`instance` and `job`. {ringside_tier=\"10s\"} in a selector names the tier to read. JSON is what\n"
        "the HTTP API of Prometheus answers; of --watch there is a line each.");
    command.run([&session, options] { return run(session, *options); });
}

}  // namespace ringside::ctl
