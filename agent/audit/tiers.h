// Whether the tiers of a VM say the same. Pure but for the reads of the source.
#pragma once

#include <cstdint>

#include "agent/audit/report.h"
#include "agent/base/model.h"

namespace ringside::agent {

// The totals of these windows, of those that end after `after_ns` and not after `until_ns`.
SeriesTotals totals_of(const SeriesData& data, Kind kind, std::uint64_t after_ns = 0,
                       std::uint64_t until_ns = UINT64_MAX);

// What `totals` and the windows after them come to.
void add(SeriesTotals* totals, const SeriesTotals& more, Kind kind);

// All that can be said of one series: its totals in each tier, and each closed window of a tier against the next finer
// tier, where that one reaches. Counters and histograms must say the same wherever both tiers have a window of the same
// end. A gauge's window must have the count, min, max and last of the finer ones in it, and their sum but for rounding;
// once the clock has been set back far, which moves open windows with what they hold, gauges are not compared.
// `vm`: of the source, as of now.
SeriesAudit audit_series(const SeriesSource& source, const SchemaInfo& schema, const VmInfo& vm, SeriesInfo series);

}  // namespace ringside::agent
