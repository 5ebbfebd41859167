// What happened to VMs, as a stream that any number of readers follow.
//
// Invariants:
//  E1  Sequence numbers rise by one from `first`. At most `capacity` events are kept: one more makes the oldest go of the
//      owner who has most of them. So whoever makes events all the time pushes out their own, and of a host with one
//      owner the newest are kept. The newest event of all never goes.
//  E2  A reader is a number: the sequence it wants next. It costs no memory here, cannot slow the
//      publisher, and learns how many events it missed where they were gone before it came.
//  E3  After close() nothing is published any more and no call of wait() blocks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "agent/base/model.h"

namespace ringside::agent {

enum class EventKind {
    kAppeared,     // a segment was found, checked and taken in
    kExited,       // its writer is gone; `cause` says how
    kDrained,      // it is in the archive, durable
    kQuarantined,  // refused; `reason` says why
    kPushed,       // an upstream acknowledged windows up to window_end_ns
};
const char* event_kind_name(EventKind kind);  // "appeared", "exited", ...

// One event. Fields that do not belong to the kind are empty.
struct Event {
    std::uint64_t sequence = 0;  // set by publish()
    std::uint64_t time_ns = 0;   // CLOCK_REALTIME, set by the publisher
    EventKind kind = EventKind::kAppeared;
    std::string vm_id;  // empty where the name of a quarantined file says nothing
    std::string component;
    Epoch epoch{};
    std::uint32_t uid = 0;               // owner of the segment
    ExitCause cause = ExitCause::kNone;  // kExited, kDrained
    std::int32_t close_code = 0;
    std::uint8_t exit_signal = 0;
    std::string close_text;
    std::string file;    // kQuarantined: the file's name in the directory
    std::string reason;  // kQuarantined: the reason's short name
    std::string detail;  // kQuarantined: a sentence
    std::string upstream;
    std::uint64_t window_end_ns = 0;
    std::uint64_t samples = 0;  // kPushed: in this acknowledgement
};

// The fields that name a VM.
Event event_of(EventKind kind, const VmInfo& vm, std::uint64_t time_ns);

// What one reader gets at once.
struct EventBatch {
    std::vector<Event> events;  // each the one after the one before: a gap ends the batch
    std::uint64_t missed = 0;   // events between the wanted one and the first of these that are gone
    std::uint64_t next = 0;     // the sequence to ask for next
    bool closed = false;        // nothing will follow `events`
};

// Safe for use by any thread. Nothing blocks but wait().
class EventBus {
  public:
    // Give each run of the agent a higher `first`, such as its start in us since 1970, and sequence
    // numbers rise over restarts too. At least 1.
    explicit EventBus(std::size_t capacity, std::uint64_t first = 1);

    // Returns the event's sequence number, 0 after close().
    std::uint64_t publish(Event event);

    // The sequence of the event that will be published next: where a reader of new ones begins.
    std::uint64_t next_sequence() const;

    // Events from sequence `from` on (0: the oldest there is), at most `max` of them. Waits up to
    // `timeout` for the first; the batch is empty when the time is over.
    EventBatch wait(std::uint64_t from, std::size_t max, std::chrono::milliseconds timeout) const;

    // Wakes all readers for the last time.
    void close();

  private:
    // By this order the last owner is the one whose oldest event goes next: who has most, of several the one who has had
    // it longest.
    struct Holding {
        std::size_t count = 0;
        std::uint64_t oldest = 0;
        std::uint32_t uid = 0;
        bool operator<(const Holding& other) const;
    };

    void add(Event event);
    void drop_oldest_of_the_largest();
    Holding holding(std::uint32_t uid) const;

    const std::size_t capacity_;
    mutable std::mutex mutex_;  // guards all below
    mutable std::condition_variable published_;
    std::map<std::uint64_t, Event> kept_;                          // by sequence
    std::map<std::uint32_t, std::deque<std::uint64_t>> by_owner_;  // their sequences, rising; of nobody empty
    std::set<Holding> holdings_;                                   // of each owner
    std::uint64_t next_;
    bool closed_ = false;
};

}  // namespace ringside::agent
