#include "agent/upstream/pusher.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "agent/base/clock.h"
#include "agent/upstream/vm_reader.h"
#include "agent/upstream/wire_size.h"

namespace ringside::agent {
namespace {

// A ring without the window that is open and the one that goes next, so that what is tallied can be read again.
std::uint64_t tally_span_ns(const RollupPlan& plan) {
    return std::max<std::uint64_t>(plan.slots(), 3) * plan.resolution_ns() - 2 * plan.resolution_ns();
}

}  // namespace

Pusher::Pusher(const UpstreamOptions& options, VmTracker& tracker, CursorStore& store, Delivery& delivery, Pacer& pacer,
               StatsBoard& stats, const UpstreamEvents& events)
    : options_(options),
      tracker_(tracker),
      store_(store),
      delivery_(delivery),
      pacer_(pacer),
      stats_(stats),
      events_(events) {}

Pusher::Round Pusher::round() {
    const std::uint64_t now_ns = pacer_.now_ns();
    tracker_.refresh(now_ns);
    VmTracker::Lanes lanes = tracker_.lanes(now_ns);
    for (std::size_t next = 0; next < lanes.fresh.size() && !pacer_.stopped();) {
        next = push_group(lanes.fresh, next, now_ns);
    }
    if (!lanes.backlog.empty() && !pacer_.stopped()) push_group(lanes.backlog, 0, now_ns);
    save();
    Round round;
    const std::uint64_t after_ns = pacer_.now_ns();
    tracker_.order_lives(after_ns);
    tracker_.update_backlog(after_ns);
    round.next_due_ns = tracker_.next_due_ns(after_ns);
    round.more = round.next_due_ns <= after_ns;
    round.pending = round.more || tracker_.any_due(after_ns);
    return round;
}

// Reads VMs of the lane from `first` on until they fill a batch, and pushes their runs side by side.
// The index after the last one taken.
std::size_t Pusher::push_group(const std::vector<TrackedVm*>& lane, std::size_t first, std::uint64_t now_ns) {
    std::vector<Run> runs;
    std::size_t samples = 0, next = first;
    while (next < lane.size() && samples < options_.batch_samples_max) {
        TrackedVm& vm = *lane[next++];
        vm.served = ++pushes_;
        Run run;
        if (!read_run(vm, now_ns, run)) continue;
        std::size_t widest = 0;
        for (const RollupStep& step : run.rollup.steps) {
            widest = std::max(widest, step.points.size());
        }
        samples += widest;
        runs.push_back(std::move(run));
    }
    if (push_steps(runs)) {
        for (Run& run : runs) finish(run);
    }
    return next;
}

bool Pusher::read_run(TrackedVm& vm, std::uint64_t now_ns, Run& run) {
    const DueWindows due = tracker_.due(vm, now_ns);
    const std::uint64_t series = std::max<std::uint64_t>(vm.vm.series_count, 1);
    const std::uint64_t most = std::clamp<std::uint64_t>(kRunPointsMax / series, 1, kRunWindowsMax);
    run.vm = &vm;
    run.until_ns = due.until_ns;
    run.final = due.final;
    if (due.windows > most) {
        run.until_ns -= (due.windows - most) * vm.plan->resolution_ns();
        run.final = false;
    }
    ReadRequest request;
    request.begin_ns = vm.cursor.acked_ns;
    request.end_ns = run.final ? UINT64_MAX : run.until_ns;
    request.open_window = run.final;
    Result<VmWindows> windows = read_windows(*vm.source, *vm.plan, request);
    if (!windows.ok() && !lost_for_good(windows.error().code)) {
        put_off(vm, now_ns, windows.error());
        return false;
    }
    vm.busy_tries = 0;
    if (!windows.ok()) {
        give_up_windows(run, windows.error());
        return true;
    }
    if (!run.final) {
        // Since the VM was looked at others have been pushed, which takes as long as the receiver is away. Where it has
        // ended meanwhile, what was read ends there, and the window that its end has cut is still to come.
        const VmInfo info = vm.source->vm();
        const std::uint64_t closed_ns = closed_until_ns(info);
        run.until_ns = std::min(run.until_ns, aligned(closed_ns, vm.plan->resolution_ns()));
        // Nor a usual window of one that turns out to have been short.
        if (run.until_ns <= vm.cursor.acked_ns || closed_ns < vm.plans->held_until_ns(info)) return false;
    }
    vm.lost = false;
    lose_series(run, windows->failed);

    RollupRange range;
    range.after_ns = vm.cursor.acked_ns;
    range.until_ns = run.until_ns;
    range.zeros_after_ns = vm.cursor.zeros_ns;
    range.final = run.final;
    range.floor_ms = vm.cursor.floor_ms;
    range.last_ms = vm.cursor.last_ms;
    run.rollup = roll_up(*vm.plan, vm.vm, labels_on_everything(options_, vm.vm), windows->series, range);
    left_out("duplicate", run.rollup.duplicates);
    left_out("bad_name", run.rollup.bad_names);
    left_out("name_taken", vm.plan->names_taken().size());
    if (run.rollup.overlapping > 0) {
        stats_.update([&](UpstreamStats& stats) { stats.windows_dropped["overlap"] += run.rollup.overlapping; });
    }
    return true;
}

void Pusher::put_off(TrackedVm& vm, std::uint64_t now_ns, const Error& why) {
    const std::uint32_t doublings = std::min(vm.busy_tries++, kBusyDoublingsMax);
    vm.not_before_ns = now_ns + (kBusyPauseNs << doublings);
    if (vm.busy_tries != kBusyTriesQuiet || !events_.log) return;
    events_.log(true, "VM " + vm.key + " cannot be read (" + why.message() +
                          "); its windows wait, and it is tried again until this passes");
}

// Not one series of them will ever be readable. The run has no samples then, and ends with its cursor behind them.
void Pusher::give_up_windows(const Run& run, const Error& why) {
    TrackedVm& vm = *run.vm;
    const std::uint64_t step = vm.plan->resolution_ns();
    const std::uint64_t until_ns = run.final ? std::max(run.until_ns, vm.vm.ended_ns) : run.until_ns;
    const std::uint64_t windows = (until_ns - vm.cursor.acked_ns + step - 1) / step;
    stats_.update([&](UpstreamStats& stats) { stats.windows_dropped["read_failed"] += windows; });
    store_.lose(vm.key, {"read_failed", kEverySeries, vm.cursor.acked_ns, until_ns, 0});
    if (std::exchange(vm.lost, true) || !events_.log) return;
    events_.log(true, "VM " + vm.key + " cannot be read (" + why.message() +
                          "), which will not pass: its windows are not pushed, only counted");
}

// They will never be readable.
void Pusher::lose_series(const Run& run, const std::vector<std::uint32_t>& series) {
    const TrackedVm& vm = *run.vm;
    const std::uint64_t until_ns = run.final ? vm.vm.ended_ns : run.until_ns;
    for (std::uint32_t index : series) {
        store_.lose(vm.key, {"read_failed", index, vm.cursor.acked_ns, until_ns, 0});
    }
    left_out("read_failed", series.size());
}

// Step by step, so that a request never holds two samples of one series (U2). False when stopped.
bool Pusher::push_steps(std::vector<Run>& runs) {
    for (;;) {
        std::vector<WireSample> samples;
        std::vector<Share> shares;
        for (Run& run : runs) {
            if (run.next_step == run.rollup.steps.size()) continue;
            const RollupStep& step = run.rollup.steps[run.next_step];
            for (const RollupPoint& point : step.points) {
                samples.push_back(wire_sample(*run.vm->plan, run.rollup, point));
            }
            shares.emplace_back().run = &run;
        }
        if (samples.empty()) return true;
        if (!push_samples(samples, shares)) return false;
    }
}

bool Pusher::push_samples(const std::vector<WireSample>& samples, std::vector<Share>& shares) {
    auto share = shares.begin();
    for (std::size_t begin = 0; begin < samples.size();) {
        const std::size_t end = batch_end(samples, begin);
        if (!take_answer({&samples[begin], end - begin}, share)) return false;
        save();
        begin = end;
    }
    return true;
}

// Sends a batch and gives each share its part of the answer. `share`: that of the first sample; moved on. False when
// stopped.
bool Pusher::take_answer(std::span<const WireSample> batch, std::vector<Share>::iterator& share) {
    const Delivery::Outcome outcome = delivery_.deliver(batch);
    if (outcome.stopped) return false;
    auto refused = outcome.refused.begin();  // by rising index
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const RollupStep& step = share->step();
        const RollupPoint& point = step.points[share->next_point++];
        share->answered.add(batch[i]);
        if (refused != outcome.refused.end() && refused->index == i) {
            refuse(*share, share->run->rollup.series[point.series].source, refused++->reason, 1);
        } else {
            ++share->accepted;
        }
        const bool last = share->next_point == step.points.size();
        if (outcome.unnamed > 0 && (last || i + 1 == batch.size())) {
            refuse(*share, kUnnamedSeries, outcome.unnamed_reason, outcome.unnamed);
        }
        if (last) acknowledge(*share++);
    }
    return true;
}

