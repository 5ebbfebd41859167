// The API's enumerations and messages as the words and fields that every command prints the same way.
#pragma once

#include <ringside/v1/event.pb.h>
#include <ringside/v1/series.pb.h>
#include <ringside/v1/vm.pb.h>

#include <string>
#include <vector>

#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/output.h"

namespace ringside::ctl {

namespace v1 = ringside::v1;

// Words as in the option lists and in every output; "unknown" for a number that this version does not know.
std::string state_name(v1::VmState state);
std::string exit_cause_name(v1::ExitCause cause);  // "" while it lives
std::string kind_name(v1::MetricKind kind);
std::string column_name(v1::Column column);
std::string event_name(v1::EventKind kind);

// All words, for options; and the way back, whose argument must be one of them.
const std::vector<std::string>& state_words();
const std::vector<std::string>& event_words();
v1::VmState state_of(const std::string& word);
v1::Column column_of(const std::string& word);
v1::EventKind event_of(const std::string& word);

Labels labels_of(const v1::Series& series);

// What to say of a metric that the schema does not have.
agent::Error no_such_metric(const v1::Schema& schema, const std::string& metric);

// The VMs of ls and drain.
Section vms_section(const std::vector<v1::Vm>& vms, Format format);

// Sets vm_id, component and epoch of a request that has them as GetVmRequest has.
template <typename Request>
void set_vm(Request& request, const VmChoice& choice) {
    request.set_vm_id(choice.vm_id);
    if (choice.component) request.set_component(*choice.component);
    request.set_epoch(choice.epoch);
}

// An optional field of a message as a Value: unknown when it is absent.
#define RSIDE_OPTIONAL(message, field) ((message).has_##field() ? Value((message).field()) : Value())

// Of a Vm or an Event.
template <typename Message>
Value exit_signal_of(const Message& message) {
    return message.has_exit_signal() ? Value(std::uint64_t{message.exit_signal()}) : Value();
}
template <typename Message>
Value close_code_of(const Message& message) {
    return message.has_close_code() ? Value(std::int64_t{message.close_code()}) : Value();
}

}  // namespace ringside::ctl
