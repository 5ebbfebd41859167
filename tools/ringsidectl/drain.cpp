// ringsidectl drain: a dead VM into the archive, now.
#include <memory>

#include "tools/ringsidectl/client.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/names.h"
#include "tools/ringsidectl/report.h"

namespace ringside::ctl {
namespace {

int run(const Session& session, const VmChoice& choice) {
    v1::DrainRequest request;
    set_vm(request, choice);
    Client client(session.socket, session.timeout_ns);
    const auto vms = client.drain(request);
    if (!vms) return fail(vms.error());
    Output output = session.output();
    output.print({.kind = "vm_list", .sections = {vms_section(*vms, session.format)}});
    return finish(output);
}

}  // namespace

void add_drain(Command& root, const Session& session) {
    Command command = root.add("drain", "Put a dead VM into the archive now, instead of at the agent's next round");
    auto choice = std::make_shared<VmChoice>();
    add_vm_choice(command, *choice);
    command.footer("A VM whose writer lives is refused (exit code 8). On return the archive has the VM for good.");
    command.run([&session, choice] { return run(session, *choice); });
}

}  // namespace ringside::ctl
