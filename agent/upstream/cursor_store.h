// What a receiver has acknowledged, and what it will never get: one durable cursor per VM epoch with its losses, in one
// small file.
//
// The file is a header and records of kCursorRecordBytes each, every one with its own CRC-32C: a cursor, or one loss in
// its slot. A save appends what changed, losses before cursors, and syncs; when the file is mostly history, or after any
// failure, it is written anew beside itself and renamed. The last good record of an epoch (and slot) counts.
//
//  C1  A cursor that save() returned from survives a crash.
//  C2  Whatever the file's bytes, reading it gives cursors that were saved once: of a damaged record the
//      one before it, else none. An older cursor, or none, is the safe side: windows are pushed again,
//      never left out. Losses of a VM without a cursor are forgotten: they will be found again.
//  C3  A file that took an error is not appended to any more (its tail is unknown, and a lost page is
//      reported once): the next save replaces it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/model.h"
#include "agent/upstream/loss.h"
#include "agent/upstream/tally.h"

namespace ringside::agent {

inline constexpr std::size_t kCursorRecordBytes = 256;

struct Cursor {
    std::string vm_id;
    std::string component;
    Epoch epoch{};
    std::uint64_t created_ns = 0;       // of the VM epoch: its place among the lives of its VM
    std::uint64_t acked_ns = 0;         // end of the last window that is done with; 0: none
    std::uint64_t zeros_ns = 0;         // series registered before this have had their zeros
    std::int64_t last_ms = INT64_MIN;   // time of the newest sample sent
    std::int64_t floor_ms = INT64_MIN;  // samples up to here belong to an earlier life of the VM
    // Samples of windows that the receiver has accepted, since ever.
    std::uint64_t accepted = 0;
    // All that got a final answer, be it accepted or refused, of windows that end after `tallied_ns`. That follows, so
    // that a source still has them all (slide_tally).
    std::uint64_t tallied_ns = 0;
    Tally answered;
    // Of them, those up to `half_ns`.
    std::uint64_t half_ns = 0;
    Tally half;
    std::uint64_t shape = 0;  // of the options under which they were made: shape_of()
    bool done = false;        // acknowledged to the end, stale markers included
    bool superseded = false;  // a later life of the VM has taken over its series

    bool operator==(const Cursor&) const = default;
};

// "vm_id.epoch[.component]", as vm_key().
std::string cursor_key(const Cursor& cursor);

// What is answered from here on is tallied anew.
void restart_tally(Cursor& cursor);
// Lets go of the older half of what is tallied when it spans more than `span_ns`; of all when that is not enough.
void slide_tally(Cursor& cursor, std::uint64_t span_ns);

// All that is kept of one VM epoch.
struct Ledger {
    Cursor cursor;
    std::vector<Loss> losses;
};

class CursorStore {
  public:
    // Reads `path`, or starts empty where there is none. A file that is no cursor file at all, or that
    // cannot be read, is moved to `path`.damaged and the store starts empty (C2); so only a folder
    // that cannot be used is an error. `max`: cursors kept.
    static Result<CursorStore> open(FileSystem& files, std::string path, std::size_t max);

    CursorStore(CursorStore&& other);  // nobody else may use `other` meanwhile

    // Null when there is none. Valid until the next put() or forget().
    const Cursor* find(const std::string& key) const;
    const std::map<std::string, Cursor>& all() const { return cursors_; }

    // In memory; durable after the next save(). Over `max` an epoch that is done goes, else the
    // oldest one.
    void put(const Cursor& cursor);
    // Durable with the cursor that the caller puts afterwards. Without one it is kept in memory alone.
    void lose(const std::string& key, Loss loss);
    void forget(const std::string& key);
    // The losses of epochs that have no cursor and are not in `keep`.
    void forget_losses_without_cursor(const std::unordered_set<std::string>& keep);

    // Of an epoch without cursor, its losses alone; none when there are none. Any thread, as against all else here, which
    // one thread does.
    std::optional<Ledger> ledger(const std::string& key) const;

    // Makes all changes durable. After an error they are still in memory and the next save tries
    // again.
    Result<void> save();

    // Records of the file that were damaged when it was opened, and why it was put aside, if it was.
    std::uint64_t damaged() const { return damaged_; }
    const std::string& put_aside() const { return put_aside_; }

  private:
    CursorStore(FileSystem& files, std::string path, std::size_t max)
        : files_(&files), path_(std::move(path)), max_(max) {}

    void read(std::string_view bytes);
    Result<void> append();
    Result<void> replace();

    std::size_t kept() const;  // records of a file without history
    std::size_t changes() const { return changed_.size() + changed_losses_.size(); }

    FileSystem* files_;
    std::string path_;
    std::size_t max_;
    // Written by the one thread with the mutex held, so that it may read without.
    mutable std::mutex mutex_;
    std::map<std::string, Cursor> cursors_;
    std::map<std::string, LossList> losses_;  // by the same keys
    // What is to be appended: keys, and slots of losses.
    std::set<std::string> changed_;
    std::set<std::pair<std::string, std::size_t>> changed_losses_;
    File log_;  // open for appending, or not (C3)
    std::size_t log_records_ = 0;
    std::uint64_t damaged_ = 0;
    std::string put_aside_;
};

}  // namespace ringside::agent
