// What a receiver has acknowledged, one durable cursor per VM epoch, in one small file.
//
// The file is a header and records of kCursorRecordBytes each, every one with its own CRC-32C. A save
// appends the cursors that changed and syncs; when the file is mostly history, or after any failure, it
// is written anew beside itself and renamed. The last good record of an epoch counts.
//
//  C1  A cursor that save() returned from survives a crash.
//  C2  Whatever the file's bytes, reading it gives cursors that were saved once: of a damaged record the
//      one before it, else none. An older cursor, or none, is the safe side: windows are pushed again,
//      never left out.
//  C3  A file that took an error is not appended to any more (its tail is unknown, and a lost page is
//      reported once): the next save replaces it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "agent/base/file.h"
#include "agent/base/model.h"

namespace ringside::agent {

inline constexpr std::size_t kCursorRecordBytes = 192;

struct Cursor {
    std::string vm_id;
    std::string component;
    Epoch epoch{};
    std::uint64_t created_ns = 0;       // of the VM epoch: its place among the lives of its VM
    std::uint64_t acked_ns = 0;         // end of the last window that is done with; 0: none
    std::uint64_t zeros_ns = 0;         // series registered before this have had their zeros
    std::int64_t last_ms = INT64_MIN;   // time of the newest sample sent
    std::int64_t floor_ms = INT64_MIN;  // samples up to here belong to an earlier life of the VM
    bool done = false;                  // acknowledged to the end, stale markers included
    bool superseded = false;            // a later life of the VM has taken over its series

    bool operator==(const Cursor&) const = default;
};

// "vm_id.epoch[.component]", as vm_key().
std::string cursor_key(const Cursor& cursor);

class CursorStore {
  public:
    // Reads `path`, or starts empty where there is none. A file that is no cursor file at all, or that
    // cannot be read, is moved to `path`.damaged and the store starts empty (C2); so only a folder
    // that cannot be used is an error. `max`: cursors kept.
    static Result<CursorStore> open(FileSystem& files, std::string path, std::size_t max);

    CursorStore(CursorStore&&) = default;

    // Null when there is none. Valid until the next put() or forget().
    const Cursor* find(const std::string& key) const;
    const std::map<std::string, Cursor>& all() const { return cursors_; }

    // In memory; durable after the next save(). Over `max` an epoch that is done goes, else the
    // oldest one.
    void put(const Cursor& cursor);
    void forget(const std::string& key);

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

    FileSystem* files_;
    std::string path_;
    std::size_t max_;
    std::map<std::string, Cursor> cursors_;
    std::set<std::string> changed_;  // keys to append
    File log_;                       // open for appending, or not (C3)
    std::size_t log_records_ = 0;
    std::uint64_t damaged_ = 0;
    std::string put_aside_;
};

}  // namespace ringside::agent
