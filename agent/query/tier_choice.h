// Which tier and which columns of a VM a question reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/base/model.h"

namespace ringside::agent {

// The tier of this resolution; for 0 the finest whose history reaches back to begin_ns or to the VM's begin, else the
// coarsest, of those with windows of at most `window_max_s` (or the finest, if all are longer). Nothing when the schema has none.
std::optional<std::uint32_t> pick_tier(const SchemaInfo& schema, const VmInfo& vm, std::uint32_t resolution_s,
                                       std::uint64_t begin_ns, std::uint64_t now_ns,
                                       std::uint64_t window_max_s = UINT64_MAX);

// How long the windows that `function` reads over a range may be for it to have a value at all: rate() needs two samples.
std::uint64_t window_max_s(std::string_view function, std::int64_t range_ms);

// Where a VM's windows end, about: nothing is later than a window after this.
std::uint64_t newest_ns(const VmInfo& vm, std::uint64_t now_ns);

// Whether the windows that such a tier still has begin no later than `begin_ns`.
bool reaches(const TierInfo& tier, const VmInfo& vm, std::uint64_t begin_ns, std::uint64_t now_ns);

// What a function over the observations of a gauge needs to be exact over windows: max_over_time() their maxima,
// avg_over_time() their sums and counts. 0 for one that looks at values only, as rate() does.
std::uint32_t columns_for(std::string_view function);

}  // namespace ringside::agent
