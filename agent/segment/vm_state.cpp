// What a segment says of its VM as a whole: whether it runs, when it last wrote, when and how it ended.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/base/boot_id.h"
#include "agent/segment/header.h"
#include "agent/segment/live_segment.h"
#include "agent/segment/series_directory.h"
#include "agent/segment/series_view.h"
#include "agent/segment/windows.h"

namespace ringside::agent {

namespace {

// A last window has at least this length: time series databases count in milliseconds.
constexpr std::uint64_t kLeastEndNs = 1'000'000;

bool of_an_earlier_boot(const BootId& boot_id) {
    static const BootId here = running_boot_id(FileSystem::real());
    return boot_id != BootId{} && here != BootId{} && boot_id != here;
}

// False when a cell cannot be read.
template <typename Visit>
bool each_cell(const ByteSource& source, const rside_geometry& geometry, Visit visit) {
    constexpr std::uint32_t kChunk = 64;
    struct alignas(kSourceAlignment) {
        rside_cell cells[kChunk];
    } copy;
    for (std::uint32_t begin = 0; begin < geometry.series_capacity; begin += kChunk) {
        std::uint32_t cells = std::min(kChunk, geometry.series_capacity - begin);
        std::uint64_t offset = geometry.cells_offset + std::uint64_t{begin} * sizeof(rside_cell);
        if (!source.read(offset, copy.cells, cells * sizeof(rside_cell))) return false;
        for (std::uint32_t i = 0; i < cells; ++i) visit(begin + i, copy.cells[i]);
    }
    return true;
}

// How a VM ended whose writer is gone. By the state alone, which the writer moves in one step: one that was killed while
// it attached has left no time of that yet, and one that was killed while it closed has left the time, or a part of it.
ExitCause exit_cause(std::uint32_t state, const BootId& boot_id) {
    if (state == RSIDE_STATE_CLOSED) return ExitCause::kClosed;
    if (state != RSIDE_STATE_ATTACHED) return ExitCause::kUnknown;
    return of_an_earlier_boot(boot_id) ? ExitCause::kHostRebooted : ExitCause::kKilled;
}

}  // namespace

std::uint64_t LiveSegment::look_at_clock() const {
    const std::uint64_t now_ns = now_();
    std::uint64_t latest_ns = latest_now_ns_.load(std::memory_order_relaxed);
    while (latest_ns < now_ns && !latest_now_ns_.compare_exchange_weak(latest_ns, now_ns, std::memory_order_relaxed)) {
    }
    return now_ns;
}

// A writer that has recorded since its clock was set back: the time that was before is no measure any more.
void LiveSegment::note_rebases(const WriterPart& writer, std::uint64_t now_ns) const {
    if (rebases_.exchange(writer.rebases, std::memory_order_relaxed) == writer.rebases) return;
    latest_now_ns_.store(now_ns, std::memory_order_relaxed);
}

// A small step back of the clock leaves windows open that begin up to one coarsest window in the future. A large one leaves
// those of all series in which nothing has been recorded since: what this very clock has shown before is not unheard of.
std::uint64_t LiveSegment::latest_sane_ns(std::uint64_t now_ns) const {
    now_ns = std::max(now_ns, latest_now_ns_.load(std::memory_order_relaxed));
    return std::min(now_ns, kTimeEndNs) +
           (header_->layout->schema->tiers.back().resolution_s + std::uint64_t{1}) * RSIDE_NS_PER_S;
}

bool LiveSegment::ever_attached(const WriterPart& writer) const {
    if (writer.state != RSIDE_STATE_PROVISIONED) return true;
    std::lock_guard lock(probe_mutex_);
    return attached_seen_;  // a segment that says so no longer does not become new again
}

std::optional<LiveSegment::Activity> LiveSegment::activity(std::uint64_t latest_ns) const {
    const SegmentLayout& layout = *header_->layout;
    Activity found;
    auto look = [&](std::uint32_t index, const rside_cell& cell) {
        std::uint64_t open_ns = cell.open & ~RSIDE_OPEN_FLAGS;
        if (open_ns > latest_ns) {
            found.future = true;
            return;
        }
        found.newest_open_ns = std::max(found.newest_open_ns, open_ns);
        found.newest_ns = std::max(found.newest_ns, open_ns);
        if (layout.schema->metrics[layout.metric_of(index)].kind != Kind::kLevel) return;
        std::uint64_t since_ns = cell.u.level.since_ns & ~std::uint64_t{1};
        if (since_ns <= latest_ns) found.newest_ns = std::max(found.newest_ns, since_ns);
    };
    if (!each_cell(*source_, layout.geometry, look)) return std::nullopt;
    return found;
}

// Every record changes its hot cell, and what changes without one stands in the header.
std::optional<std::uint64_t> LiveSegment::recorded_hash() const {
    std::optional<std::uint64_t> hash = hash_writer_part(*source_);
    if (!hash) return std::nullopt;
    auto add = [&](std::uint32_t, const rside_cell& cell) { hash = rside_hash_more(*hash, &cell, sizeof cell); };
    if (!each_cell(*source_, header_->layout->geometry, add)) return std::nullopt;
    return hash;
}

// What does not change in a segment's life.
VmInfo LiveSegment::identity() const {
    VmInfo vm;
    vm.vm_id = header_->name.vm_id;
    vm.component = header_->name.component;
    vm.epoch = header_->name.epoch;
    vm.uid = file_.uid;
    vm.segment_bytes = header_->segment_bytes;
    // A time that cannot be says that it was there when it was found, and no more.
    vm.created_ns = header_->created_ns == 0 ? opened_ns_ : std::min(header_->created_ns, opened_ns_);
    return vm;
}

// As the windows are read (effective_now); 0: by the clock.
std::uint64_t LiveSegment::present_ns(const WriterPart& writer, std::uint64_t now_ns) {
    const bool closed = writer.state == RSIDE_STATE_CLOSED;
    if (!writer.ticking && !closed) return 0;
    std::uint64_t present_ns = writer.ticking ? std::min(now_ns, writer.tick_ns) : now_ns;
    if (closed) present_ns = std::min(present_ns, writer.closed_ns);
    return std::max<std::uint64_t>(present_ns, 1);
}

VmInfo LiveSegment::vm() const {
    VmInfo vm = identity();
    std::uint64_t now_ns = look_at_clock();
    std::optional<WriterPart> writer = read_writer_part(*source_);
    if (!writer) {
        // Cut by its owner: condition() tells the rest. Or the kernel failed. What is known of it stays known.
        (void)read_error(errno, "its header");
        return last_known(std::move(vm));
    }
    note_rebases(*writer, now_ns);
    vm.state = ever_attached(*writer) ? VmState::kRunning : VmState::kProvisioned;
    vm.close_code = writer->close_code;
    vm.close_text = writer->close_text;
    vm.writer_pid = writer->writer_pid;
    vm.attached_ns = std::min(writer->attached_ns, now_ns);
    vm.closed_ns = std::min(writer->closed_ns, now_ns);
    vm.series_count = std::min(writer->series_count, header_->layout->geometry.series_capacity);
    vm.rejected_samples = writer->rejected_samples;
    vm.refused_series = writer->refused_series;
    vm.clock_steps_back = writer->clock_steps_back;
    vm.rebases = writer->rebases;

    std::uint64_t latest_ns = latest_sane_ns(now_ns);
    std::optional<Activity> activity_now = activity(latest_ns);
    const bool whole = activity_now.has_value();
    Activity active = activity_now.value_or(Activity{});
    std::uint64_t tick_ns = writer->ticking && writer->tick_ns <= latest_ns ? writer->tick_ns : 0;
    vm.last_write_ns = std::min(std::max(active.newest_ns, tick_ns), now_ns);
    vm.present_ns = present_ns(*writer, now_ns);
    std::lock_guard lock(mutex_);
    add_end(&vm);
    if (whole) {
        vm_ = vm;
    } else if (vm_) {
        vm.last_write_ns = std::max(vm.last_write_ns, vm_->last_write_ns);
    }
    return vm;
}

// What `vm` says of the file, and all else as it was when it could be read.
VmInfo LiveSegment::last_known(VmInfo vm) const {
    std::lock_guard lock(mutex_);
    if (vm_) vm = *vm_;
    if (!vm_) vm.state = VmState::kProvisioned;
    add_end(&vm);
    return vm;
}

// With mutex_ held.
void LiveSegment::add_end(VmInfo* vm) const {
    if (!end_) return;
    vm->present_ns = 0;
    vm->state = VmState::kExited;
    vm->exit_cause = end_->cause;
    vm->ended_ns = end_->ended_ns;
    vm->recorded_hash = end_->recorded_hash;
    if (end_->cause != ExitCause::kKilled || !death_) return;
    vm->exit_cause = death_->cause;
    vm->exit_signal = static_cast<std::uint8_t>(death_->signal);
    if (has_close_code(death_->cause)) vm->close_code = death_->code;
}

void LiveSegment::set_death(const Death& death) {
    std::lock_guard lock(mutex_);
    death_ = death;
}

std::uint32_t LiveSegment::registered() const {
    const std::optional<std::uint32_t> count = read_series_count(*source_);
    return count ? std::min(*count, header_->layout->geometry.series_capacity) : 0;
}

LiveSegment::End LiveSegment::end_of(const WriterPart& writer, const Activity& active, std::uint64_t now_ns) const {
    std::uint64_t latest_ns = latest_sane_ns(now_ns);
    auto sane = [&](std::uint64_t ns) { return ns <= latest_ns ? ns : 0; };
    std::uint64_t least_ns = active.newest_open_ns + kLeastEndNs;
    End end;
    end.cause = exit_cause(writer.state, header_->boot_id);
    if (end.cause == ExitCause::kClosed && sane(writer.closed_ns) != 0) {
        end.ended_ns = std::max(writer.closed_ns, least_ns);
        return end;
    }
    std::uint64_t seen_ns =
        std::max({active.newest_ns, sane(writer.tick_ns), sane(writer.attached_ns), sane(header_->created_ns)});
    // Recorded under a clock that was ahead, when nobody looked, and nothing since: all up to now is kept.
    if (active.future && writer.rebases == 0) seen_ns = std::max(seen_ns, now_ns);
    if (writer.ticking) {
        end.ended_ns = std::max(seen_ns, least_ns);
        return end;
    }
    std::uint64_t resolution_ns = header_->layout->schema->tiers.front().resolution_s * RSIDE_NS_PER_S;
    std::uint64_t window_end_ns = (seen_ns / resolution_ns + 1) * resolution_ns;
    end.ended_ns = std::min(window_end_ns, std::max({now_ns, seen_ns + kLeastEndNs, least_ns}));
    return end;
}

Result<bool> LiveSegment::went_on() const {
    std::optional<std::uint64_t> hash = recorded_hash();
    if (!hash) return read_error(errno, "its hot cells");
    std::optional<End> ended = end();
    return !ended || ended->recorded_hash != *hash;
}

Result<void> LiveSegment::settle() {
    // The hash comes before all that the archive is made of: what a writer that was not dead does from here on changes the
    // next hash. The other way round it could do what only the hash knows, and nobody would look for it again.
    std::optional<std::uint64_t> hash = recorded_hash();
    if (!hash) return read_error(errno, "its hot cells");
    if (std::optional<End> ended = end(); ended && ended->recorded_hash == *hash) return {};
    std::optional<WriterPart> writer = read_writer_part(*source_);
    if (!writer) return read_error(errno, "its header");
    if (!ever_attached(*writer)) {
        return error(Code::kInvalid,
                     "segment " + name().text() + " has not had a writer yet: there is nothing to settle");
    }
    // The last look into the directory: what registered until now is all there is.
    if (Result<void> refreshed = refresh_directory(); !refreshed) return refreshed.error();
    std::uint64_t now_ns = look_at_clock();
    note_rebases(*writer, now_ns);
    std::optional<Activity> active = activity(latest_sane_ns(now_ns));
    if (!active) return read_error(errno, "its hot cells");
    End end = end_of(*writer, *active, now_ns);
    end.recorded_hash = *hash;
    {
        std::lock_guard lock(mutex_);
        end_ = end;
    }
    (void)vm();  // Later failures to read fall back on it.
    return {};
}

}  // namespace ringside::agent
