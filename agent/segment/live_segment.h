// A segment that was opened and checked: the agent's only view of a VM's bytes, as a source of series.
//
// Invariants:
//  G1  Nothing that a VM wrote is used before it was copied and the copy was checked; nothing that a VM writes can end the
//      agent, make it wait, or make it allocate more than a bounded multiple of what it asked for.
//  G2  Time moves on for a live VM by the reader's clock, for a dead one it stands at vm().ended_ns.
//  G3  After settle() the answers do not change any more, as long as nobody writes to the file.
//
// Whether a VM is dead is for its owner to find out: probe() says so, settle() acts on it. A segment that is found at start
// must be probed before it is read, or a VM that died long ago looks like one that is idle.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "agent/base/boot_id.h"
#include "agent/base/model.h"
#include "agent/segment/byte_source.h"
#include "agent/segment/liveness.h"
#include "agent/segment/name.h"
#include "agent/segment/refusal.h"

namespace ringside::agent {

// CLOCK_REALTIME in ns. May be called from any thread.
using NowFn = std::function<std::uint64_t()>;

// The writer's clock may lag behind the reader's by a timer tick (up to 10 ms), and a thread may be held up between
// reading it and recording. A window that no record has closed yet counts as over only this long after its end.
inline constexpr std::uint64_t kClosingGraceNs = 250'000'000;

// What went wrong while reading; all monotonic.
struct ReadStats {
    std::uint64_t reads = 0;
    std::uint64_t scanned = 0;               // of these: straight from mapped memory
    std::uint64_t retries = 0;               // attempts that met the writer at work
    std::uint64_t open_left_out = 0;         // reads without the open window, because its cell stayed busy
    std::uint64_t busy = 0;                  // reads that failed with kUnavailable
    std::uint64_t corrupt = 0;               // reads that failed with kCorrupt
    std::uint64_t future_windows = 0;        // windows left out because they lie in the future
    std::uint64_t inconsistent_windows = 0;  // histogram windows left out because they contradict themselves
};

struct SegmentHeader;
struct WriterClock;
struct WriterPart;
struct Timeline;
enum class ViewOutcome : std::uint8_t;
class SeriesReader;
class SeriesDirectory;
class MappedBytes;
struct ScannedSeries;

class LiveSegment : public SeriesSource {
  public:
    struct File {
        std::uint32_t uid = 0;
        std::uint64_t inode = 0;
        std::uint64_t device = 0;
    };

    // Made by open.h. `header` has been checked against `source`.
    LiveSegment(std::unique_ptr<const ByteSource> source, SegmentHeader header, File file, NowFn now);
    ~LiveSegment() override;

    const SegmentName& name() const;
    const File& file() const { return file_; }

    // SeriesSource. Any thread.
    VmInfo vm() const override;
    std::shared_ptr<const SchemaInfo> schema() const override;
    Result<std::vector<SeriesInfo>> series() const override;
    // Windows up to the reader's clock, or to the end of a dead VM; of an info series none. kExhausted when the answer could
    // take more than 64 MiB. A histogram's old windows are told from all that are newer: such a read takes as long as
    // that part of the ring takes to be copied, a second or so for 4 GiB. Memory: the answer and a view, 3 MiB at most.
    Result<SeriesData> read(std::uint32_t series_index, const ReadRequest& request) const override;
    // The same with the time given.
    Result<SeriesData> read_at(std::uint32_t series_index, const ReadRequest& request, std::uint64_t as_of_ns) const;
    // Reads mapped memory where it can be mapped. For a VM that lives, as of now.
    std::unique_ptr<SeriesScan> scan() const override;

    // How many series the writer says it has registered: vm().series_count alone, at the price of one small read. 0 when it
    // cannot be read.
    std::uint32_t registered() const;

    // Alive or dead; kWaiting for a segment that was provisioned and never attached. Bytes in memory are dead.
    Liveness probe() const;

    // Fixes the end of a VM whose writer is gone for good. When the writer closed the segment, the end is the time it
    // gave. Otherwise it is the end of what is known: in tick mode the last tick; else the end of the first-tier window of
    // the last sign of life, but not later than now. Later than every open window's begin in any case, so that a last window is
    // never empty. Decides how the VM ended, too: vm().exit_cause from then on. A second call changes nothing, unless the
    // writer went on: then it fixes all of it anew. kInvalid while no writer has ever attached.
    Result<void> settle();

