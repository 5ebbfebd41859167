#include "agent/upstream/rule_made.h"

#include <algorithm>

namespace ringside::agent {
namespace {

template <typename Column>
void cut_front(Column& column, std::size_t count) {
    column.erase(column.begin(), column.begin() + static_cast<std::ptrdiff_t>(std::min(count, column.size())));
}

}  // namespace

Result<SeriesData> MadeSource::read(std::uint32_t index, const ReadRequest& request) const {
    if (index >= data.size() || request.tier != 0) return error(Code::kInvalid, "no such series");
    const SeriesData& all = data[index];
    const std::size_t stride = all.size() == 0 ? 0 : all.buckets.size() / all.size();
    SeriesData some;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all.end_ns[i] <= request.begin_ns || all.end_ns[i] > request.end_ns) continue;
        some.end_ns.push_back(all.end_ns[i]);
        some.flags.push_back(0);
        if (!all.value.empty()) some.value.push_back(all.value[i]);
        if (!all.last.empty()) some.last.push_back(all.last[i]);
        if (!all.count.empty()) some.count.push_back(all.count[i]);
        if (!all.sum.empty()) some.sum.push_back(all.sum[i]);
        const auto first = all.buckets.begin() + static_cast<std::ptrdiff_t>(i * stride);
        some.buckets.insert(some.buckets.end(), first, first + static_cast<std::ptrdiff_t>(stride));
    }
    return some;
}

void drop_oldest(SeriesData& data) {
    const std::size_t stride = data.buckets.size() / data.size();
    for (auto* column : {&data.end_ns, &data.count, &data.value}) cut_front(*column, 1);
    for (auto* column : {&data.sum, &data.last}) cut_front(*column, 1);
    cut_front(data.flags, 1);
    cut_front(data.buckets, stride);
}

}  // namespace ringside::agent
