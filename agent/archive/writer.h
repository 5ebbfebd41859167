// Writes one archive file from a finalised VM.
#pragma once

#include <cstdint>
#include <string>

#include "agent/base/file.h"
#include "agent/base/model.h"

namespace ringside::agent {

struct ArchiveWritten {
    std::uint64_t bytes = 0;
    std::uint64_t points = 0;
    std::uint64_t unreadable_runs = 0;  // of a series and tier whose bytes contradicted themselves: marked in the file
};

// Every window of every series and tier that `source` gives, open ones included, and `vm` as what is known of the VM
// (its exit cause may be better than the source's own). One series and tier at a time is in memory, and of a long one
// as much as the source gives at once: where it calls a range kExhausted, it is asked for the halves. After success
// the file survives a power cut; after a failure there is none under `path`, or the whole one. `source` must not
// change any more. A series that the source calls kCorrupt is marked unreadable and costs no other; its other errors
// end the write and are returned.
Result<ArchiveWritten> write_archive(FileSystem& fs, const std::string& path, const SeriesSource& source,
                                     const VmInfo& vm, std::uint64_t archived_ns);

}  // namespace ringside::agent
