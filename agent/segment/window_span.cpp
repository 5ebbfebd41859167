#include "agent/segment/window_span.h"

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

void WindowSpan::add(std::uint64_t window, bool closed_by_writer, std::uint8_t flags, const WindowPoint& point) {
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
}

}  // namespace ringside::agent
