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
// The same of what `rule` makes of `metric`, for less.
bool fits(const Rule& rule, const MetricInfo& metric, const MetricInfo& into);

// The forms that the VMs of one window offer a rule: one vote for each VM and form. So a VM that is alone in its ways decides
// for nobody else, however many metrics it has, and after a roll-out the new form takes over.
class FormVotes {
  public:
    // `now`: the form in use; none: there is none yet.
    explicit FormVotes(std::optional<MetricInfo> now) : now_(std::move(now)) {}

    // `vm`: rising from VM to VM, from 1.
    void add(std::uint32_t vm, const MetricInfo& made);
    // The form to use from now on: the one in use as long as no other has more votes than all that fit it together.
    std::optional<MetricInfo> chosen() const;

  private:
    struct Vote {
        MetricInfo made;
        std::uint32_t count;
        std::uint32_t vm;  // that gave the last one
    };
    std::optional<MetricInfo> now_;
    std::uint32_t fitting_ = 0, fitting_vm_ = 0;  // votes for `now_`, and who gave the last one
    std::vector<Vote> votes_;  // for others: the most frequent of them (Misra and Gries), counted too low
};

}  // namespace ringside::agent
