// The data model that live segments and archived VMs share: what a VM, a schema, a series and a run of windows
// are once they have been checked. Everything above `segment` and `archive` works on these types alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace ringside::agent {

// The numbers are those of the segment format (rside_kind), repeated here so that only agent/segment includes it.
enum class Kind : std::uint8_t {
    kCounter = 1,     // u64
    kCounterF64 = 2,  // double
    kGauge = 3,       // sampled
    kLevel = 4,       // level, weighted by time
    kHistogram = 5,
    kInfo = 6,
};
constexpr bool is_counter(Kind kind) { return kind == Kind::kCounter || kind == Kind::kCounterF64; }
constexpr bool is_gauge(Kind kind) { return kind == Kind::kGauge || kind == Kind::kLevel; }
constexpr std::uint32_t kind_bit(Kind kind) { return 1u << static_cast<unsigned>(kind); }
const char* kind_name(Kind kind);  // "counter", "counter_f64", "gauge", "level", "histogram", "info"

// Column bits, as in the segment format.
inline constexpr std::uint32_t kColumnCount = 1;  // gauge: observations; level: ns held; histogram: observations
inline constexpr std::uint32_t kColumnSum = 2;    // gauge: sum; level: value x seconds; histogram: sum
inline constexpr std::uint32_t kColumnMin = 4;
inline constexpr std::uint32_t kColumnMax = 8;
inline constexpr std::uint32_t kColumnLast = 16;
inline constexpr std::uint32_t kColumnValue = 32;    // counters: cumulative since the epoch began
inline constexpr std::uint32_t kColumnBuckets = 64;  // histograms: cumulative
inline constexpr std::uint32_t kColumnsAll = 127;

struct TierInfo {
    std::uint32_t resolution_s = 0;
    std::uint32_t slots = 0;
    std::uint32_t columns = 0;
    bool operator==(const TierInfo&) const = default;
};

struct MetricInfo {
    std::string name;
    std::string unit;
    std::string help;
    Kind kind = Kind::kCounter;
    std::uint8_t flags = 0;
    std::vector<std::string> label_names;
    std::uint32_t max_series = 0;
    // Histograms: bucket i (bucket_first <= i < bucket_first + bucket_count) holds (base^(i-1), base^i] with
    // base = 2^(2^-scale); the zero bucket holds everything up to base^(bucket_first - 1).
    std::int8_t histogram_scale = 0;
    std::int32_t bucket_first = 0;
    std::uint32_t bucket_count = 0;
    bool operator==(const MetricInfo&) const = default;
};

// A checked schema. One object is shared by all VMs that carry the same bytes.
struct SchemaInfo {
    std::string name;
    std::uint32_t version = 0;
    std::uint64_t hash = 0;
    std::vector<TierInfo> tiers;  // finest first
    std::vector<MetricInfo> metrics;
    std::uint32_t series_capacity = 0;
    std::uint32_t label_arena_bytes = 0;  // room for the label values of all series
    bool operator==(const SchemaInfo&) const = default;
};

struct SeriesInfo {
    std::uint32_t index = 0;                // within the VM's segment, stable for its epoch
    std::uint32_t metric = 0;               // into SchemaInfo::metrics
    std::vector<std::string> label_values;  // in the order of MetricInfo::label_names
    std::uint64_t created_ns = 0;
};

enum class VmState {
    kProvisioned,  // laid out, no writer yet
    kRunning,
    kExited,   // dead, not yet archived
    kDrained,  // in the archive
};
const char* vm_state_name(VmState state);  // "provisioned", "running", "exited", "drained"

