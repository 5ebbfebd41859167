// rate, increase and delta over `anchored` and `smoothed` ranges: from one edge of the window to the other, without
// extrapolation.
#pragma once

#include "agent/promql/engine/function.h"

namespace ringside::agent::promql {

// What a counter or a gauge did in the window. None without samples in it, or if histograms do not fit each other.
Cell extended_increase(const RangeCall& call, const SampleSpan& window, bool is_counter);

// Tells what did not fit when histograms were added or subtracted. False if nothing came of it.
bool tell(const RangeCall& call, const Result<HistogramNote>& note, std::string_view operation);

}  // namespace ringside::agent::promql
