// ringsidectl status: the agent itself.
#include <memory>
#include <vector>

#include "tools/ringsidectl/client.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/names.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

Section agent_section(const v1::GetStatusResponse& status) {
    const v1::CallerRights& caller = status.caller();
    return {.name = "agent",
            .columns = {{"version"},
                        {"pid", Unit::kNumber},
                        {"started_ns", Unit::kTime},
                        {"uptime_ns", Unit::kDuration},
                        {"directory"},
                        {"ready"},
                        {"last_scan_ns", Unit::kTimeMs},
                        {"last_scan_span_ns", Unit::kDuration},
                        {"quarantined_count", Unit::kNumber},
                        {"waiting_count", Unit::kNumber},
                        {"caller_uid", Unit::kNumber},
                        {"caller_is_operator"}},
            .rows = {{status.version(), known_or_unknown(status.pid()), known_or_unknown(status.started_ns()),
                      status.uptime_ns(), status.directory(), status.ready(), RSIDE_OPTIONAL(status, last_scan_ns),
                      RSIDE_OPTIONAL(status, last_scan_span_ns), status.quarantined_count(),
                      RSIDE_OPTIONAL(status, waiting_count),
                      status.has_caller() ? Value(std::uint64_t{caller.uid()}) : Value(),
                      status.has_caller() ? Value(caller.is_operator()) : Value()}},
            .single = true};
}

Section states_section(const v1::GetStatusResponse& status) {
    Section section{.name = "vms_by_state", .title = "VMs", .columns = {{"state"}, {"count", Unit::kNumber}}};
    for (const v1::StateCount& entry : status.vms_by_state()) {
        section.rows.push_back({state_name(entry.state()), entry.count()});
    }
    return section;
}

// A budget's numbers are bytes in some rows and counts in others, so a table cannot settle it by column.
Value budget_value(std::uint64_t value, const std::string& unit, Format format) {
    if (format == Format::kTable && unit == "bytes") return bytes_text(static_cast<double>(value));
    return value;
}

Section budgets_section(const v1::GetStatusResponse& status, Format format) {
    Section section{.name = "budgets",
                    .title = "Budgets",
                    .columns = {{"name", Unit::kText, "BUDGET"},
                                {"unit"},
                                {"limit", Unit::kNumber},
                                {"used", Unit::kNumber},
                                {"reserved", Unit::kNumber}}};
    for (const v1::Budget& budget : status.budgets()) {
        section.rows.push_back(
            {budget.name(), budget.unit(), budget_value(budget.limit(), budget.unit(), format),
             budget.has_used() ? budget_value(budget.used(), budget.unit(), format) : Value(),
             budget.has_reserved() ? budget_value(budget.reserved(), budget.unit(), format) : Value()});
    }
    return section;
}

Section archive_section(const v1::GetStatusResponse& status) {
    Section section{.name = "archive",
                    .title = "Archive",
                    .columns = {{"directory"},
                                {"bytes", Unit::kBytes, "SIZE"},
                                {"limit_bytes", Unit::kBytes},
                                {"vms", Unit::kNumber},
                                {"oldest_ns", Unit::kTime},
                                {"max_age_ns", Unit::kDuration},
                                {"evicted_vms", Unit::kNumber},
                                {"last_error"},
                                {"last_error_ns", Unit::kTime, "LAST_ERROR_AT"}},
                    .single = true};
    if (!status.has_archive()) return section;
    const v1::ArchiveStatus& archive = status.archive();
    section.rows.push_back({archive.directory(), archive.bytes(), archive.limit_bytes(), archive.vms(),
                            RSIDE_OPTIONAL(archive, oldest_ns), known_or_unknown(archive.max_age_s() * 1'000'000'000),
                            archive.evicted_vms(), archive.last_error(), RSIDE_OPTIONAL(archive, last_error_ns)});
    return section;
}

Section upstreams_section(const v1::GetStatusResponse& status) {
    Section section{.name = "upstreams",
                    .title = "Upstreams",
                    .columns = {{"name", Unit::kText, "UPSTREAM"},
                                {"url"},
                                {"lag_ns", Unit::kDuration},
                                {"backlog_windows", Unit::kNumber},
                                {"pushed_samples", Unit::kNumber},
                                {"dropped_samples", Unit::kNumber},
                                {"failed_requests", Unit::kNumber},
                                {"last_success_ns", Unit::kTime},
                                {"last_error_ns", Unit::kTime, "LAST_ERROR_AT"},
                                {"last_error"}},
                    .as_records = true};
    for (const v1::UpstreamStatus& upstream : status.upstreams()) {
        section.rows.push_back({upstream.name(), upstream.url(), RSIDE_OPTIONAL(upstream, lag_ns),
                                upstream.backlog_windows(), upstream.pushed_samples(), upstream.dropped_samples(),
                                upstream.failed_requests(), RSIDE_OPTIONAL(upstream, last_success_ns),
                                RSIDE_OPTIONAL(upstream, last_error_ns), upstream.last_error()});
    }
    return section;
}

Section losses_section(const v1::GetStatusResponse& status) {
    Section section{.name = "losses",
                    .title = "What did not reach an upstream",
                    .columns = {{"upstream"}, {"what"}, {"reason"}, {"count", Unit::kNumber}}};
    for (const v1::UpstreamStatus& upstream : status.upstreams()) {
        for (const v1::UpstreamLoss& loss : upstream.losses()) {
            section.rows.push_back({upstream.name(), loss.what(), loss.reason(), loss.count()});
        }
    }
    return section;
}

Section quarantined_section(const v1::GetStatusResponse& status) {
    Section section{.name = "quarantined",
                    .title = "Quarantined",
                    .columns = {{"file"},
                                {"uid", Unit::kNumber},
                                {"file_bytes", Unit::kBytes, "SIZE"},
                                {"since_ns", Unit::kTime},
                                {"reason"}}};
    for (const v1::Quarantined& entry : status.quarantined()) {
        section.rows.push_back(
            {entry.file(), std::uint64_t{entry.uid()}, entry.file_bytes(), entry.since_ns(), entry.reason()});
    }
    return section;
}

int run(const Session& session, const std::string& section) {
    Client client(session.socket, session.timeout_ns);
    const auto status = client.status();
    if (!status) return fail(status.error());
    Document document{.kind = "status",
                      .sections = {agent_section(*status), states_section(*status),
                                   budgets_section(*status, session.format), archive_section(*status),
                                   upstreams_section(*status), losses_section(*status), quarantined_section(*status)}};
    document.keep(section);
    // A table leaves out what is empty, unless it was asked for; JSON has every key always.
    if (session.format == Format::kTable && section.empty()) {
        std::erase_if(document.sections, [](const Section& one) { return one.rows.empty(); });
    }
    Output output = session.output();
    output.print(document);
    return finish(output);
}

}  // namespace

void add_status(Command& root, const Session& session) {
    Command command =
        root.add("status", "Show the agent: budgets, archive, upstreams, and segments in quarantine with the reason");
    auto section = std::make_shared<std::string>();
    add_section_choice(command, *section,
                       {"agent", "vms_by_state", "budgets", "archive", "upstreams", "losses", "quarantined"});
    command.footer("CSV has the agent itself, or the section that is named.");
    command.run([&session, section] { return run(session, *section); });
}

}  // namespace ringside::ctl
