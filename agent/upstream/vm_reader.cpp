#include "agent/upstream/vm_reader.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "agent/base/bytes.h"

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

std::uint64_t shape_of(const UpstreamOptions& options) {
    const RollupChoice& choice = options.choice;
    ByteWriter out;
    auto texts = [&](const auto& list, auto text_of) {
        out.u64(list.size());
        for (const auto& one : list) out.text(text_of(one));
    };
    out.text(options.instance);
    out.text(options.job);
    texts(options.labels, [](const Label& label) { return label.name; });
    texts(options.labels, [](const Label& label) { return label.value; });
    texts(choice.keep, [](const Pattern& pattern) { return pattern.text(); });
    texts(choice.drop, [](const Pattern& pattern) { return pattern.text(); });
    texts(choice.replaced, [](const auto& one) { return one.metrics.text() + std::to_string(one.kinds); });
    out.u8(choice.histograms ? 1 + static_cast<std::uint8_t>(*choice.histograms) : 0);
    out.u32(choice.columns);
    out.u32(choice.resolution_s);
    out.u8(choice.short_vms ? 1 : 0);
    for (const RelabelRule& rule : choice.relabeling.rules()) {
        out.u8(static_cast<std::uint8_t>(rule.action));
        texts(rule.source_labels, [](const std::string& label) { return label; });
        for (const std::string* text : {&rule.separator, &rule.regex, &rule.target_label, &rule.replacement}) {
            out.text(*text);
        }
    }
    return XXH3_64bits(out.bytes().data(), out.bytes().size());
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
