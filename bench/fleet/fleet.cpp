#include "bench/fleet/fleet.h"

#include <cstring>

namespace ringside::bench {
namespace {

using namespace ringside::agent;

constexpr std::uint64_t kSecond = 1'000'000'000;

class FleetVm : public SeriesSource {
  public:
    FleetVm(const FleetSize& size, std::uint32_t number, std::shared_ptr<const SchemaInfo> schema)
        : size_(size), number_(number), schema_(std::move(schema)) {}

    VmInfo vm() const override {
        VmInfo info;
        info.vm_id = "vm-" + std::to_string(number_);
        std::memcpy(info.epoch.data(), &number_, sizeof number_);
        info.created_ns = info.attached_ns = size_.begin_ns;
        info.last_write_ns = end_ns();
        info.series_count = size_.series;
        return info;
    }
    std::shared_ptr<const SchemaInfo> schema() const override { return schema_; }
    Result<std::vector<SeriesInfo>> series() const override {
        std::vector<SeriesInfo> all;
        for (std::uint32_t index = 0; index < size_.series; ++index) {
            all.push_back({index, 0, {"vda", std::to_string(index)}, size_.begin_ns});
        }
        return all;
    }
    Result<SeriesData> read(std::uint32_t index, const ReadRequest& request) const override {
        SeriesData data;
        const std::uint64_t step_ns = size_.resolution_s * kSecond;
        for (std::uint64_t at_ns = size_.begin_ns + step_ns; at_ns <= end_ns(); at_ns += step_ns) {
            if (at_ns <= request.begin_ns || at_ns > request.end_ns) continue;
            data.end_ns.push_back(at_ns);
            data.flags.push_back(0);
            // Grows by another amount in each window.
            const std::uint64_t seconds = (at_ns - size_.begin_ns) / kSecond;
            data.value.push_back(seconds * (100 + index) + (seconds * 7919 + number_ * 31 + index * 17) % 100);
        }
        return data;
    }

  private:
    std::uint64_t end_ns() const { return size_.begin_ns + size_.windows * size_.resolution_s * kSecond; }

    const FleetSize size_;
    const std::uint32_t number_;
    const std::shared_ptr<const SchemaInfo> schema_;
};

}  // namespace

Fleet::Fleet(const FleetSize& size) {
    auto schema = std::make_shared<SchemaInfo>();
    schema->name = "fleet";
    schema->tiers = {{size.resolution_s, 1000, kColumnsAll}};
    MetricInfo metric;
    metric.name = "vmm_block_ops_total";
    metric.help = "Operations.";
    metric.label_names = {"device", "queue"};
    metric.max_series = size.series;
    schema->metrics.push_back(metric);
    for (std::uint32_t number = 0; number < size.vms; ++number) {
        auto vm = std::make_shared<FleetVm>(size, number, schema);
        sources_.push_back({vm_key(vm->vm()), vm});
    }
}

}  // namespace ringside::bench
