// What each metric of a schema becomes upstream: names, types, bucket bounds. Made once a schema, from
// the schema and the upstream's choice alone, so that a series is the same for every VM, window and restart.
//
//   counter    -> name (cumulative)
//   gauge      -> name (last), name:5m_min, :5m_max, :5m_sum, :5m_count
//   histogram  -> name_bucket{le}, name_sum, name_count (cumulative), or name (native, cumulative)
//   info       -> name (1)
//
// "5m" stands for the resolution of the tier. Outputs whose columns the tier does not keep are left
// out; so are all buckets where it does not keep the count, which is the bucket of +Inf. A native histogram
// needs buckets and count: without them, what there is leaves in the classic form.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/model.h"
#include "agent/upstream/choice.h"
#include "agent/upstream/wire_sample.h"

namespace ringside::agent {

// 1 at a VM's end: see R6 in rollup.h.
inline constexpr char kExitMetric[] = "ringside_vm_exit";

enum class OutputValue {
    kCounter,
    kLast,
    kMin,
    kMax,
    kSum,
    kCount,
    kSeconds,  // a level gauge's count: nanoseconds held, pushed in seconds
    kBucket,
    kNative,  // a whole histogram
    kOne,     // info
};

// One series for each series of the metric.
struct RollupOutput {
    std::string name;
    OutputValue value = OutputValue::kOne;
    std::uint32_t family = 0;  // into RollupPlan::families
    bool cumulative = false;   // starts with a zero
    // kBucket: the label's text, and how many entries of a point's buckets (the zero bucket first) lie
    // at or below it. For +Inf, kCount with an `le`.
    std::string le;
    std::uint32_t bucket_entries = 0;
};

struct MetricRollup {
    std::uint32_t columns = 0;  // to read
    std::vector<RollupOutput> outputs;
};

class RollupPlan {
  public:
    // For the tier of the choice. `schema` has at least one.
    explicit RollupPlan(std::shared_ptr<const SchemaInfo> schema, const RollupChoice& choice = {});
    // The same series from the windows of a finer tier, which must keep all that they need.
    RollupPlan(const RollupPlan& usual, std::uint32_t tier);

    const SchemaInfo& schema() const { return *schema_; }
    std::uint32_t tier() const { return tier_; }
    std::uint64_t resolution_ns() const { return resolution_ns_; }
    std::uint32_t slots() const { return schema_->tiers[tier_].slots; }
    const std::vector<Family>& families() const { return families_; }
    const std::vector<MetricRollup>& metrics() const { return metrics_; }  // as in the schema
    const Relabeling& relabeling() const { return choice_.relabeling; }
    // Of the series that says how a VM ended (R6 in rollup.h), into families; none: it is not chosen.
    std::optional<std::uint32_t> exit_family() const { return exit_family_; }
    // Names of outputs that another metric of the schema has already taken (a histogram `x` and a
    // gauge `x_count`): the first in the schema keeps it, the other is left out. The exit series keeps its name before all.
    const std::vector<std::string>& names_taken() const { return names_taken_; }

  private:
    void add_metric(const MetricInfo& metric, std::uint32_t kept);
    void add_gauge(const MetricInfo& metric, std::uint32_t kept, MetricRollup& rollup);
    void add_histogram(const MetricInfo& metric, std::uint32_t kept, MetricRollup& rollup);
    std::uint32_t add_family(Family family);
    void drop_taken_names();
    void add_exit();

    std::shared_ptr<const SchemaInfo> schema_;
    RollupChoice choice_;
    std::uint32_t tier_ = 0;
    std::uint64_t resolution_ns_ = 0;
    std::string suffix_;
    std::vector<Family> families_;
    std::vector<MetricRollup> metrics_;
    std::vector<std::string> names_taken_;
    std::optional<std::uint32_t> exit_family_;
};

// The tier of that resolution, or the next coarser one; 0, or coarser than all: the coarsest. `schema` has a tier.
std::uint32_t tier_of(const SchemaInfo& schema, std::uint32_t resolution_s);

// "6s", "10s", "5m", "1h", "1d": the resolution in the largest unit that divides it.
std::string resolution_text(std::uint32_t resolution_s);

// The finite `le` bounds of a histogram metric, rising, each with the number of bucket entries (zero
// bucket first) at or below it: every power of two from the lower end of the range to the upper one,
// then the upper end where it is not a power of two. Fixed by the metric, so that buckets of all its
// series add up.
struct BucketBound {
    double le;
    std::uint32_t entries;
};
std::vector<BucketBound> classic_bounds(const MetricInfo& histogram);

}  // namespace ringside::agent
