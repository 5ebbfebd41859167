// ringsidectl ls: which VMs there are.
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
    std::vector<std::string> states;
    std::vector<std::string> vm_ids;
};

int run(const Session& session, const Options& options) {
    v1::ListVmsRequest request;
    for (const std::string& id : options.vm_ids) request.mutable_filter()->add_vm_ids(id);
    std::vector<std::string> states = options.states;
    if (states.empty() && !options.all && options.vm_ids.empty()) states = {"provisioned", "running", "exited"};
    for (const std::string& state : states) request.mutable_filter()->add_states(state_of(state));

    Client client(session.socket, session.timeout_ns);
    const auto vms = client.list_vms(request);
    if (!vms) return fail(vms.error());

    Output output = session.output();
    output.print({.kind = "vm_list", .sections = {vms_section(*vms, session.format)}});
    if (vms->empty() && session.format == Format::kTable && !options.all && options.states.empty()) {
        note("no live VMs; `ringsidectl ls --all` lists the drained ones too");
    }
    return finish(output);
}

}  // namespace

void add_ls(Command& root, const Session& session) {
    Command command = root.add("ls", "List VMs");
    auto options = std::make_shared<Options>();
    command.texts("VM", options->vm_ids, "Only these VMs, in any state").hint({Hint::kVm});
    command.flag("-a,--all", options->all, "Also VMs that are drained, from the archive");
    command.words("--state", options->states, state_words(), "Only VMs in these states");
    command.run([&session, options] { return run(session, *options); });
}

}  // namespace ringside::ctl
