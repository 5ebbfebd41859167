// From the closed windows of one VM to the samples that leave the host. Pure: the same windows give the
// same samples, bit for bit, however often and in however many runs they are asked for.
//
//  R1  A sample's time is its window's end T; of the last, partial window the true end, rounded up to
//      a millisecond, which is past the end of the window before.
//  R2  A cumulative series starts with a zero at its start, so that `increase` sees what came before the
//      first window's end, and each of its samples names that start. It is when the series was registered
//      or, for what was laid out before, its writer attached; rounded down; past the last sample of an
//      earlier life. It is the same for as long as the epoch lasts. Once the clock has been set back by
//      more than a window the totals go on at times before it: from then on samples name no start.
//  R3  Values are doubles on the wire. A u64 counter is exact up to 2^53 and rounded to nearest above.
//      Native histograms count in u64. What lies above the last bucket is in one bucket more, since
//      receivers want the buckets to add up to the count: the upper end of the range is what a quantile
//      beyond it answers, nearly, as it does in the classic form.
//  R4  A VM that ended leaves a stale marker on each of its series, 1 ms past its newest sample.
//  R5  Within a step no two points share a series; steps are in the order of time, series by series.
//  R6  A VM that ended leaves one sample more, `ringside_vm_exit` with its cause, signal and code as labels, at
//      its end, or past an earlier life that seems to have gone on for longer. It travels with the stale markers and has
//      none itself: one sample is one end, which is what `count_over_time` counts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/labels.h"
#include "agent/base/model.h"
#include "agent/upstream/rollup_plan.h"
#include "agent/upstream/wire_sample.h"

namespace ringside::agent {

// One series and its windows. Info series have none.
struct SeriesWindows {
    SeriesInfo series;
    SeriesData data;
};

// Which part of a VM's life to roll up. All ends of windows here are those of full windows.
struct RollupRange {
    std::uint64_t after_ns = 0;  // windows that end after this
    std::uint64_t until_ns = 0;  // and not after this; without effect when `final`
    // Series that were registered before this have had their zeros. At least `after_ns`.
    std::uint64_t zeros_after_ns = 0;
    // The run goes to the VM's end and says so. Only for data that will not change any more.
    bool final = false;
    // Samples up to here belong to an earlier life of the VM: later ones only.
    std::int64_t floor_ms = INT64_MIN;
    // The newest sample of this life that has been sent.
    std::int64_t last_ms = INT64_MIN;
};

enum class StepKind {
    kZeros,
    kWindow,
    kEnd,  // how the VM ended, and a stale marker for each series
};

inline constexpr std::uint32_t kNoHistogram = UINT32_MAX;

struct RollupPoint {
    std::uint32_t series = 0;  // into VmRollup::series
    std::int64_t timestamp_ms = 0;
    double value = 0;
    std::uint32_t histogram = kNoHistogram;  // into VmRollup::histograms; not in a stale marker
};

// What may travel in one request (U2), and must be acknowledged before the next step.
struct RollupStep {
    StepKind kind = StepKind::kWindow;
    std::uint64_t end_ns = 0;       // of the window that it belongs to
    std::int64_t timestamp_ms = 0;  // newest of the points
    std::vector<RollupPoint> points;
};

struct RollupSeries {
    LabelSet labels;            // with __name__
    std::uint32_t family = 0;   // into RollupPlan::families and, behind their end, VmRollup::renamed
    std::uint32_t source = 0;   // index of the VM's series that it is made of; kUnnamedSeries: of none (R6)
    std::int64_t start_ms = 0;  // of a cumulative one (R2); 0: not cumulative, or not known
};

struct VmRollup {
    std::vector<RollupSeries> series;
    std::vector<NativeHistogram> histograms;
    std::vector<Family> renamed;    // families whose series have got other names by relabeling
    std::vector<RollupStep> steps;  // without empty ones
    // Series of the VM whose labels are those of an earlier one, once the agent's own are in place and
    // the rules have been applied.
    std::uint64_t duplicates = 0;
    std::uint64_t bad_names = 0;    // series left out because the rules made no name of a metric
    std::uint64_t overlapping = 0;  // windows left out because of floor_ms
};

// `agent_owned`: the labels that the agent puts on every series of this VM and that win over the
// schema's. `windows`: all series of the VM, each with its windows of the plan's tier in the range.
VmRollup roll_up(const RollupPlan& plan, const VmInfo& vm, const LabelSet& agent_owned,
                 const std::vector<SeriesWindows>& windows, const RollupRange& range);

// A point as it leaves. `rollup` and `plan` must outlive it.
WireSample wire_sample(const RollupPlan& plan, const VmRollup& rollup, const RollupPoint& point);

}  // namespace ringside::agent
