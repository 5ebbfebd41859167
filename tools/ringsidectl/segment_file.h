// A segment or an archive file opened for a person: no agent, the same checks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/model.h"
#include "agent/promql/syntax/matcher.h"
#include "tools/ringsidectl/points.h"

namespace ringside::ctl {

using agent::Result;

struct SegmentFile {
    std::string format;  // "segment" or "archive"
    std::string life;    // "alive", "dead", "waiting", "unknown"; of an archive "dead"
    std::string proof;   // "lease", "lock", "none"
    std::shared_ptr<const agent::SeriesSource> source;
    // Fields of the header for people, in order; of a segment with the offsets of its parts.
    std::vector<std::pair<std::string, std::string>> facts;
};

// Opens by what the file begins with, not by its name: a copy under any name is fine. A segment whose writer is gone is
// settled, so that its last window ends where the VM ended. kNotFound, kDenied, kUnavailable (somebody holds a
// lease, or a newer version wrote it), kCorrupt with what is wrong and what to do.
Result<SegmentFile> open_segment_file(const std::string& path);

struct Verified {
    std::uint64_t points = 0;
    std::uint64_t unreadable = 0;  // archive: series and tiers that the segment could not give any more
};
// Reads every window of every series, and checks every byte of an archive.
Result<Verified> verify_segment_file(const std::string& path, const SegmentFile& file);

// The windows of one series in one tier, all that there are.
Result<SeriesOfPoints> read_series_of_file(const SegmentFile& file, const agent::SeriesInfo& series, std::uint32_t tier,
                                           std::uint32_t columns);

Labels labels_of(const agent::MetricInfo& metric, const agent::SeriesInfo& series);

}  // namespace ringside::ctl
