// What a rule makes of which metrics: kinds, and for histograms their buckets. One form a rule, for a series that changed
// it could not be queried as one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agent/base/model.h"
#include "agent/upstream/rule.h"

namespace ringside::agent {

// The metric that a rule makes of one such as `metric`, of a kind that it takes.
MetricInfo made_of(const Rule& rule, const MetricInfo& metric);

// Whether series of the form `made` can be taken into those of the form `into`.
bool fits(const MetricInfo& made, const MetricInfo& into);

// The forms that the VMs of one window offer a rule.
class FormVotes {
  public:
    void add(const MetricInfo& made);
    // The form to use from now on: `now` as long as no other one has more votes than all that fit it together. So a VM
    // that is alone in its ways decides for nobody else, and after a roll-out the new form takes over.
    std::optional<MetricInfo> choose(const std::optional<MetricInfo>& now) const;

  private:
    struct Vote {
        MetricInfo made;
        std::uint32_t count;
    };
    std::vector<Vote> votes_;  // of each form, in the order of their first
};

}  // namespace ringside::agent