// A sample of the share's step is lost. Several of one series are one loss.
void Pusher::refuse(Share& share, std::uint32_t series, const std::string& reason, std::uint64_t samples) {
    for (Loss& loss : share.losses) {
        if (loss.series != series || loss.reason != reason) continue;
        loss.samples += samples;
        return;
    }
    const RollupStep& step = share.step();
    const std::uint64_t resolution_ns = share.run->vm->plan->resolution_ns();
    share.losses.push_back({reason, series, aligned(step.end_ns - 1, resolution_ns), step.end_ns, samples});
}

std::size_t Pusher::batch_end(const std::vector<WireSample>& samples, std::size_t begin) const {
    const std::size_t most = std::min(samples.size() - begin, options_.batch_samples_max);
    std::unordered_set<const Family*> families;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < most; ++i) {
        const WireSample& sample = samples[begin + i];
        bytes += wire_bytes(sample);
        if (families.insert(sample.family).second) bytes += wire_bytes(*sample.family);
        if (bytes > options_.batch_bytes_max && i > 0) return begin + i;
    }
    return begin + most;
}

void Pusher::acknowledge(Share& share) {
    Run& run = *share.run;
    const RollupStep& step = run.rollup.steps[run.next_step++];
    Cursor& cursor = run.vm->cursor;
    cursor.last_ms = std::max(cursor.last_ms, step.timestamp_ms);
    cursor.zeros_ns = std::max(cursor.zeros_ns, step.end_ns);
    if (step.kind != StepKind::kZeros) cursor.acked_ns = std::max(cursor.acked_ns, step.end_ns);
    // In the same save as its time: one who is killed between two of them would end the series again, a millisecond later.
    if (step.kind == StepKind::kEnd) cursor.done = true;
    if (step.kind == StepKind::kWindow) {
        cursor.accepted += share.accepted;
        cursor.answered.add(share.answered);
        slide_tally(cursor, tally_span_ns(*run.vm->plan));
    }
    for (Loss& loss : share.losses) store_.lose(run.vm->key, std::move(loss));
    tracker_.moved(*run.vm);
    if (step.kind != StepKind::kWindow) return;
    stats_.update([](UpstreamStats& stats) { ++stats.windows_sent; });
    if (events_.pushed) events_.pushed(run.vm->key, step.end_ns, share.accepted);
}

// All steps are acknowledged. Windows without a sample have no step, and count as pushed.
void Pusher::finish(Run& run) {
    if (run.final) {
        tracker_.finished(*run.vm);
        return;
    }
    Cursor& cursor = run.vm->cursor;
    if (cursor.acked_ns >= run.until_ns) return;
    cursor.acked_ns = run.until_ns;
    cursor.zeros_ns = std::max(cursor.zeros_ns, run.until_ns);
    tracker_.moved(*run.vm);
}

void Pusher::save() {
    Result<void> saved = store_.save();
    if (saved.ok()) {
        store_fails_ = false;
        return;
    }
    stats_.update([](UpstreamStats& stats) { ++stats.cursor_write_failures; });
    if (!std::exchange(store_fails_, true) && events_.log) {
        events_.log(true, saved.error().message() +
                              "; pushing goes on, and what is pushed until this works will be pushed "
                              "again should the agent restart");
    }
}

void Pusher::left_out(const char* reason, std::uint64_t series) {
    if (series == 0) return;
    stats_.update([&](UpstreamStats& stats) { stats.series_left_out[reason] += series; });
}

}  // namespace ringside::agent
