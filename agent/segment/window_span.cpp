#include "agent/segment/window_span.h"

#include <bit>

namespace ringside::agent {

bool WindowSpan::wants(std::uint64_t window, bool closed_by_writer) {
    if (begin_of(window) > timeline_.latest_ns) {
        ++stats_->future;
        return false;
    }
    if (timeline_.ended && begin_of(window) >= timeline_.now_ns) return false;
    if (open(window, closed_by_writer) && !request_.open_window) return false;
    std::uint64_t end_ns = true_end(window);
    return end_ns > request_.begin_ns && end_ns <= request_.end_ns;
}

void WindowSpan::add(std::uint64_t window, bool closed_by_writer, std::uint8_t flags, const WindowPoint& point,
                     std::span<const std::uint64_t> buckets) {
    if (open(window, closed_by_writer)) flags |= kPointOpen;
    bool began_inside = timeline_.created_ns > begin_of(window) && timeline_.created_ns < end_of(window);
    if (began_inside || true_end(window) < end_of(window)) flags |= kPointPartial;
    data_.end_ns.push_back(true_end(window));
    data_.flags.push_back(flags);
    if (keeps(kColumnCount)) data_.count.push_back(point.count);
    if (keeps(kColumnSum)) data_.sum.push_back(plain_nan(point.sum));
    if (keeps(kColumnMin)) data_.min.push_back(plain_nan(point.min));
    if (keeps(kColumnMax)) data_.max.push_back(plain_nan(point.max));
    if (keeps(kColumnLast)) data_.last.push_back(plain_nan(point.last));
    if (keeps(kColumnValue)) data_.value.push_back(point.value);
    // Back to front, as take() turns them around.
    data_.buckets.insert(data_.buckets.end(), buckets.rbegin(), buckets.rend());
}

template <typename Change>
void WindowSpan::each_column(Change change) {
    change(data_.end_ns);
    change(data_.flags);
    if (keeps(kColumnCount)) change(data_.count);
    if (keeps(kColumnSum)) change(data_.sum);
    if (keeps(kColumnMin)) change(data_.min);
    if (keeps(kColumnMax)) change(data_.max);
    if (keeps(kColumnLast)) change(data_.last);
    if (keeps(kColumnValue)) change(data_.value);
}

void WindowSpan::keep_newest(std::size_t size) {
    each_column([size](auto& column) { column.resize(size); });
}

void WindowSpan::reserve(std::uint64_t open_window, std::size_t stride) {
    std::uint64_t windows = most_windows(open_window);
    each_column([windows](auto& column) { column.reserve(windows); });
    data_.buckets.reserve(windows * stride);
}

SeriesData WindowSpan::take() {
    each_column([](auto& column) { std::ranges::reverse(column); });
    std::ranges::reverse(data_.buckets);
    return std::move(data_);
}

std::uint64_t WindowSpan::most_windows(std::uint64_t open_window) const {
    std::uint64_t first = std::max(open_window - std::min(open_window, slots_), first_wanted());
    std::uint64_t end = std::min(open_window, last_wanted() + 1);
    std::uint64_t closed = end > first ? end - first : 0;
    return closed + 1 + static_cast<std::uint64_t>(idle_windows(open_window).size());  // below 2^22
}

std::uint64_t WindowSpan::point_bytes(std::size_t stride) const {
    auto values = static_cast<std::uint64_t>(std::popcount(columns_ & (kColumnBuckets - 1)));
    return sizeof(std::uint64_t) * (1 + values + stride) + 1;
}

}  // namespace ringside::agent
