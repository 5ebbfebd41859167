// Writes one archive file from a finalised VM.
#pragma once

#include <cstdint>
#include <string>

#include "agent/base/file.h"
#include "agent/base/model.h"

namespace ringside::agent {

// How far the runs of an archive file may go. What follows them (schema, list of series, directory) is shorter than the
// segment. A window has at most twice the bytes of its slot, and a series at most twice as many windows as its ring has
// slots (an idle one is carried on for as long again), so all that a segment can make for is less than five times its
// length. The rest is room for what an earlier file holds.
std::uint64_t archive_bytes_max(std::uint64_t segment_bytes);

// How large an earlier file may be for its windows to be taken over: what is left beside five times the segment, so that
// the new windows always fit.
std::uint64_t archive_earlier_bytes_max(std::uint64_t segment_bytes);

struct ArchiveWritten {
    std::uint64_t bytes = 0;
    std::uint64_t points = 0;
    // Of a series and tier whose bytes contradicted themselves, or that went over archive_bytes_max(): marked in the
    // file, unless it has what the earlier one had.
    std::uint64_t unreadable_runs = 0;
};

// Every window of every series and tier that `source` gives, open ones included, and `vm` as what is known of the VM
// (its exit cause may be better than the source's own). One series and tier at a time is in memory, and of a long one
// as much as the source gives at once: where it calls a range kExhausted, it is asked for the halves. `file` has all of
// it then and the commit is left to the caller; after a failure nothing is to be done with it. `source` must not
// change any more. A series that the source calls kCorrupt is marked unreadable and costs no other; its other errors
// end the write and are returned. `earlier`, where given, is what was archived of the same VM before, perhaps under
// the same path: its windows that end before those of `source` begin are taken over, or all of them where `source` has
// none. It is not larger than archive_earlier_bytes_max().
Result<ArchiveWritten> write_archive(DurableFile* file, const SeriesSource& source, const VmInfo& vm,
                                     std::uint64_t archived_ns, const SeriesSource* earlier = nullptr);

// The same with its commit: after success `path` survives a power cut; after a failure there is none, or the whole one.
Result<ArchiveWritten> write_archive(FileSystem& fs, const std::string& path, const SeriesSource& source,
                                     const VmInfo& vm, std::uint64_t archived_ns);

}  // namespace ringside::agent
