// ringsidectl admit, release, admissions: room for a VM before it boots.
#include <memory>
#include <optional>
#include <vector>

#include "tools/ringsidectl/client.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/names.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/schema_cost.h"

namespace ringside::ctl {
namespace {

struct Options {
    std::string vm_id;
    std::uint32_t uid = 0;
    std::vector<std::string> schemas;
    std::optional<std::uint64_t> segment_bytes;
    std::optional<std::uint64_t> label_bytes;
    std::uint64_t series = 0;
    bool dry_run = false;
};

Section admissions_section(const std::vector<v1::Admission>& admissions) {
    Section section{.name = "admissions",
                    .columns = {{"vm_id"},
                                {"uid", Unit::kNumber},
                                {"segment_bytes", Unit::kBytes},
                                {"series", Unit::kNumber},
                                {"label_bytes", Unit::kBytes},
                                {"admitted_ns", Unit::kTime},
                                {"expires_ns", Unit::kTime},
                                {"present"}}};
    for (const v1::Admission& admission : admissions) {
        section.rows.push_back({admission.vm_id(), std::uint64_t{admission.uid()}, admission.demand().segment_bytes(),
                                admission.demand().series(), admission.demand().label_bytes(),
                                known_or_unknown(admission.admitted_ns()), RSIDE_OPTIONAL(admission, expires_ns),
                                admission.present()});
    }
    return section;
}

int print(const Session& session, const Result<std::vector<v1::Admission>>& admissions) {
    if (!admissions) return fail(admissions.error());
    Output output = session.output();
    output.print({.kind = "admission_list", .sections = {admissions_section(*admissions)}});
    return finish(output);
}

Result<std::vector<v1::Admission>> as_list(const Result<v1::Admission>& admission) {
    if (!admission) return admission.error();
    return std::vector<v1::Admission>{*admission};
}

int run_admit(const Session& session, const Options& options) {
    v1::AdmitRequest request;
    request.set_vm_id(options.vm_id);
    request.set_uid(options.uid);
    request.set_dry_run(options.dry_run);
    v1::Demand demand;
    for (const std::string& schema : options.schemas) {
        const auto cost = schema_cost(schema);
        if (!cost) return fail(cost.error());
        demand.set_segment_bytes(demand.segment_bytes() + cost->segment_bytes);
        demand.set_series(demand.series() + cost->series_capacity);
        demand.set_label_bytes(demand.label_bytes() + cost->label_arena_bytes);
    }
    demand.set_segment_bytes(demand.segment_bytes() + options.segment_bytes.value_or(0));
    demand.set_series(demand.series() + options.series);
    demand.set_label_bytes(demand.label_bytes() + options.label_bytes.value_or(0));
    if (demand.segment_bytes() == 0) {
        return fail(kExitUsage, "say what the VM needs: --schema for each of its segments, or --bytes");
    }
    *request.mutable_demand() = demand;
    Client client(session.socket, session.timeout_ns);
    return print(session, as_list(client.admit(request)));
}

int run_release(const Session& session, const std::string& vm_id) {
    v1::ReleaseRequest request;
    request.set_vm_id(vm_id);
    Client client(session.socket, session.timeout_ns);
    return print(session, as_list(client.release(request)));
}

void add_admit_alone(Command& root, const Session& session) {
    Command command = root.add(
        "admit", "Reserve room for a VM before it boots, and bind its id to the uid that will own its segments");
    auto options = std::make_shared<Options>();
    command.text("VM", options->vm_id, "The VM's id").required();
    command.number("--uid", options->uid, "Owner of the VM's segments").required().type("UID");
    command
        .texts("--schema", options->schemas,
               "A standard schema or a TOML file: its segment's size, series and label bytes are asked for; once for "
               "each component")
        .type("NAME|FILE")
        .hint({Hint::kFile});
    command.bytes("--bytes", options->segment_bytes, "Bytes of all segments, instead of or on top of --schema");
    command.number("--series", options->series, "Series of all segments, likewise");
    command.bytes("--label-bytes", options->label_bytes, "Bytes of label values, likewise");
    command.flag("--dry-run", options->dry_run, "Only say whether there is room; reserve and bind nothing");
    command.footer("Without room the exit code is 8 and the message names the budget, its limit and what was asked.");
    command.run([&session, options] { return run_admit(session, *options); });
}

}  // namespace

void add_admit(Command& root, const Session& session) {
    add_admit_alone(root, session);

    Command release = root.add("release", "Give an admission back; segments that exist stay as they are");
    auto vm_id = std::make_shared<std::string>();
    release.text("VM", *vm_id, "The VM's id").required().hint({Hint::kVm});
    release.run([&session, vm_id] { return run_release(session, *vm_id); });

    root.add("admissions", "List what is admitted").run([&session] {
        Client client(session.socket, session.timeout_ns);
        return print(session, client.list_admissions());
    });
}

}  // namespace ringside::ctl
