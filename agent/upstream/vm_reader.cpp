#include "agent/upstream/vm_reader.h"

#include <algorithm>
#include <utility>

#include "agent/upstream/rollup_plans.h"

namespace ringside::agent {

std::shared_ptr<const RollupPlan> plan_for(const UpstreamOptions& options, std::shared_ptr<const SchemaInfo> schema,
                                           const VmInfo& vm) {
    return RollupPlans(std::move(schema), options.choice).of(vm);
}

LabelSet labels_on_everything(const UpstreamOptions& options, const VmInfo& vm) {
    LabelSet labels = agent_labels(vm, {options.instance, options.job});
    labels.insert(labels.end(), options.labels.begin(), options.labels.end());
    std::sort(labels.begin(), labels.end());
    return labels;
}

bool lost_for_good(Code code) { return code == Code::kCorrupt || code == Code::kInvalid || code == Code::kNotFound; }

Result<VmWindows> read_windows(const SeriesSource& source, const RollupPlan& plan, ReadRequest range) {
    Result<std::vector<SeriesInfo>> series = source.series();
    if (!series.ok()) return series.error();
    range.tier = plan.tier();
    VmWindows windows;
    windows.series.reserve(series->size());
    for (SeriesInfo& info : *series) {
        SeriesWindows entry{std::move(info), {}};
        const std::uint32_t metric = entry.series.metric;
        if (metric >= plan.metrics().size()) continue;
        range.columns = plan.metrics()[metric].columns;
        if (range.columns != 0) {
            Result<SeriesData> data = source.read(entry.series.index, range);
            if (!data.ok() && !lost_for_good(data.error().code)) return data.error();
            if (!data.ok()) {
                windows.failed.push_back(entry.series.index);
                continue;
            }
            entry.data = std::move(*data);
        }
        windows.series.push_back(std::move(entry));
    }
    return windows;
}

}  // namespace ringside::agent
