// ringsidectl events: what happened to VMs, and what happens.
#include <memory>
#include <vector>

#include "tools/ringsidectl/client.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/names.h"
#include "tools/ringsidectl/report.h"

namespace ringside::ctl {
namespace {

struct Options {
    std::vector<std::string> vm_ids;
    std::vector<std::string> kinds;
    bool follow = false;
    bool new_only = false;
    std::uint64_t after = 0;
    std::uint64_t count = 0;  // 0: no limit
};

std::vector<Column> columns() {
    return {{"time_ns", Unit::kTimeMs},
            {"sequence", Unit::kNumber, "SEQ"},
            {"event"},
            {"vm_id"},
            {"component"},
            {"epoch"},
            {"uid", Unit::kNumber},
            {"exit_cause"},
            {"exit_signal", Unit::kNumber},
            {"close_code", Unit::kNumber},
            {"upstream"},
            {"window_end_ns", Unit::kTime},
            {"samples", Unit::kNumber},
            {"file"},
            {"text"}};
}

std::vector<Value> row(const v1::Event& event) {
    const bool pushed = event.kind() == v1::EVENT_KIND_PUSHED;
    const bool ended = event.kind() == v1::EVENT_KIND_EXITED || event.kind() == v1::EVENT_KIND_DRAINED;
    return {event.time_ns(),
            event.sequence(),
            event_name(event.kind()),
            event.vm().vm_id(),
            event.vm().component(),
            event.vm().epoch(),
            std::uint64_t{event.uid()},
            ended ? Value(exit_cause_name(event.exit_cause())) : Value(),
            exit_signal_of(event),
            close_code_of(event),
            pushed ? Value(event.upstream()) : Value(),
            RSIDE_OPTIONAL(event, window_end_ns),
            pushed ? Value(event.samples()) : Value(),
            event.file().empty() ? Value() : Value(event.file()),
            event.text()};
}

// A table has one line an event: when, what, which VM, and the rest as words.
std::vector<Column> table_columns() {
    return {{"time_ns", Unit::kTimeMs},
            {"event", Unit::kText, "EVENT      "},
            {"vm", Unit::kText, "VM                  "},
            {"details"}};
}

std::string details(const v1::Event& event) {
    std::string text;
    const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : " ") + more; };
    if (event.kind() == v1::EVENT_KIND_EXITED || event.kind() == v1::EVENT_KIND_DRAINED) {
        add(exit_cause_name(event.exit_cause()));
        if (event.has_exit_signal()) add("signal=" + std::to_string(event.exit_signal()));
        if (event.has_close_code()) add("code=" + std::to_string(event.close_code()));
    }
    if (event.kind() == v1::EVENT_KIND_PUSHED) {
        add("to " + event.upstream() + ": " + std::to_string(event.samples()) + " samples");
        if (event.has_window_end_ns()) add("up to " + cell_text(event.window_end_ns(), Unit::kTime));
    }
    if (!event.file().empty()) add(event.file() + ":");
    if (!event.text().empty()) add(event.text());
    return text;
}

std::vector<Value> table_row(const v1::Event& event) {
    std::string vm = event.vm().vm_id();
    if (!event.vm().component().empty()) vm += "/" + event.vm().component();
    return {event.time_ns(), event_name(event.kind()), vm, details(event)};
}

int run(const Session& session, const Options& options) {
    if (options.new_only && !options.follow) return fail(kExitUsage, "--new shows only what is to come: add --follow");
    v1::WatchRequest request;
    for (const std::string& id : options.vm_ids) request.mutable_vms()->add_vm_ids(id);
    for (const std::string& kind : options.kinds) request.add_kinds(event_of(kind));
    request.set_follow(options.follow);
    request.set_new_only(options.new_only);
    request.set_after_sequence(options.after);

    const bool table = session.format == Format::kTable;
    Output output = session.output();
    output.begin_stream("event", table ? table_columns() : columns(), 0);
    Client client(session.socket, session.timeout_ns);
    std::uint64_t dropped = 0, seen = 0;
    const auto result = client.watch(request, [&](const v1::Event& event) {
        if (event.dropped() > 0) {
            dropped += event.dropped();
            note(std::to_string(event.dropped()) + " events were lost here: this reader was too slow");
        }
        output.stream_row(table ? table_row(event) : row(event));
        ++seen;
        return (options.count == 0 || seen < options.count) && output.flush();
    });
    if (!result) return fail(result.error());
    return finish(output, dropped == 0 ? kExitOk : kExitPartial);
}

}  // namespace

void add_events(Command& root, const Session& session) {
    Command command = root.add("events", "Print what happened to VMs: appeared, exited, drained, quarantined, pushed");
    auto options = std::make_shared<Options>();
    command.texts("VM", options->vm_ids, "Only events of these VMs; they need not exist yet").hint({Hint::kVm});
    command.flag("-f,--follow", options->follow, "Go on with events as they happen, until Ctrl-C");
    command.flag("--new", options->new_only, "Leave out what happened before; with --follow");
    command.words("--kind", options->kinds, event_words(), "Only these kinds");
    command.number("--after", options->after, "Only events after this sequence number").type("SEQUENCE");
    command.number("-n,--count", options->count, "End after this many events");
    command.footer("JSON is one object a line.");
    command.run([&session, options] { return run(session, *options); });
}

}  // namespace ringside::ctl
