#include "tools/ringsidectl/fetch.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "tools/ringsidectl/names.h"

namespace ringside::ctl {
namespace {

// The API and the data model number kinds alike; this holds them to it.
static_assert(int{v1::METRIC_KIND_COUNTER} == int(agent::Kind::kCounter) &&
              int{v1::METRIC_KIND_COUNTER_F64} == int(agent::Kind::kCounterF64) &&
              int{v1::METRIC_KIND_GAUGE} == int(agent::Kind::kGauge) &&
              int{v1::METRIC_KIND_LEVEL} == int(agent::Kind::kLevel) &&
              int{v1::METRIC_KIND_HISTOGRAM} == int(agent::Kind::kHistogram) &&
              int{v1::METRIC_KIND_INFO} == int(agent::Kind::kInfo));
static_assert(int{v1::POINT_FLAG_OPEN} == agent::kPointOpen && int{v1::POINT_FLAG_CARRIED} == agent::kPointCarried &&
              int{v1::POINT_FLAG_PARTIAL} == agent::kPointPartial);

template <typename To, typename From>
void append(std::vector<To>& to, const From& from) {
    to.insert(to.end(), from.begin(), from.end());
}

void append_points(agent::SeriesData& data, const v1::SeriesPoints& points) {
    append(data.end_ns, points.end_ns());
    for (std::uint32_t flags : points.flags()) data.flags.push_back(static_cast<std::uint8_t>(flags));
    // A peer that leaves flags out means none.
    data.flags.resize(data.end_ns.size(), 0);
    append(data.count, points.count());
    append(data.sum, points.sum());
    append(data.min, points.min());
    append(data.max, points.max());
    append(data.last, points.last());
    append(data.value, points.value_u64());
    for (double value : points.value_f64()) data.value.push_back(std::bit_cast<std::uint64_t>(value));
    append(data.buckets, points.buckets());
}

// A column is empty or has one entry a point: all that follows relies on it.
bool is_consistent(const SeriesOfPoints& series) {
    const agent::SeriesData& data = series.data;
    const std::size_t points = data.size();
    const auto fits = [points](const auto& column, std::size_t stride = 1) {
        return column.empty() || column.size() == points * stride;
    };
    return data.flags.size() == points && fits(data.count) && fits(data.sum) && fits(data.min) && fits(data.max) &&
           fits(data.last) && fits(data.value) && fits(data.buckets, series.bucket_count + std::size_t{1});
}

}  // namespace

Result<std::vector<v1::Vm>> find_vm(Client& client, const VmChoice& choice) {
    v1::GetVmRequest request;
    set_vm(request, choice);
    return client.get_vm(request);
}

std::uint64_t data_end_ns(const std::vector<v1::Vm>& vms, std::uint64_t now_ns) {
    std::uint64_t end_ns = 0;
    for (const v1::Vm& vm : vms) {
        if (!vm.has_ended_ns()) return now_ns;
        end_ns = std::max<std::uint64_t>(end_ns, vm.ended_ns());
    }
    return end_ns == 0 ? now_ns : end_ns;
}

Result<std::vector<SeriesOfPoints>> fetch_points(Client& client, const std::vector<v1::Vm>& vms,
                                                 const v1::ReadSeriesRequest& request, Client::Warnings& warnings) {
    std::vector<SeriesOfPoints> series;
    for (const v1::Vm& vm : vms) {
        v1::ReadSeriesRequest of_vm = request;
        of_vm.mutable_vms()->add_vm_ids(vm.ref().vm_id());
        of_vm.mutable_vms()->set_component(vm.ref().component());
        of_vm.mutable_vms()->set_epoch(vm.ref().epoch());
        std::optional<std::uint32_t> index;
        const auto result = client.read_series(of_vm, warnings, [&](v1::SeriesPoints& points) {
            const bool goes_on = index == points.series().index() && !series.empty() &&
                                 series.back().resolution_s == points.resolution_s();
            if (!goes_on) {
                index = points.series().index();
                series.push_back({.vm_id = points.vm().vm_id(),
                                  .component = points.vm().component(),
                                  .epoch = points.vm().epoch(),
                                  .metric = points.series().metric(),
                                  .labels = labels_of(points.series()),
                                  .kind = static_cast<agent::Kind>(points.series().kind()),
                                  .unit = points.series().unit(),
                                  .resolution_s = points.resolution_s(),
                                  .created_ns = std::max(points.series().created_ns(), vm.created_ns()),
                                  .histogram_scale = points.series().histogram().scale(),
                                  .bucket_first = points.series().histogram().bucket_first(),
                                  .bucket_count = points.series().histogram().bucket_count()});
            }
            append_points(series.back().data, points);
        });
        if (!result) return result.error();
    }
    for (const SeriesOfPoints& one : series) {
        if (!is_consistent(one)) {
            return agent::error(
                agent::Code::kInternal,
                "the agent's answer for " + one.metric +
                    " has columns of different lengths: it and this "
                    "ringsidectl do not fit together; compare `ringsidectl status` and `ringsidectl --version`");
        }
    }
    return series;
}

}  // namespace ringside::ctl
