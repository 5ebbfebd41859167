// ringsidectl audit: whether what VMs recorded, what is held of it and what was acknowledged are the same.
#include <ringside/v1/audit.pb.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tools/ringsidectl/client.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/names.h"
#include "tools/ringsidectl/report.h"

namespace ringside::ctl {
namespace {

struct Options {
    bool all = false;
    bool series = false;
    std::vector<std::string> vm_ids;
    std::string section;
};

using Audits = std::vector<v1::AuditResponse>;

std::string verdict_name(v1::AuditVerdict verdict) {
    switch (verdict) {
        case v1::AUDIT_VERDICT_EQUAL: return "equal";
        case v1::AUDIT_VERDICT_LOSSY: return "lossy";
        case v1::AUDIT_VERDICT_DIFFERS: return "differs";
        default: return "unknown";
    }
}

std::string verdict_name(v1::AcknowledgedVerdict verdict) {
    switch (verdict) {
        case v1::ACKNOWLEDGED_VERDICT_EQUAL: return "equal";
        case v1::ACKNOWLEDGED_VERDICT_LOST: return "lost";
        case v1::ACKNOWLEDGED_VERDICT_DIFFERS: return "differs";
        default: return "unknown";
    }
}

std::string archive_text(const v1::AuditResponse& audit) {
    if (!audit.has_archive_error()) return "";
    return audit.archive_error().empty() ? "sound" : audit.archive_error();
}

Section vms_section(const Audits& audits) {
    Section section{.name = "vms",
                    .columns = {{"vm_id"},
                                {"component", Unit::kText, "", "", 5},
                                {"epoch", Unit::kText, "", "", 6},
                                {"state"},
                                {"ended_ns", Unit::kTime, "", "", 4},
                                {"series", Unit::kNumber, "", "", 3},
                                {"compared_windows", Unit::kNumber, "COMPARED", "", 2},
                                {"differing_windows", Unit::kNumber, "DIFFER"},
                                {"archive", Unit::kText, "", "", 1},
                                {"verdict"},
                                {"error", Unit::kText, "", "", 7}}};
    for (const v1::AuditResponse& audit : audits) {
        section.rows.push_back({audit.vm().vm_id(), audit.vm().component(), audit.vm().epoch(),
                                state_name(audit.state()), RSIDE_OPTIONAL(audit, ended_ns), audit.series_count(),
                                audit.compared_windows(), audit.differing_windows(), archive_text(audit),
                                verdict_name(audit.verdict()), audit.error()});
    }
    return section;
}

Section upstreams_section(const Audits& audits) {
    Section section{.name = "upstreams",
                    .title = "Upstreams",
                    .columns = {{"vm_id"},
                                {"epoch", Unit::kText, "", "", 6},
                                {"upstream"},
                                {"acknowledged_ns", Unit::kTime, "ACKNOWLEDGED"},
                                {"done", Unit::kText, "", "", 5},
                                {"pending_windows", Unit::kNumber, "PENDING"},
                                {"accepted_samples", Unit::kNumber, "ACCEPTED"},
                                {"checked_after_ns", Unit::kTime, "CHECKED AFTER", "", 4},
                                {"answered_samples", Unit::kNumber, "ANSWERED", "", 2},
                                {"expected_samples", Unit::kNumber, "EXPECTED", "", 1},
                                {"digests_equal", Unit::kText, "DIGESTS EQUAL", "", 3},
                                {"verdict"},
                                {"note", Unit::kText, "", "", 7}}};
    for (const v1::AuditResponse& audit : audits) {
        for (const v1::UpstreamAudit& upstream : audit.upstreams()) {
            section.rows.push_back(
                {audit.vm().vm_id(), audit.vm().epoch(), upstream.upstream(), RSIDE_OPTIONAL(upstream, acknowledged_ns),
                 upstream.done(), upstream.pending_windows(), upstream.accepted_samples(),
                 RSIDE_OPTIONAL(upstream, checked_after_ns), upstream.answered_samples(), upstream.expected_samples(),
                 upstream.digests_equal(), verdict_name(upstream.verdict()), upstream.note()});
        }
    }
    return section;
}

Section losses_section(const Audits& audits) {
    Section section{.name = "losses",
                    .title = "Losses",
                    .columns = {{"vm_id"},
                                {"epoch", Unit::kText, "", "", 2},
                                {"upstream"},
                                {"reason"},
                                {"series"},
                                {"after_ns", Unit::kTime},
                                {"until_ns", Unit::kTime},
                                {"samples", Unit::kNumber, "REFUSED SAMPLES"}}};
    for (const v1::AuditResponse& audit : audits) {
        for (const v1::UpstreamAudit& upstream : audit.upstreams()) {
            for (const v1::RecordedLoss& loss : upstream.losses()) {
                std::string which = loss.unnamed() ? "some" : "every";
                if (loss.has_series()) which = std::to_string(loss.series());
                section.rows.push_back({audit.vm().vm_id(), audit.vm().epoch(), upstream.upstream(), loss.reason(),
                                        which, loss.after_ns(), loss.until_ns(), loss.samples()});
            }
        }
    }
    return section;
}

std::string resolution(const v1::TierAudit& tier) {
    return cell_text(std::uint64_t{tier.resolution_s()}, Unit::kSeconds);
}

std::string series_text(const v1::Series& series) { return series.metric() + labels_text(labels_of(series)); }

std::string series_verdict(const v1::SeriesAudit& series) {
    if (!series.error().empty()) return "unreadable";
    return series.differing_windows() > 0 ? "differs" : "equal";
}

// For JSON and CSV: one row a series and place that holds it, be it a tier or an upstream.
Section series_section(const Audits& audits) {
    Section section{.name = "series",
                    .columns = {{"vm_id"},
                                {"epoch"},
                                {"index", Unit::kNumber},
                                {"metric"},
                                {"labels"},
                                {"kind"},
                                {"place"},
                                {"windows", Unit::kNumber},
                                {"from_ns", Unit::kTime},
                                {"until_ns", Unit::kTime},
                                {"count", Unit::kNumber},
                                {"sum", Unit::kNumber},
                                {"windows_never_sent", Unit::kNumber},
                                {"samples_refused", Unit::kNumber},
                                {"verdict"}}};
    for (const v1::AuditResponse& audit : audits) {
        for (const v1::SeriesAudit& series : audit.series()) {
            const auto add = [&](const std::string& place, const v1::SeriesTotals& totals, Value never_sent,
                                 Value refused) {
                section.rows.push_back(
                    {audit.vm().vm_id(), audit.vm().epoch(), std::uint64_t{series.series().index()},
                     series.series().metric(), labels_of(series.series()), kind_name(series.series().kind()), place,
                     totals.windows(), RSIDE_OPTIONAL(totals, from_ns), RSIDE_OPTIONAL(totals, until_ns),
                     totals.count(), totals.sum(), std::move(never_sent), std::move(refused), series_verdict(series)});
            };
            for (const v1::TierAudit& tier : series.tiers()) {
                add(resolution(tier), tier.totals(), {}, {});
            }
            for (const v1::SeriesAcknowledged& ack : series.upstreams()) {
                add("upstream " + ack.upstream(), ack.totals(), ack.windows_never_sent(), ack.samples_refused());
            }
        }
    }
    return section;
}

// What is counted in a series, for a cell of a table.
Value total_of(v1::MetricKind kind, const v1::SeriesTotals& totals) {
    if (totals.windows() == 0) return {};
    switch (kind) {
        case v1::METRIC_KIND_COUNTER_F64: return totals.sum();
        case v1::METRIC_KIND_LEVEL: return cell_text(totals.count(), Unit::kDuration);
        case v1::METRIC_KIND_INFO: return {};
        default: return totals.count();
    }
}

// For a table: one row a series, a column for each tier and upstream of the VM.
Section series_table(const v1::AuditResponse& audit) {
    Section section{.name = "series", .title = "Series of " + audit.vm().vm_id(), .columns = {{"series"}, {"kind"}}};
    const v1::SeriesAudit& first = audit.series(0);
    for (const v1::TierAudit& tier : first.tiers()) {
        section.columns.push_back({resolution(tier), Unit::kNumber, resolution(tier)});
    }
    for (const v1::UpstreamAudit& upstream : audit.upstreams()) {
        section.columns.push_back({upstream.upstream(), Unit::kNumber, "-> " + upstream.upstream()});
    }
    section.columns.push_back({"verdict"});
    for (const v1::SeriesAudit& series : audit.series()) {
        std::vector<Value> row{series_text(series.series()), kind_name(series.series().kind())};
        for (const v1::TierAudit& tier : series.tiers()) row.push_back(total_of(series.series().kind(), tier.totals()));
        for (const v1::UpstreamAudit& upstream : audit.upstreams()) {
            const auto ack = std::find_if(series.upstreams().begin(), series.upstreams().end(),
                                          [&](const auto& one) { return one.upstream() == upstream.upstream(); });
            row.push_back(ack == series.upstreams().end() ? Value() : total_of(series.series().kind(), ack->totals()));
        }
        row.emplace_back(series_verdict(series));
        section.rows.push_back(std::move(row));
    }
    return section;
}

Section differences_section(const Audits& audits) {
    Section section{.name = "differences",
                    .title = "Differences",
                    .columns = {{"vm_id"},
                                {"epoch", Unit::kText, "", "", 1},
                                {"series"},
                                {"fine_resolution_s", Unit::kSeconds, "FINE"},
                                {"coarse_resolution_s", Unit::kSeconds, "COARSE"},
                                {"end_ns", Unit::kTime},
                                {"text", Unit::kText, "WHAT"}}};
    for (const v1::AuditResponse& audit : audits) {
        for (const v1::SeriesAudit& series : audit.series()) {
            if (!series.error().empty()) {
                section.rows.push_back(
                    {audit.vm().vm_id(), audit.vm().epoch(), series_text(series.series()), {}, {}, {}, series.error()});
            }
            for (const v1::TierDifference& difference : series.differences()) {
                section.rows.push_back({audit.vm().vm_id(), audit.vm().epoch(), series_text(series.series()),
                                        std::uint64_t{difference.fine_resolution_s()},
                                        std::uint64_t{difference.coarse_resolution_s()}, difference.end_ns(),
                                        difference.text()});
            }
        }
    }
    return section;
}

std::vector<Section> sections_of(const Audits& audits, const Options& options, Format format) {
    std::vector<Section> sections{vms_section(audits), upstreams_section(audits)};
    if (options.series && format == Format::kTable) {
        for (const v1::AuditResponse& audit : audits) {
            if (audit.series_size() > 0) sections.push_back(series_table(audit));
        }
    } else if (options.series) {
        sections.push_back(series_section(audits));
    }
    sections.push_back(differences_section(audits));
    sections.push_back(losses_section(audits));
    if (format == Format::kTable) {
        // An empty list says nothing that the verdict has not said.
        std::erase_if(sections, [](const Section& one) { return one.name != "vms" && one.rows.empty(); });
    }
    return sections;
}

ExitCode exit_code(const Audits& audits) {
    ExitCode code = kExitOk;
    for (const v1::AuditResponse& audit : audits) {
        if (audit.verdict() == v1::AUDIT_VERDICT_DIFFERS) return kExitInvalid;
        if (audit.verdict() != v1::AUDIT_VERDICT_EQUAL) code = kExitPartial;
    }
    return code;
}

int run(const Session& session, Options options) {
    if (options.vm_ids.empty() == !options.all) {
        return fail(kExitUsage, "name VMs to audit, or give --all; see `ringsidectl audit --help`");
    }
    // Of one VM people want to see all.
    if (options.vm_ids.size() == 1 || options.section == "series") options.series = true;
    v1::AuditRequest request;
    for (const std::string& id : options.vm_ids) request.mutable_vms()->add_vm_ids(id);
    request.set_series(options.series);

    Client client(session.socket, session.timeout_ns);
    const auto audits = client.audit(request);
    if (!audits) return fail(audits.error());
    Document document{.kind = "audit", .sections = sections_of(*audits, options, session.format)};
    document.keep(options.section);
    Output output = session.output();
    output.print(document);
    if (std::any_of(audits->begin(), audits->end(), [](const auto& audit) { return audit.truncated(); })) {
        note("series were left out of the answer: they are too many for one message");
    }
    return finish(output, exit_code(*audits));
}

}  // namespace

void add_audit(Command& root, const Session& session) {
    Command command = root.add("audit", "Check that what VMs recorded is held, in every tier, and was acknowledged");
    auto options = std::make_shared<Options>();
    command.texts("VM", options->vm_ids, "Only these VMs, in any state").hint({Hint::kVm});
    command.flag("-a,--all", options->all, "All VMs, from the archive too");
    command.flag("--series", options->series, "Tell of each series; always done for a single VM");
    add_section_choice(command, options->section, {"vms", "upstreams", "series", "differences", "losses"});
    command.footer(
        "Exit code 0: everything is held, and acknowledged or on its way. 5: something is gone, each with its reason. "
        "7: "
        "something does not add up.");
    command.run([&session, options] { return run(session, *options); });
}

}  // namespace ringside::ctl
