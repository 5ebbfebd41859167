// From a name in the folder to a checked segment. Everything is checked on the descriptor, never on the name.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/segment/directory.h"
#include "agent/segment/live_segment.h"
#include "agent/segment/refusal.h"

namespace ringside::agent {

// Shares what segments with the same schema have in common. One per agent; keep it as long as any segment. Any thread.
class LayoutCache;
std::shared_ptr<LayoutCache> make_layout_cache();

struct OpenOptions {
    // Whether a file of this owner may speak for this name. Null: everybody's may.
    std::function<bool(const SegmentName& name, uid_t owner)> owner_allowed;
    // Larger files are refused before anything of them is read. The format allows 4 GiB.
    std::uint64_t max_segment_bytes = std::uint64_t{256} << 20;
    NowFn now = realtime_ns;
};

enum class OpenVerdict : std::uint8_t {
    kAccepted,
    kGone,     // no such file any more
    kLater,    // not now: a lease is held on it, or the agent is out of descriptors or memory
    kRefused,  // quarantine it, and look again when the file changes
};

struct Opened {
    OpenVerdict verdict = OpenVerdict::kRefused;
    std::shared_ptr<LiveSegment> segment;  // kAccepted only
    Refusal refusal;                       // all others
};

// Opens entry `file_name` of `folder`, which has the name of a segment. Does not wait on anything that stands in its place
// (a FIFO, a lease). Any thread.
Opened open_segment(const SegmentDirectory& folder, const std::string& file_name, LayoutCache& layouts,
                    const OpenOptions& options);

// The same for a path anywhere, for tools that look at one file. Its name must be that of a segment.
Opened open_segment_path(const std::string& path, LayoutCache& layouts, const OpenOptions& options);

// The same for bytes in memory. `name`, where given, must be what the header says.
Opened open_segment_image(std::vector<std::byte> bytes, const SegmentName* name, LayoutCache& layouts,
                          const OpenOptions& options);

}  // namespace ringside::agent
