// Looks at the folder of segments and tells the catalog what it finds: new segments, their writers coming and going,
// bad files, and what killed writers left half made.
//
// Invariants:
//  C1  A segment is opened once; from then on its descriptor is the VM, whatever happens to its name.
//  C2  A VM is dead only when the kernel says so (LiveSegment::probe). It is then settled before the catalog calls it
//      exited and the drain hears of it, so that whoever reads it from then on reads what the drain will archive.
//  C3  Nothing here is removed but files under creation that have no writer and are old.
//  C4  Never more than living_max + dead_max segments and writers' processes together are open. A file without room is
//      left alone and has its turn when room comes free, and a process gives way to a segment, so that no number of files
//      uses up the agent's descriptors.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/metrics.h"
#include "agent/catalog/catalog.h"
#include "agent/segment/directory.h"
#include "agent/segment/open.h"
#include "agent/witness/witnesses.h"

namespace ringside::agent {

struct ScanLimits {
    std::uint64_t max_segment_bytes = 256ull << 20;
    std::uint64_t creating_max_age_ns = 300ull * 1'000'000'000;
    // Files opened in one pass: a flood of files costs passes, not one endless pass.
    std::size_t opens_per_pass = 4096;
    // Segments that are held open at the same time, each by a descriptor. Apart, so that neither keeps the other out.
    std::size_t living_max = 10'000;
    std::size_t dead_max = 256;  // taken in dead, for their drain; a VM that dies while it is open stays open
};

// A segment that this agent has open. Its name may be gone or another file's by now.
struct TrackedSegment {
    std::shared_ptr<LiveSegment> segment;
    std::string file;
    bool dead = false;
};

class Scanner {
  public:
    // `dead` is told the key of each VM that has exited, from the thread that scans; it must not block. `catalog` and
    // `metrics` must outlive the scanner.
    Scanner(SegmentDirectory folder, Catalog& catalog, ScanLimits limits, Metrics& metrics,
            std::function<void(const std::string& key)> dead);

    // One thread at a time for these two.

    // Looks for names that came or went. True when files are left for another pass, which goes on where this one was;
    // false when all have had their turn. kNotFound when the folder itself is gone.
    Result<bool> discover(std::uint64_t now_ns) { return look(now_ns, false); }
    // discover(), then asks for every live VM, also when the folder cannot be listed, whether its writer still lives and
    // whether it has registered more series; removes old leftovers of creation.
    Result<bool> sweep(std::uint64_t now_ns);

    // Any thread.

    // The folder was gone and has been made anew.
    void set_folder(SegmentDirectory folder);
    void set_limits(const ScanLimits& limits);
    std::optional<TrackedSegment> find(const std::string& key) const;
    // The VM is drained or quarantined: let go of its descriptor.
    void forget(const std::string& key);
    // Puts the segment of a VM that cannot be read any more into quarantine and takes the VM out of the catalog.
    void give_up(const std::string& key, const Refusal& refusal, std::uint64_t now_ns);
    // Removes the name of the VM's segment, if it still is the file that was opened.
    Result<void> unlink(const std::string& file, std::uint64_t device, std::uint64_t inode);

  private:
    struct FileStatus {
        FileStamp stamp;
        std::uint32_t uid = 0;
        std::uint64_t modified_ns = 0;
        bool regular = false;
    };

    // Files without room for their segment, by name.
    struct Waiting {
        struct File {
            FolderEntry entry;
            std::uint32_t uid = 0;
        };
        std::map<std::string, File> files;
        std::string last;  // the one whose turn was last

        bool holds(const FolderEntry& entry) const;
    };

    Result<bool> look(std::uint64_t now_ns, bool sweep);
    bool look_through(const SegmentDirectory& at, const std::vector<FolderEntry>& entries, std::uint64_t now_ns,
                      bool sweep);
    static std::optional<FileStatus> look_at(const SegmentDirectory& folder, const std::string& file);
    std::shared_ptr<const SegmentDirectory> folder() const;
    ScanLimits limits() const;
    void take_in(const SegmentDirectory& folder, const FolderEntry& entry, const FileStatus& status,
                 std::uint64_t now_ns);
    bool has_room(bool dead) const;
    void take_in_waiting(const SegmentDirectory& at, bool dead, bool without_room, std::uint64_t now_ns,
                         std::size_t* opens_left);
    void tell_of_waiting();
    bool take_in_leftover(const Opened& opened, const std::string& file, Life life);
    void quarantine(QuarantinedFile refused, const VmInfo& vm, std::uint64_t now_ns);
    void refuse(const std::string& file, const FileStatus& status, const SegmentName& name, const Refusal& refusal,
                std::uint64_t now_ns);
    void tell_of_the_untold();
    void forget_names(const FolderListing& listing);
    static std::string ending_text(const VmInfo& vm);
    void probe_all(std::uint64_t now_ns);
    void probe(const std::string& key, const TrackedSegment& tracked, std::uint64_t now_ns);
    void probe_lives_of(const SegmentName& name, std::uint64_t now_ns);
    void meet_writer(const std::string& key, const LiveSegment& segment, const VmInfo& vm);
    bool learn_death(const std::string& key, LiveSegment& segment);
    void grow(const std::string& key, const CatalogVm& entry, const LiveSegment& segment);
    void reap(const SegmentDirectory& folder, const std::string& file, std::uint64_t now_ns);
    void track(const std::string& key, TrackedSegment tracked);
    void set_dead(const std::string& key);

    Catalog& catalog_;
    const std::function<void(const std::string& key)> dead_;
    const std::shared_ptr<LayoutCache> schemas_;
    // Of the thread that scans:
    std::vector<std::string> creating_;  // in the newest listing
    // Where the next pass of each kind begins; "": all files have had their turn. Apart, because only a sweep retries
    // files, and would never come to the last ones if discover() ended its rounds.
    std::string resume_sweep_;
    std::string resume_discover_;
    Waiting living_waiting_;
    Waiting dead_waiting_;
    std::uint64_t meetings_left_ns_ = 0;  // of this pass
    bool flooded_ = false;  // the newest pass met more bad files than the quarantine holds, or than are told of

    Witnesses witnesses_{Witnesses::Places{}};
    mutable std::mutex mutex_;  // guards the four below
    std::shared_ptr<const SegmentDirectory> folder_;
    ScanLimits limits_;
    std::map<std::string, TrackedSegment> tracked_;
    std::size_t dead_count_ = 0;  // of them

    MetricCounter& opened_;
    MetricCounter& later_;
    MetricCounter& reaped_;
    MetricCounter& cut_;
    MetricCounter& unlinked_live_;
    MetricGauge& waiting_living_gauge_;
    MetricGauge& waiting_dead_gauge_;
};

}  // namespace ringside::agent
