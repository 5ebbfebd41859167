// File names of segments: `<vm_id>.<epoch>[.<component>].seg`. A name is chosen by whoever may write the folder, so it is
// checked like everything else; once parsed it is the identity of the VM, and the header inside must agree with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/model.h"

namespace ringside::agent {

struct SegmentName {
    std::string vm_id;
    Epoch epoch{};
    std::string component;  // empty: the VMM itself

    // Nothing when `file_name` is not the name of a segment. Read from the right, because a vm_id may contain dots; a
    // component has at most 31 characters and an epoch 32, so that no name has two readings.
    static std::optional<SegmentName> parse(std::string_view file_name);

    // The file name; the inverse of parse.
    std::string text() const;

    bool operator==(const SegmentName&) const = default;
};

// 1 .. 63 of [A-Za-z0-9._:-], the first one alphanumeric.
bool valid_vm_id(std::string_view text);
// 1 .. 31 of [a-z0-9_-]. The VMM itself has no component, which is not the same as a valid one.
bool valid_component(std::string_view text);

}  // namespace ringside::agent
