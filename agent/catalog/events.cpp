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
        if (ring_.size() == capacity_) ring_.pop_front();
        ring_.push_back(std::move(event));
    }
    published_.notify_all();
    return sequence;
}

std::uint64_t EventBus::next_sequence() const {
    std::lock_guard lock(mutex_);
    return next_;
}

EventBatch EventBus::wait(std::uint64_t from, std::size_t max, std::chrono::milliseconds timeout) const {
    std::unique_lock lock(mutex_);
    if (from == 0) from = next_ - ring_.size();
    published_.wait_for(lock, timeout, [&] { return closed_ || next_ > from; });

    EventBatch batch;
    batch.next = from;
    if (next_ > from) {
        const std::uint64_t oldest = next_ - ring_.size();
        const std::uint64_t begin = std::max(from, oldest);
        const std::uint64_t end = begin + std::min<std::uint64_t>(next_ - begin, max);
        batch.missed = begin - from;
        for (std::uint64_t at = begin; at < end; ++at) batch.events.push_back(ring_[at - oldest]);
        batch.next = end;
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
