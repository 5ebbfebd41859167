// What keeps the agent alive when a file is cut under a mapping of it. Reading a page that is no longer there ends in SIGBUS;
// its handler lays zero pages over the rest of the mapping and marks it as cut, and the reader, which checks that mark after
// it has copied, throws away what it read.
//
//  B1  A range is in the table for as long as its pages are mapped, so no SIGBUS of anybody else is swallowed: the handler
//      takes those that lie in a range, and hands all others on to whatever handled them before.
//  B2  The handler allocates nothing, takes no lock, and calls the kernel alone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ringside::agent {

// Mappings that can be guarded at a time: more than there can be segments.
inline constexpr std::size_t kGuardedRangesMax = 16384;

// Takes over SIGBUS for the process, once; main's business. Until then nothing can be guarded.
void install_bus_guard();

// One range under guard.
class GuardedRange {
  public:
    // Not guarded() when the table is full, or nobody installed the guard. `begin` is the begin of a page.
    GuardedRange(const void* begin, std::size_t bytes);
    // Before the pages are unmapped.
    ~GuardedRange();
    GuardedRange(const GuardedRange&) = delete;
    GuardedRange& operator=(const GuardedRange&) = delete;

    bool guarded() const { return entry_ != nullptr; }
    // Of the table, which is static: signal handlers know no objects.
    struct Entry {
        // Written by the owner: `begin` last, with release, and cleared first. Read by the handler with acquire, so that
        // whoever sees a begin sees the bytes that belong to it or to a later owner, and read once more after them: as they
        // are the same, so are the owners. 1 while an owner has taken the entry but not filled it.
        std::atomic<std::uintptr_t> begin{0};
        std::atomic<std::size_t> bytes{0};
        // Written by the handler on the thread that faulted, read by that thread after its copy: program order is enough.
        // Other threads of the same mapping that see zeros instead of a fault read it after an acquire fence.
        std::atomic<bool> cut{false};
    };

    // Whether zero pages are in the place of some of it.
    bool cut() const { return entry_ && entry_->cut.load(std::memory_order_seq_cst); }

  private:
    Entry* entry_ = nullptr;
};

}  // namespace ringside::agent
