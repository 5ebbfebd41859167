// What the drain asks of the rest of the agent: segments, the catalog and the upstreams stand behind one interface.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/archive/archived_vm.h"
#include "agent/base/model.h"

namespace ringside::agent {

// The file that a segment was when it was finalised: a name may be taken by another file meanwhile.
struct SegmentFile {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    bool operator==(const SegmentFile&) const = default;
};

struct FinalisedVm {
    // Does not change any more: open windows closed at the true end, a record that was cut short left out. Its vm()
    // has ended_ns and exit_cause.
    std::shared_ptr<const SeriesSource> source;
    SegmentFile file;
};

// The steps of a drain, in order. An attempt goes through all of them; what an earlier attempt, or an earlier run of
// the agent, has done already is found again and not done twice.
enum class DrainStep {
    kFinalise,  // the dead VM's segment becomes a source that does not change
    kArchive,   // a complete, checked and durable archive file exists
    kHandOver,  // catalog and upstreams read the archive from now on
    kBlackBox,  // what else is made of it is durable
    kUnlink,    // the segment's name is gone
    kDone,
};
const char* drain_step_name(DrainStep step);  // "finalise", "archive", "hand-over", "black-box", "unlink", "done"

// Called by the drain from the thread that drains, one call at a time for a VM; several at a time only when drain_now()
// runs beside tick(). Every method may be called again for the same VM after a failure or a restart. None
// may call back into the drain.
class DrainHost {
  public:
    virtual ~DrainHost() = default;

    // The segment of a VM whose writer is gone. kInvalid and kCorrupt say that no later attempt can do better: the host
    // has put the segment into quarantine. kNotFound: there is no such segment (any more).
    virtual Result<FinalisedVm> finalise(const std::string& key) = 0;

    // The archive has it, durable. From here on everybody reads `archived` in place of the segment.
    virtual Result<void> hand_over(const std::string& key, const std::shared_ptr<const ArchivedVm>& archived) = 0;

    // The last minutes of those that ended badly are made durable before their segments go. The results are in the order
    // of the VMs.
    virtual std::vector<Result<void>> keep_black_box(
        const std::vector<std::shared_ptr<const ArchivedVm>>& archived) = 0;

    // Removes the segment's name if it still is this file; a name that is gone, or that is another file by now, is
    // success and left alone.
    virtual Result<void> unlink_segment(const std::string& key, const SegmentFile& file) = 0;

    // An attempt failed at `step`; it is repeated after a while, or never when `given_up`. For the log.
    virtual void drain_failed(const std::string& key, DrainStep step, const Error& error, bool given_up) = 0;
    // All steps are done.
    virtual void drained(const std::string& key, const ArchivedVm& archived) = 0;
};

}  // namespace ringside::agent
