// Series that one of several selectors names: what `match[]` asks for.
#pragma once

#include <functional>
#include <span>

#include "agent/base/result.h"
#include "agent/prometheus/parameters.h"
#include "agent/promql/engine/source.h"

namespace ringside::agent {

// To read all samples of a time.
promql::SelectHints hints_of(const Period& period);

// Calls `visit` for each series of each selector; one that two selectors name comes twice. Adds the sources' warnings to
// `warnings`. An error of `visit` ends it.
Result<void> each_series(promql::SampleSource& source, std::span<const Selector> selectors,
                         const promql::SelectHints& hints, std::vector<std::string>& warnings,
                         const std::function<Result<void>(const promql::SeriesSet& set, std::size_t series)>& visit);

}  // namespace ringside::agent
