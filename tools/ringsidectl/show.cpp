// ringsidectl show: all about one VM.
#include <memory>
#include <vector>

#include "tools/ringsidectl/client.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/names.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/selector.h"

namespace ringside::ctl {
namespace {

struct Options {
    VmChoice vm;
    bool series = false;
    std::string selector;
    std::string section;
};

Section vms_section(const std::vector<v1::Vm>& vms) {
    Section section{.name = "vms",
                    .columns = {{"vm_id"},
                                {"component"},
                                {"epoch"},
                                {"state"},
                                {"exit_cause"},
                                {"exit_signal", Unit::kNumber},
                                {"close_code", Unit::kNumber},
                                {"close_text"},
                                {"uid", Unit::kNumber},
                                {"writer_pid", Unit::kNumber},
                                {"schema"},
                                {"schema_version", Unit::kNumber},
                                {"schema_hash"},
                                {"series_count", Unit::kNumber},
                                {"series_capacity", Unit::kNumber},
                                {"segment_bytes", Unit::kBytes},
                                {"archive_bytes", Unit::kBytes},
                                {"created_ns", Unit::kTimeMs},
                                {"attached_ns", Unit::kTimeMs},
                                {"last_write_ns", Unit::kTimeMs},
                                {"lag_ns", Unit::kDuration},
                                {"closed_ns", Unit::kTimeMs},
                                {"ended_ns", Unit::kTimeMs},
                                {"rejected_samples", Unit::kNumber},
                                {"refused_series", Unit::kNumber},
                                {"clock_steps_back", Unit::kNumber},
                                {"rebases", Unit::kNumber}}};
    for (const v1::Vm& vm : vms) {
        // Without its own counters the writer has said nothing: that is unknown, not 0.
        const bool counted = vm.has_writer_counters();
        const v1::WriterCounters& writer = vm.writer_counters();
        const auto counter = [counted](std::uint64_t value) { return counted ? Value(value) : Value(); };
        section.rows.push_back({vm.ref().vm_id(),
                                vm.ref().component(),
                                vm.ref().epoch(),
                                state_name(vm.state()),
                                exit_cause_name(vm.exit_cause()),
                                exit_signal_of(vm),
                                close_code_of(vm),
                                vm.close_text(),
                                std::uint64_t{vm.uid()},
                                known_or_unknown(vm.writer_pid()),
                                vm.schema().name(),
                                std::uint64_t{vm.schema().version()},
                                vm.schema().hash(),
                                std::uint64_t{vm.series_count()},
                                std::uint64_t{vm.schema().series_capacity()},
                                vm.segment_bytes(),
                                RSIDE_OPTIONAL(vm, archive_bytes),
                                RSIDE_OPTIONAL(vm, created_ns),
                                RSIDE_OPTIONAL(vm, attached_ns),
                                RSIDE_OPTIONAL(vm, last_write_ns),
                                RSIDE_OPTIONAL(vm, lag_ns),
                                RSIDE_OPTIONAL(vm, closed_ns),
                                RSIDE_OPTIONAL(vm, ended_ns),
                                counter(writer.rejected_samples()),
                                counter(writer.refused_series()),
                                counter(writer.clock_steps_back()),
                                counter(writer.rebases())});
    }
    return section;
}

Section tiers_section(const std::vector<v1::Vm>& vms) {
    Section section{.name = "tiers",
                    .title = "Tiers",
                    .columns = {{"component"},
                                {"resolution_ns", Unit::kDuration},
                                {"slots", Unit::kNumber},
                                {"history_ns", Unit::kDuration},
                                {"columns"}}};
    for (const v1::Vm& vm : vms) {
        for (const v1::Tier& tier : vm.schema().tiers()) {
            const std::uint64_t resolution_ns = std::uint64_t{tier.resolution_s()} * 1'000'000'000;
            Texts columns;
            for (int column : tier.columns()) columns.push_back(column_name(static_cast<v1::Column>(column)));
            section.rows.push_back({vm.ref().component(), resolution_ns, std::uint64_t{tier.slots()},
                                    resolution_ns * tier.slots(), columns});
        }
    }
    return section;
}

Section metrics_section(const std::vector<v1::Vm>& vms) {
    Section section{.name = "metrics",
                    .title = "Metrics",
                    .columns = {{"component"},
                                {"metric"},
                                {"kind"},
                                {"unit"},
                                {"label_names", Unit::kText, "LABELS"},
                                {.name = "max_series", .unit = Unit::kNumber, .spare = 1},
                                {.name = "help", .spare = 2}}};
    for (const v1::Vm& vm : vms) {
        for (const v1::Metric& metric : vm.schema().metrics()) {
            section.rows.push_back({vm.ref().component(), metric.name(), kind_name(metric.kind()), metric.unit(),
                                    Texts(metric.label_names().begin(), metric.label_names().end()),
                                    std::uint64_t{metric.max_series()}, metric.help()});
        }
    }
    return section;
}

Section upstreams_section(const std::vector<v1::Vm>& vms) {
    Section section{
        .name = "upstreams",
        .title = "Upstreams",
        .columns = {
            {"component"}, {"upstream"}, {"acknowledged_ns", Unit::kTimeMs}, {"lag_ns", Unit::kDuration}, {"done"}}};
    for (const v1::Vm& vm : vms) {
        for (const v1::UpstreamPosition& position : vm.upstreams()) {
            section.rows.push_back({vm.ref().component(), position.upstream(),
                                    RSIDE_OPTIONAL(position, acknowledged_ns), RSIDE_OPTIONAL(position, lag_ns),
                                    position.done()});
        }
    }
    return section;
}

Result<Section> series_section(Client& client, const Options& options, const std::vector<v1::Vm>& vms,
                               Client::Warnings& warnings) {
    Section section{.name = "series",
                    .title = "Series",
                    .columns = {{"component"},
                                {"index", Unit::kNumber},
                                {"metric"},
                                {"labels"},
                                {"kind"},
                                {.name = "unit", .spare = 1},
                                {.name = "created_ns", .unit = Unit::kTimeMs, .spare = 2}}};
    // By epoch: of each component the one that is shown.
    for (const v1::Vm& vm : vms) {
        v1::ListSeriesRequest request;
        request.mutable_vms()->add_vm_ids(vm.ref().vm_id());
        request.mutable_vms()->set_component(vm.ref().component());
        request.mutable_vms()->set_epoch(vm.ref().epoch());
        if (auto added = add_matchers(request, options.selector); !added) return added.error();
        const auto result = client.list_series(request, warnings, [&section](v1::VmSeries& vm_series) {
            for (const v1::Series& series : vm_series.series()) {
                section.rows.push_back({vm_series.vm().component(), std::uint64_t{series.index()}, series.metric(),
                                        labels_of(series), kind_name(series.kind()), series.unit(),
                                        RSIDE_OPTIONAL(series, created_ns)});
            }
        });
        if (!result) return result.error();
    }
    return section;
}

int run(const Session& session, const Options& options) {
    v1::GetVmRequest request;
    set_vm(request, options.vm);
    Client client(session.socket, session.timeout_ns);
    const auto vms = client.get_vm(request);
    if (!vms) return fail(vms.error());

    Document document{.kind = "vm", .sections = {vms_section(*vms), tiers_section(*vms), metrics_section(*vms)}};
    document.sections[0].as_records = true;
    Section upstreams = upstreams_section(*vms);
    if (!upstreams.rows.empty() || session.format != Format::kTable || options.section == upstreams.name) {
        document.sections.push_back(std::move(upstreams));
    }
    Client::Warnings warnings;
    if (options.series || !options.selector.empty() || options.section == "series") {
        auto series = series_section(client, options, *vms, warnings);
        if (!series) return fail(series.error());
        document.sections.push_back(std::move(*series));
        document.csv = document.sections.size() - 1;
    }
    document.keep(options.section);
    Output output = session.output();
    output.print(document);
    for (const std::string& warning : warnings) note(warning);
    return finish(output, warnings.empty() ? kExitOk : kExitPartial);
}

}  // namespace

void add_show(Command& root, const Session& session) {
    Command command = root.add("show", "Show a VM: its state, segment, tiers, metrics and how far upstreams are");
    auto options = std::make_shared<Options>();
    add_vm_choice(command, options->vm);
    command.flag("--series", options->series, "Also its series; in CSV only they are printed");
    add_section_choice(command, options->section, {"vms", "tiers", "metrics", "upstreams", "series"});
    add_selector(command, "--match", options->selector, "Only the series that match, such as 'name{label=\"value\"}'");
    command.run([&session, options] { return run(session, *options); });
}

}  // namespace ringside::ctl
