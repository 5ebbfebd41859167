#include "agent/segment/layout.h"

#include <algorithm>
#include <iterator>

namespace ringside::agent {

std::uint32_t SegmentLayout::metric_of(std::uint32_t index) const {
    auto after = std::ranges::upper_bound(metrics, index, {}, &rside_metric_geometry::first_series);
    return static_cast<std::uint32_t>(std::distance(metrics.begin(), after)) - 1;
}

Checked<std::shared_ptr<const SegmentLayout>> LayoutCache::get(std::uint64_t hash, std::vector<std::byte> block) {
    {
        std::lock_guard lock(mutex_);
        auto [at, end] = layouts_.equal_range(hash);
        while (at != end) {
            std::shared_ptr<const SegmentLayout> known = at->second.lock();
            if (known && known->bytes == block) return known;
            at = known ? std::next(at) : layouts_.erase(at);
        }
    }
    // Checked outside the lock: a schema may have 4,096 metrics. Two threads that check the same one at once end up
    // with two layouts, which is wasteful and harmless.
    Checked<SegmentLayout> checked = check_schema(std::move(block));
    if (!checked) return checked.refusal();
    auto layout = std::make_shared<const SegmentLayout>(std::move(*checked));
    std::lock_guard lock(mutex_);
    // New schemas are rare: the time to drop those that nobody has any more.
    std::erase_if(layouts_, [](const auto& entry) { return entry.second.expired(); });
    layouts_.emplace(hash, layout);
    return layout;
}

std::size_t LayoutCache::size() const {
    std::lock_guard lock(mutex_);
    return layouts_.size();
}

}  // namespace ringside::agent
