#include "agent/prometheus/selection.h"

namespace ringside::agent {

promql::SelectHints hints_of(const Period& period) {
    promql::SelectHints hints;
    hints.begin_ms = period.begin_ms - 1;  // selections do not have their begin, periods do
    hints.end_ms = period.end_ms;
    hints.wanted_ms = hints.begin_ms;
    return hints;
}

Result<void> each_series(promql::SampleSource& source, std::span<const Selector> selectors,
                         const promql::SelectHints& hints, std::vector<std::string>& warnings,
                         const std::function<Result<void>(const promql::SeriesSet& set, std::size_t series)>& visit) {
    if (hints.end_ms <= hints.begin_ms) return {};
    for (const Selector& selector : selectors) {
        auto set = source.select(selector.matchers, hints);
        if (!set) return set.error();
        for (std::size_t i = 0; i < (*set)->size(); ++i) {
            if (auto visited = visit(**set, i); !visited) return visited;
        }
        const auto told = (*set)->warnings();
        warnings.insert(warnings.end(), told.begin(), told.end());
    }
    return {};
}

}  // namespace ringside::agent
