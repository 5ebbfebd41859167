#include "agent/catalog/events.h"

#include <algorithm>

namespace ringside::agent {

const char* event_kind_name(EventKind kind) {
    switch (kind) {
        case EventKind::kAppeared: return "appeared";
        case EventKind::kExited: return "exited";
        case EventKind::kDrained: return "drained";
        case EventKind::kQuarantined: return "quarantined";
        case EventKind::kPushed: return "pushed";
    }
    return "unknown";
}

Event event_of(EventKind kind, const VmInfo& vm, std::uint64_t time_ns) {
    Event event;
    event.kind = kind;
    event.time_ns = time_ns;
    event.vm_id = vm.vm_id;
    event.component = vm.component;
    event.epoch = vm.epoch;
    event.uid = vm.uid;
    if (kind == EventKind::kExited || kind == EventKind::kDrained) {
        event.cause = vm.exit_cause;
        event.close_code = vm.close_code;
        event.exit_signal = vm.exit_signal;
        event.close_text = vm.close_text;
    }
    return event;
}

EventBus::EventBus(std::size_t capacity, std::uint64_t first)
    : capacity_(std::max<std::size_t>(capacity, 1)), next_(std::max<std::uint64_t>(first, 1)) {}

std::uint64_t EventBus::publish(Event event) {
    std::uint64_t sequence = 0;
    {
        std::lock_guard lock(mutex_);
        if (closed_) return 0;
        sequence = event.sequence = next_++;
        add(std::move(event));
        if (kept_.size() > capacity_) drop_oldest_of_the_largest();
    }
    published_.notify_all();
    return sequence;
}

bool EventBus::Holding::operator<(const Holding& other) const {
    if (count != other.count) return count < other.count;
    return oldest > other.oldest;  // never equal: a sequence has one owner
}

EventBus::Holding EventBus::holding(std::uint32_t uid) const {
    const auto& sequences = by_owner_.at(uid);
    return {sequences.size(), sequences.front(), uid};
}

void EventBus::add(Event event) {
    auto [owner, added] = by_owner_.try_emplace(event.uid);
    if (!added) holdings_.erase(holding(event.uid));
    owner->second.push_back(event.sequence);
    holdings_.insert(holding(event.uid));
    kept_.emplace(event.sequence, std::move(event));
}

void EventBus::drop_oldest_of_the_largest() {
    const Holding largest = *holdings_.rbegin();
    holdings_.erase(largest);
    kept_.erase(largest.oldest);
    auto owner = by_owner_.find(largest.uid);
    owner->second.pop_front();
    if (owner->second.empty()) {
        by_owner_.erase(owner);
    } else {
        holdings_.insert(holding(largest.uid));
    }
}

std::uint64_t EventBus::next_sequence() const {
    std::lock_guard lock(mutex_);
    return next_;
}

EventBatch EventBus::wait(std::uint64_t from, std::size_t max, std::chrono::milliseconds timeout) const {
    std::unique_lock lock(mutex_);
    if (from == 0) from = kept_.empty() ? next_ : kept_.begin()->first;
    published_.wait_for(lock, timeout, [&] { return closed_ || next_ > from; });

    EventBatch batch;
    batch.next = from;
    auto at = kept_.lower_bound(from);
    if (at != kept_.end()) {
        batch.missed = at->first - from;
        batch.next = at->first;
    }
    for (; at != kept_.end() && at->first == batch.next && batch.events.size() < max; ++at, ++batch.next) {
        batch.events.push_back(at->second);
    }
    batch.closed = closed_ && batch.next >= next_;
    return batch;
}

void EventBus::close() {
    {
        std::lock_guard lock(mutex_);
        closed_ = true;
    }
    published_.notify_all();
}

}  // namespace ringside::agent
