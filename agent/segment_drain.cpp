#include "agent/segment_drain.h"

#include "agent/base/clock.h"
#include "agent/log.h"
#include "agent/units.h"

namespace ringside::agent {

Result<FinalisedVm> SegmentDrain::finalise(const std::string& key) {
    auto tracked = scanner_.find(key);
    if (!tracked) return error(Code::kNotFound, "VM " + key + " has no segment any more");
    LiveSegment& segment = *tracked->segment;
    auto settled = segment.settle();
    if (auto bad = segment.condition()) {
        scanner_.give_up(key, *bad, realtime_ns());
        return error(Code::kCorrupt, "VM " + key + " cannot be drained: " + bad->message());
    }
    if (!settled) return settled.error();
    return FinalisedVm{tracked->segment, {segment.file().device, segment.file().inode}};
}

Result<void> SegmentDrain::hand_over(const std::string& key, const std::shared_ptr<const ArchivedVm>& archived) {
    catalog_.set_drained(key, archived);
    handed_over_();
    return {};
}

std::vector<Result<void>> SegmentDrain::keep_black_box(const std::vector<std::shared_ptr<const ArchivedVm>>& archived) {
    std::vector<Result<void>> kept = black_box_.keep(archived, realtime_ns());
    for (std::size_t i = 0; i < kept.size(); ++i) {
        if (kept[i].ok() || can_be_kept(kept[i].error())) continue;
        log_warning("the last minutes of VM " + vm_key(archived[i]->info()) + " cannot be kept: " +
                    kept[i].error().message() + "; given up, the archive has them as long as it has the VM");
        kept[i] = {};
    }
    return kept;
}

Result<void> SegmentDrain::unlink_segment(const std::string& key, const SegmentFile& file) {
    auto tracked = scanner_.find(key);
    if (!tracked) return {};
    // The last look. A writer that was not dead has recorded what the archive may not have: the next attempt settles and
    // archives anew. One that never stops keeps its segment, at the price of an attempt a minute.
    auto went_on = tracked->segment->went_on();
    if (went_on && *went_on) {
        return error(Code::kUnavailable, "VM " + key + " was taken for dead and wrote on: it is archived again");
    }
    // Of one that was cut the archive has all that there was.
    if (!went_on && went_on.error().code != Code::kCorrupt) return went_on.error();
    return scanner_.unlink(tracked->file, file.device, file.inode);
}

void SegmentDrain::drain_failed(const std::string& key, DrainStep step, const Error& error, bool given_up) {
    if (!given_up) {
        if (auto line = troubles_.failed(key, step, error)) log_warning(*line);
        return;
    }
    (void)troubles_.ended(key);
    log_error("drain of VM " + key + " failed at step " + drain_step_name(step) + ": " + error.message() +
              "; given up");
    // What is bad is in quarantine. What has vanished was exited in the catalog's eyes and cannot be read any more.
    auto entry = catalog_.find(key);
    if (entry && entry->state() == VmState::kExited && !scanner_.find(key)) catalog_.remove(key);
}

void SegmentDrain::drained(const std::string& key, const ArchivedVm& archived) {
    catalog_.segment_removed(key, realtime_ns());
    scanner_.forget(key);
    if (auto line = troubles_.ended(key)) log_info(*line);
    log_info("VM " + key + " drained: " + std::to_string(archived.series_count()) + " series in " +
             size_text(archived.file_bytes()) + (archived.file_bytes() % 1024 == 0 ? "" : " bytes"));
}

}  // namespace ringside::agent