enum class ExitCause {
    kNone,          // still alive
    kClosed,        // by the writer, with a code and a text
    kKilled,        // the writer is gone without closing; by which signal, where the kernel told
    kHostRebooted,  // the segment or archive is from an earlier boot
    kUnknown,
    kOom,     // killed because its memory cgroup was full
    kExited,  // the process ended by itself, with an exit code, and left the segment open
};
inline constexpr std::size_t kExitCauses = 7;
// "-", "closed", "killed", "host-rebooted", "unknown", "oom", "exited"
const char* exit_cause_name(ExitCause cause);
// Whether VmInfo::close_code says something.
inline bool has_close_code(ExitCause cause) { return cause == ExitCause::kClosed || cause == ExitCause::kExited; }

// How the kernel says that the process of a writer ended.
struct Death {
    ExitCause cause = ExitCause::kKilled;  // kKilled, kOom, kExited, or kUnknown of one that lives on
    int signal = 0;                        // that ended it; 0: none, or not known
    int code = 0;                          // kExited: its exit code
    bool operator==(const Death&) const = default;
};

using Epoch = std::array<std::uint8_t, 16>;
std::string epoch_text(const Epoch& epoch);  // 32 lower-case hex digits
Result<Epoch> parse_epoch(const std::string& text);

// One life of one VMM process (or of one component of it): what the agent knows of it apart from its samples.
// vm_id, component and epoch come from the file's name, which the VM cannot choose, checked against the header.
struct VmInfo {
    std::string vm_id;
    std::string component;  // empty: the VMM itself
    Epoch epoch{};
    VmState state = VmState::kRunning;
    ExitCause exit_cause = ExitCause::kNone;
    std::int32_t close_code = 0;   // kClosed: the writer's; kExited: the exit code of its process
    std::uint8_t exit_signal = 0;  // kKilled, kOom: what ended the process; 0: not known
    std::string close_text;
    std::uint32_t uid = 0;         // owner of the segment
    std::uint32_t writer_pid = 0;  // as the writer saw itself; a hint
    std::uint64_t segment_bytes = 0;
    std::uint64_t created_ns = 0;  // all times: CLOCK_REALTIME ns; 0 = never
    std::uint64_t attached_ns = 0;
    std::uint64_t closed_ns = 0;  // as the writer said when it closed
    std::uint64_t last_write_ns =
        0;  // begin of the newest open window, or the newest tick: what the writer last proved
    // Running: what the writer takes for the present where that is not the clock, its newest tick or the time when it
    // closed: no window that ends after it is over. 0: it is the clock.
    std::uint64_t present_ns = 0;
    std::uint64_t ended_ns = 0;  // exited or drained: the true end of the last window
    std::uint32_t series_count = 0;
    std::uint64_t rejected_samples = 0;  // the writer's own counters
    std::uint64_t refused_series = 0;
    std::uint64_t clock_steps_back = 0;
    std::uint64_t rebases = 0;
    // Exited or drained: of all that changes with every record. Two that are equal say that the writer did nothing in between.
    std::uint64_t recorded_hash = 0;
};

// When a VM began to record: a provisioned segment may have waited long for its writer.
inline std::uint64_t begun_ns(const VmInfo& vm) { return std::max(vm.created_ns, vm.attached_ns); }

// Where its life ended; of one that has not ended, what its writer last proved.
inline std::uint64_t known_until_ns(const VmInfo& vm) { return vm.ended_ns != 0 ? vm.ended_ns : vm.last_write_ns; }

// "killed by SIGSEGV", "closed with code 3 (guest shut down)": for logs.
std::string exit_text(const VmInfo& vm);

// Identity of one epoch of one component, usable as a map key and a file name: "vm_id.epoch[.component]".
std::string vm_key(const VmInfo& vm);

// Flags of one point.
inline constexpr std::uint8_t kPointOpen = 1;  // the window is not over: its values may still grow
inline constexpr std::uint8_t kPointCarried =
    4;  // no record in the window: value carried from before (never for sampled gauges)
inline constexpr std::uint8_t kPointPartial =
    8;  // the series or VM began or ended inside the window: end_ns is the true end

