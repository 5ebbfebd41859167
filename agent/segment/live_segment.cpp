#include "agent/segment/live_segment.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/segment/header.h"
#include "agent/segment/series_directory.h"
#include "agent/segment/series_view.h"
#include "agent/segment/window_reader.h"

namespace ringside::agent {

namespace {

// What the reader may take for the present: see kClosingGraceNs. In tick mode records carry the time of the last tick, however
// long ago that was, and a closed segment has no time after its end.
std::uint64_t effective_now(const WriterClock& writer, std::uint64_t as_of_ns) {
    std::uint64_t now = std::min(as_of_ns, kTimeEndNs);
    now = writer.ticking ? std::min(now, writer.tick_ns) : now - std::min(now, kClosingGraceNs);
    if (writer.state == RSIDE_STATE_CLOSED) now = std::min(now, writer.closed_ns);
    return now;
}

// Relaxed everywhere: figures for people, nobody orders by them.
void count(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) {
    counter.fetch_add(by, std::memory_order_relaxed);
}

bool is_closed(const ByteSource& source) {
    const std::optional<WriterPart> writer = read_writer_part(source);
    return writer && writer->state == RSIDE_STATE_CLOSED;
}

}  // namespace

LiveSegment::LiveSegment(std::unique_ptr<const ByteSource> source, SegmentHeader header, File file, NowFn now)
    : source_(std::move(source)),
      header_(std::make_unique<const SegmentHeader>(std::move(header))),
      file_(file),
      now_(std::move(now)),
      opened_ns_(now_()),
      latest_now_ns_(opened_ns_),
      directory_(std::make_unique<SeriesDirectory>(header_->layout)) {}

LiveSegment::~LiveSegment() = default;

const SegmentName& LiveSegment::name() const { return header_->name; }

std::shared_ptr<const SchemaInfo> LiveSegment::schema() const { return header_->layout->schema; }

std::optional<Refusal> LiveSegment::condition() const {
    // A cut shows in the size before any read meets it.
    const std::uint64_t bytes = source_->size();
    std::lock_guard lock(mutex_);
    if (!condition_ && bytes < header_->segment_bytes) {
        count(counters_.corrupt);
        condition_ = Refusal{QuarantineReason::kShrunk, "of its " + std::to_string(header_->segment_bytes) + " bytes " +
                                                            std::to_string(bytes) + " are left"};
    }
    return condition_;
}

std::optional<LiveSegment::End> LiveSegment::end() const {
    std::lock_guard lock(mutex_);
    return end_;
}

Error LiveSegment::turn_bad(Refusal refusal) const {
    count(counters_.corrupt);
    std::lock_guard lock(mutex_);
    if (!condition_) condition_ = std::move(refusal);  // the first reason is the one to look into
    return error(Code::kCorrupt, "segment " + header_->name.text() + " is " + condition_->message());
}

Error LiveSegment::read_error(int errno_value, const std::string& what) const {
    if (errno_value == 0) return turn_bad({QuarantineReason::kShrunk, what + ": the file ends before it"});
    return error(Code::kUnavailable, "cannot read " + what + " of segment " + name().text() + " (" +
                                         std::strerror(errno_value) + "): it is worth another try");
}

Result<void> LiveSegment::refresh_directory() const {
    std::optional<Refusal> refusal;
    {
        std::lock_guard lock(mutex_);
        if (!condition_) refusal = directory_->refresh(*source_, now_());
        if (!refusal && !condition_) return {};
        if (!refusal) refusal = condition_;
    }
    if (refusal->reason == QuarantineReason::kUnreadable) {
        return error(Code::kUnavailable, "segment " + name().text() + ": " + refusal->message());
    }
    return turn_bad(*std::move(refusal));
}

Result<std::vector<SeriesInfo>> LiveSegment::series() const {
    std::optional<WriterPart> writer = read_writer_part(*source_);
    if (!writer) return read_error(errno, "its header");
    std::unique_lock lock(mutex_);
    bool look = condition_ || directory_->size() != writer->series_count;
    lock.unlock();
    if (look) {
        if (Result<void> refreshed = refresh_directory(); !refreshed) return refreshed.error();
    }
    lock.lock();
    return directory_->list();
}

Result<SeriesData> LiveSegment::read(std::uint32_t series_index, const ReadRequest& request) const {
    return read_at(series_index, request, look_at_clock());
}

Result<SeriesData> LiveSegment::read_at(std::uint32_t series_index, const ReadRequest& request,
                                        std::uint64_t as_of_ns) const {
    count(counters_.reads);
    const SchemaInfo& schema = *header_->layout->schema;
    if (request.tier >= schema.tiers.size()) {
        return error(Code::kInvalid, "tier " + std::to_string(request.tier) + " does not exist, schema " + schema.name +
                                         " has tiers 0 to " + std::to_string(schema.tiers.size() - 1));
    }
    auto find = [&] {
        std::lock_guard lock(mutex_);
        return condition_ ? std::nullopt : directory_->find(series_index);
    };
    std::optional<SeriesDirectory::Known> known = find();
    if (!known) {
        if (Result<void> refreshed = refresh_directory(); !refreshed) return refreshed.error();
        known = find();
        if (!known) {
            return error(Code::kInvalid, "series " + std::to_string(series_index) + " of segment " + name().text() +
                                             " is not registered: ask for the list of series");
        }
    }
    Result<Timeline> timeline = timeline_at(as_of_ns);
    if (!timeline) return timeline.error();
    timeline->created_ns = known->created_ns;
    return read_windows(*source_, known->metric, series_index, request, *timeline);
}

// Without the series' creation.
Result<Timeline> LiveSegment::timeline_at(std::uint64_t as_of_ns) const {
    if (std::optional<End> ended = end()) {
        Timeline timeline;
        timeline.latest_ns = latest_sane_ns(as_of_ns);
        timeline.ended = true;
        timeline.rebased = rebases_.load(std::memory_order_relaxed) != 0;
        timeline.now_ns = ended->ended_ns;
        return timeline;
    }
    std::optional<WriterPart> writer = read_writer_part(*source_);
    if (!writer) return read_error(errno, "its header");
    return living_timeline(as_of_ns, *writer);
}

Timeline LiveSegment::living_timeline(std::uint64_t as_of_ns, const WriterClock& writer) const {
    Timeline timeline;
    timeline.latest_ns = latest_sane_ns(as_of_ns);
    timeline.now_ns = effective_now(writer, as_of_ns);
    timeline.rebased = writer.rebases != 0;
    return timeline;
}

Error LiveSegment::too_long(std::uint32_t index) const {
    return error(Code::kExhausted, "this range of series " + std::to_string(index) + " of segment " + name().text() +
                                       " is too long to be read at once, its answer could take more than " +
                                       std::to_string(kMaxAnswerBytes >> 20) + " MiB: ask for a shorter one");
}

Result<SeriesData> LiveSegment::read_windows(const ByteSource& source, std::uint32_t metric, std::uint32_t index,
                                             const ReadRequest& request, const Timeline& timeline) const {
    const SegmentLayout& layout = *header_->layout;
    const MetricInfo& info = layout.schema->metrics[metric];
    SeriesReader reader(source, layout, metric, index);
    WindowReader windows(reader, info, *layout.schema, timeline);
    SeriesData data;
    WindowReader::Outcome outcome = windows.read(request, &data);
    count(counters_.retries, static_cast<std::uint64_t>(windows.retries()));
    if (windows.hot_left_out()) count(counters_.open_left_out);
    if (outcome == WindowReader::Outcome::kTooLong) return too_long(index);
    if (outcome == WindowReader::Outcome::kFailed) return view_error(windows.view_outcome(), reader, index);
    count(counters_.future_windows, windows.left_out().future);
    count(counters_.inconsistent_windows, windows.left_out().inconsistent);
    return data;
}

Error LiveSegment::view_error(ViewOutcome outcome, const SeriesReader& reader, std::uint32_t index) const {
    std::string which = "series " + std::to_string(index) + " of segment " + name().text();
    switch (outcome) {
        case ViewOutcome::kBusy:
            count(counters_.busy);
            return error(Code::kUnavailable, which + " kept changing while it was read: try again");
        case ViewOutcome::kShrunk: return turn_bad({QuarantineReason::kShrunk, which + " lies past its end"});
        case ViewOutcome::kUnreadable: return read_error(reader.read_errno(), "series " + std::to_string(index));
        case ViewOutcome::kCorrupt:
            count(counters_.corrupt);
            return error(Code::kCorrupt,
                         which + " has an open window that cannot be: the VM or its writer library is broken");
        case ViewOutcome::kWhole:
        case ViewOutcome::kWithoutHot: break;
    }
    return error(Code::kInternal, which + " was read with an outcome that is none");
}

Liveness LiveSegment::probe() const {
    std::lock_guard lock(probe_mutex_);
    int fd = source_->descriptor();
    if (fd < 0) return {Life::kDead, Proof::kNone};
    // The state comes first. The other way round a writer could come, attach and be taken for dead in between. Whoever was
    // seen to be attached is asked for his state no more, but where a lock is all there is to go by.
    if (!attached_seen_) {
        const std::optional<WriterPart> writer = read_writer_part(*source_);
        attached_seen_ = writer && writer->state != RSIDE_STATE_PROVISIONED;
    }
    Liveness liveness = probe_writer(fd);
    if (liveness.life == Life::kAlive) {
        lock_seen_ = lock_seen_ || liveness.proof == Proof::kLock;
        return liveness;
    }
    if (!attached_seen_) return {Life::kWaiting, liveness.proof};
    // Without a lease: a writer that held the lock once, or that said goodbye, which is its last word, and holds none now is
    // gone.
    if (liveness.life == Life::kUnknown && liveness.proof == Proof::kLock && (lock_seen_ || is_closed(*source_))) {
        liveness.life = Life::kDead;
    }
    return liveness;
}

ReadStats LiveSegment::stats() const {
    auto load = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
    return {load(counters_.reads),          load(counters_.scanned),
            load(counters_.retries),        load(counters_.open_left_out),
            load(counters_.busy),           load(counters_.corrupt),
            load(counters_.future_windows), load(counters_.inconsistent_windows)};
}

}  // namespace ringside::agent
