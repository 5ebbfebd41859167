// A source of series made of plain values, for tests of what stands above segments and the archive.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/model.h"

namespace ringside::agent {

// A counter metric with these label names.
inline MetricInfo fake_metric(std::string name, std::vector<std::string> labels, std::uint32_t max_series = 100) {
    MetricInfo metric;
    metric.name = std::move(name);
    metric.label_names = std::move(labels);
    metric.max_series = max_series;
    return metric;
}

inline std::shared_ptr<SchemaInfo> fake_schema(std::vector<MetricInfo> metrics) {
    auto schema = std::make_shared<SchemaInfo>();
    schema->name = "fake";
    schema->hash = 1;
    schema->tiers = {{1, 300, kColumnsAll}};
    for (const MetricInfo& metric : metrics) schema->series_capacity += metric.max_series;
    schema->metrics = std::move(metrics);
    return schema;
}

inline VmInfo fake_vm(std::string vm_id, std::uint8_t epoch = 1, std::string component = "") {
    VmInfo vm;
    vm.vm_id = std::move(vm_id);
    vm.epoch.fill(epoch);
    vm.component = std::move(component);
    vm.segment_bytes = 1 << 20;
    vm.created_ns = 1000u + epoch;
    return vm;
}

class FakeSource : public SeriesSource {
  public:
    FakeSource(VmInfo vm, std::shared_ptr<const SchemaInfo> schema) : info(std::move(vm)), schema_(std::move(schema)) {}

    void add_series(std::uint32_t index, std::uint32_t metric, std::vector<std::string> values) {
        list.push_back({index, metric, std::move(values), 0});
    }

    VmInfo vm() const override { return info; }
    std::shared_ptr<const SchemaInfo> schema() const override { return schema_; }
    Result<std::vector<SeriesInfo>> series() const override {
        if (failing) return error(Code::kUnavailable, "the source is failing");
        return list;
    }
    Result<SeriesData> read(std::uint32_t series_index, const ReadRequest&) const override {
        auto at = data.find(series_index);
        if (at == data.end()) return error(Code::kInvalid, "no such series");
        return at->second;
    }

    VmInfo info;
    std::vector<SeriesInfo> list;
    std::map<std::uint32_t, SeriesData> data;
    bool failing = false;

  private:
    std::shared_ptr<const SchemaInfo> schema_;
};

}  // namespace ringside::agent
