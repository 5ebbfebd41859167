#include "agent/api/series_reader.h"

#include <algorithm>
#include <limits>

#include "agent/base/clock.h"
#include "agent/query/tier_choice.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
// Windows looked at first for the newest; then eight times as many, and so on.
constexpr std::uint64_t kNewestWindows = 4;

std::uint64_t plus(std::uint64_t to, std::uint64_t more) {
    return to > std::numeric_limits<std::uint64_t>::max() - more ? std::numeric_limits<std::uint64_t>::max()
                                                                 : to + more;
}

std::uint64_t windows_a_read(const MetricInfo& metric, std::uint32_t columns) {
    return std::max<std::uint64_t>(1, kReadBytes / point_bytes(metric, columns));
}

}  // namespace

std::uint64_t point_bytes(const MetricInfo& metric, std::uint32_t columns) {
    std::uint64_t words = 2;  // end_ns and flags
    for (std::uint32_t bit = 1; bit < kColumnBuckets; bit <<= 1) words += (columns & bit) != 0;
    if (metric.kind == Kind::kHistogram && (columns & kColumnBuckets)) words += metric.bucket_count + std::uint64_t{1};
    return words * 8;
}

PiecewiseRead::PiecewiseRead(const SchemaInfo& schema, const MetricInfo& metric, const VmInfo& vm,
                             const ReadRequest& request, std::uint64_t now_ns)
    : request_(request), begin_ns_(request.begin_ns), end_ns_(request.end_ns) {
    const TierInfo& tier = schema.tiers[request.tier];
    const std::uint64_t resolution_ns = tier.resolution_s * kNsPerS;
    const std::uint64_t windows = windows_a_read(metric, request.columns & tier.columns);
    step_ns_ = std::numeric_limits<std::uint64_t>::max();
    if (windows >= std::uint64_t{tier.slots} + 2) return;  // The whole ring in one piece.
    // Else no more than the ring can hold, piece by piece: 2^64 ns of windows would be too many pieces.
    const std::uint64_t last = plus(newest_ns(vm, now_ns), 2 * resolution_ns);
    end_ns_ = std::min(end_ns_, last);
    begin_ns_ = std::max(begin_ns_, minus(last, (std::uint64_t{tier.slots} + 4) * resolution_ns));
    step_ns_ = windows * resolution_ns;
}

Result<SeriesData> PiecewiseRead::next(const SeriesSource& source, std::uint32_t series_index) {
    ReadRequest piece = request_;
    piece.begin_ns = begin_ns_;
    piece.end_ns = std::min(end_ns_, plus(begin_ns_, step_ns_));
    begin_ns_ = piece.end_ns;
    return source.read(series_index, piece);
}

Result<std::optional<LatestPoint>> read_latest(const SeriesSource& source, const SchemaInfo& schema,
                                               const MetricInfo& metric, const VmInfo& vm, std::uint32_t series_index,
                                               std::uint64_t now_ns) {
    for (std::uint32_t tier = 0; tier < schema.tiers.size(); ++tier) {
        const TierInfo& info = schema.tiers[tier];
        const std::uint64_t limit = std::min<std::uint64_t>(info.slots, windows_a_read(metric, info.columns));
        for (std::uint64_t windows = std::min(kNewestWindows, limit);; windows = std::min(windows * 8, limit)) {
            ReadRequest request;
            request.tier = tier;
            request.begin_ns = minus(newest_ns(vm, now_ns), (windows + 1) * info.resolution_s * kNsPerS);
            auto data = source.read(series_index, request);
            if (!data) return data.error();
            if (const std::size_t size = data->size()) {
                return std::optional(LatestPoint{std::move(*data), size - 1, info.resolution_s});
            }
            if (windows == limit) break;
        }
    }
    return std::optional<LatestPoint>();
}

}  // namespace ringside::agent
