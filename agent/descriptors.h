// How the descriptors that the agent may have open are shared out, so that no number of segments keeps it from listing
// the folder, writing the archive or answering: each segment that is taken in holds one until its VM is drained.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/result.h"
#include "agent/catalog/budget.h"

namespace ringside::agent {

struct DescriptorShares {
    std::uint64_t limit = 0;        // all that are used
    std::uint64_t connections = 0;  // numbers at the upper end, for the connections to the API
    std::uint64_t living = 0;       // for segments of VMs that live
    std::uint64_t dead = 0;         // for segments of VMs that were dead when they were found, and wait for their drain
};

// kExhausted when the limit leaves nothing for segments.
Result<DescriptorShares> share_descriptors(std::uint64_t limit);

// Raises the soft limit of open files of this process as far as it is of use and allowed, and shares out what it is then.
Result<DescriptorShares> claim_descriptors();

// What to tell the operator when the limit cannot hold the budget `host-segments`.
std::optional<std::string> descriptor_warning(const DescriptorShares& shares, const Budgets& budgets);

}  // namespace ringside::agent
