// What one upstream takes of what the schemas offer, and in which form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/model.h"
#include "agent/upstream/pattern.h"
#include "agent/upstream/relabel.h"

namespace ringside::agent {

enum class HistogramForm {
    kClassic,  // name_bucket{le}, name_sum, name_count: any receiver
    kNative,   // one sample holds all buckets, as fine as the schema has them
};

// One for all time: a series that changes its form or its windows in the middle of its life cannot be queried as one.
struct RollupChoice {
    // None: by the protocol, see checked(UpstreamOptions). Never by what a receiver turns out to understand.
    std::optional<HistogramForm> histograms;
    // By a metric's name in its schema. Where `keep` is empty everything is kept; `drop` goes before `keep`.
    std::vector<Pattern> keep, drop;
    // Of gauges, the columns that leave; of histograms, whether buckets do. A histogram without them leaves as what is
    // chosen of sum and count, one with them is whole. Counters always leave.
    std::uint32_t columns = kColumnsAll;
    // The tier to take, or the next coarser one that a schema has; 0: the coarsest.
    std::uint32_t resolution_s = 0;
    // Whether a VM that lived for less than a window leaves with the windows of a finer tier: see rollup_plans.h.
    bool short_vms = true;
    Relabeling relabeling;

    // By name and kind: what leaves as recording rules make it, and not as VMs have it.
    struct Replaced {
        Pattern metrics;
        std::uint32_t kinds = 0;  // bits 1 << Kind
    };
    std::vector<Replaced> replaced;

    bool takes(const std::string& metric) const;
    bool takes(const MetricInfo& metric) const;
};

// "last", "min", "max", "sum", "count", "buckets" to a column bit; kInvalid with these names.
Result<std::uint32_t> parse_column(const std::string& text);

}  // namespace ringside::agent
