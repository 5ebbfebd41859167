// The state of recording rules as one checksummed file, replaced as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/upstream/rule.h"
#include "agent/upstream/rule_totals.h"

namespace ringside::agent {

// Of everything that decides what the series of the rules mean.
std::uint64_t rules_hash(const std::vector<Rule>& rules, std::uint32_t resolution_s);

std::string encode_rule_state(const RuleState& state, std::uint64_t hash);
// Nothing where the bytes are damaged, or of other rules.
std::optional<RuleState> decode_rule_state(std::string_view bytes, std::uint64_t hash);

}  // namespace ringside::agent