// A run of windows of one series, column by column, oldest first, strictly rising end_ns. Columns that were not asked
// for or that the tier does not keep are empty; all others have size() entries. A missing window means: no data (never 0).
struct SeriesData {
    std::vector<std::uint64_t> end_ns;  // T: the window is [T - resolution, T); of a partial one its true end
    std::vector<std::uint8_t> flags;
    std::vector<std::uint64_t> count;
    std::vector<double> sum, min, max, last;
    std::vector<std::uint64_t> value;  // counters: u64, or the bits of a double for Kind::kCounterF64
    // Histograms: stride = bucket_count + 1 entries a point: zero bucket first, then the buckets, cumulative u64.
    std::vector<std::uint64_t> buckets;

    std::size_t size() const { return end_ns.size(); }
};

struct ReadRequest {
    std::uint32_t tier = 0;      // index into SchemaInfo::tiers
    std::uint64_t begin_ns = 0;  // windows with begin_ns < T <= end_ns
    std::uint64_t end_ns = UINT64_MAX;
    std::uint32_t columns = kColumnsAll;
    bool open_window = true;  // whether to add the window that is not over
    bool operator==(const ReadRequest&) const = default;
};

// The windows of a counter in short, from the first and the last of them: those between are totals of one life, which rise (F3
// of the format). A writer that makes them fall is not caught at it, as it is not at any other value it makes up.
struct CounterRun {
    std::size_t count = 0;
    std::uint64_t first_end_ns = 0, last_end_ns = 0;
    std::uint64_t first = 0, last = 0;  // values, as in SeriesData
};

struct TimeRange {
    std::uint64_t begin_ns = 0, end_ns = 0;  // (begin, end]
};

// What a histogram gained from the first to the last of the windows that end in a range.
struct HistogramGain {
    std::size_t windows = 0;  // that end in it; where there are none, nothing else is set
    std::uint64_t first_end_ns = 0, last_end_ns = 0;
    std::uint64_t first_count = 0;  // the total at the end of the first window
    std::uint64_t count = 0;        // gained since then, beyond the buckets' range as well
    double sum = 0;
};
struct HistogramGains {
    std::vector<HistogramGain> ranges;
    std::vector<std::uint32_t> buckets;  // what each gained, the zero bucket first, range after range
};

// Reads of many series of one source, as of one moment. One thread; not longer than the source.
class SeriesScan {
  public:
    virtual ~SeriesScan() = default;
    // As SeriesSource::read, into columns whose memory is used again.
    virtual Result<void> read(std::uint32_t series_index, const ReadRequest& request, SeriesData* data) = 0;
    // What read() would give of counters, in short: runs[i] is that of series[i], as far as the number that is returned. Of the
    // one after these only read() can tell: it fell, or the source has no shorter way.
    virtual std::size_t read_runs(std::span<const std::uint32_t> /*series*/, const ReadRequest& /*request*/,
                                  CounterRun* /*runs*/) {
        return 0;
    }
    // What read() shows of a histogram, range by range. `ranges` have rising begins and ends. False, with *gains undefined,
    // where only read() can tell.
    virtual bool read_gains(std::uint32_t /*series_index*/, std::uint32_t /*tier*/,
                            std::span<const TimeRange> /*ranges*/, HistogramGains* /*gains*/) {
        return false;
    }
};

// Where series come from: a live segment, or an archived VM. Implementations are safe for concurrent const calls.
class SeriesSource {
  public:
    virtual ~SeriesSource() = default;
    virtual VmInfo vm() const = 0;
    virtual std::shared_ptr<const SchemaInfo> schema() const = 0;
    // Registered series, by rising index. A live VM may register more later.
    virtual Result<std::vector<SeriesInfo>> series() const = 0;
    // kInvalid for a tier or series that does not exist; kUnavailable when the segment stayed busy; kCorrupt.
    virtual Result<SeriesData> read(std::uint32_t series_index, const ReadRequest& request) const = 0;
    // For many reads. A source that has no cheaper way reads series by series.
    virtual std::unique_ptr<SeriesScan> scan() const;
};

}  // namespace ringside::agent
