// Reads the windows of one series in one tier from an archive file. Internal to agent/archive.
#pragma once

#include <cstdint>

#include "agent/archive/codec.h"
#include "agent/base/file.h"
#include "agent/base/model.h"

namespace ringside::agent {

// The windows of `request` from the run that `entry` has for request.tier. One chunk at a time is read, those outside the
// request not at all. kCorrupt when the bytes are not the run that the entry names, whatever part of them is looked at.
Result<SeriesData> read_run(const File& file, const DirectoryEntry& entry, const ReadRequest& request);

}  // namespace ringside::agent
