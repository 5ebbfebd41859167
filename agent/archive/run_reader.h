// Reads the windows of one series in one tier from an archive file. Internal to agent/archive.
#pragma once

#include <cstdint>

#include "agent/archive/block.h"
#include "agent/archive/directory.h"
#include "agent/base/file.h"
#include "agent/base/model.h"

namespace ringside::agent {

// What one read takes from a file at most, unpacked, and so about what it allocates.
inline constexpr std::uint64_t kReadBytesMax = std::uint64_t{64} << 20;

// The windows of `request` from the blocks of `run`. One block at a time is read, those outside the request not at all.
// kExhausted when what is read has more than kReadBytesMax bytes; kCorrupt when the bytes are not the run that the
// directory names, whatever part of them is looked at.
Result<SeriesData> read_run(const File& file, const BlockPlace& place, const RunEntry& run, const ReadRequest& request);

// Reads every byte of a run, one block at a time, and keeps none.
Result<void> verify_run(const File& file, const BlockPlace& place, const RunEntry& run);

}  // namespace ringside::agent