    // How the writer's process ended, where the kernel told: says more of a VM that did not close its segment, and nothing
    // of any other.
    void set_death(const Death& death);

    // Whether the writer did anything since settle(), so that it was taken for dead too early. Reads 64 bytes a series.
    // kCorrupt when the file was cut, kUnavailable when it cannot be read now.
    Result<bool> went_on() const;

    // Why the segment cannot be trusted any longer: it was cut (its size is looked at here), or its directory breaks a
    // rule. Nothing while it can be. From then on series() fails, too. A kernel that fails to read (no memory, a bad disk) does not count: what was asked for
    // gives kUnavailable then, and is worth another try.
    std::optional<Refusal> condition() const;

    ReadStats stats() const;

    // Fields and offsets for people: `ringsidectl segment dump`.
    struct Fact {
        std::string name;
        std::string value;
    };
    std::vector<Fact> facts() const;

  private:
    // How it ended; all of it is fixed by settle(). `recorded_hash` is older than all that is read after settle().
    struct End {
        std::uint64_t ended_ns = 0;
        ExitCause cause = ExitCause::kUnknown;
        std::uint64_t recorded_hash = 0;
    };
    // Signs of life in the hot cells.
    struct Activity {
        std::uint64_t newest_open_ns = 0;  // begin of the newest open window
        std::uint64_t newest_ns = 0;       // the newest instant known
        bool future = false;               // there are later ones, which are not believed
    };

    VmInfo identity() const;
    void add_end(VmInfo* vm) const;
    std::optional<End> end() const;
    bool ever_attached(const WriterPart& writer) const;
    std::optional<Activity> activity(std::uint64_t latest_ns) const;
    std::optional<std::uint64_t> recorded_hash() const;
    End end_of(const WriterPart& writer, const Activity& activity, std::uint64_t now_ns) const;
    std::uint64_t look_at_clock() const;
    void note_rebases(const WriterPart& writer, std::uint64_t now_ns) const;
    std::uint64_t latest_sane_ns(std::uint64_t now_ns) const;
    Result<void> refresh_directory() const;
    Error turn_bad(Refusal refusal) const;
    // After a failed read of `what`: bad for good when the file was cut (`errno_value` is 0), else worth another try.
    Error read_error(int errno_value, const std::string& what) const;
    static std::uint64_t present_ns(const WriterPart& writer, std::uint64_t now_ns);
    VmInfo last_known(VmInfo vm) const;
    Error view_error(ViewOutcome outcome, const SeriesReader& reader, std::uint32_t index) const;
    Error too_long(std::uint32_t index) const;
    Result<SeriesData> read_windows(const ByteSource& source, std::uint32_t metric, std::uint32_t index,
                                    const ReadRequest& request, const Timeline& timeline) const;
    Result<Timeline> timeline_at(std::uint64_t as_of_ns) const;
    Timeline living_timeline(std::uint64_t as_of_ns, const WriterClock& writer) const;
    bool can_scan(std::uint64_t now_ns) const;
    friend class SegmentScan;

    const std::unique_ptr<const ByteSource> source_;
    const std::unique_ptr<const SegmentHeader> header_;
    const File file_;
    const NowFn now_;
    const std::uint64_t opened_ns_;
    // The latest that the clock has said. Relaxed: a number, nothing is published with it.
    // Only until something is recorded after a step back: from then on what is later than the present is a leftover.
    mutable std::atomic<std::uint64_t> latest_now_ns_;
    mutable std::atomic<std::uint64_t> rebases_{0};  // of the writer, as last seen

    mutable std::mutex mutex_;
    // Guarded by mutex_.
    const std::unique_ptr<SeriesDirectory> directory_;
    mutable std::optional<Refusal> condition_;
    std::optional<End> end_;
    std::optional<Death> death_;
    mutable std::optional<VmInfo> vm_;  // as it was when all of it could be read last
    // Once somebody scanned.
    mutable std::shared_ptr<MappedBytes> mapped_;
    mutable std::shared_ptr<const std::vector<ScannedSeries>> scanned_series_;  // of the directory as it was then

    mutable std::mutex probe_mutex_;
    // Guarded by probe_mutex_: a lease is per descriptor.
    mutable bool attached_seen_ = false;
    mutable bool lock_seen_ = false;

    struct Counters {
        std::atomic<std::uint64_t> reads, scanned, retries, open_left_out, busy, corrupt, future_windows,
            inconsistent_windows;
    };
    mutable Counters counters_{};
};

}  // namespace ringside::agent
