#include "agent/upstream/vm_tracker.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "agent/base/clock.h"
#include "agent/upstream/vm_reader.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kGarbageEveryNs = std::uint64_t{60} * 1'000'000'000;
constexpr std::size_t kPlansMax = 1024;

std::uint64_t ns_of(std::chrono::nanoseconds duration) { return static_cast<std::uint64_t>(duration.count()); }

// What the lives of one VM have in common, and thereby their series.
std::string life_key(const Cursor& cursor) { return cursor.vm_id + '\0' + cursor.component; }

std::optional<std::uint64_t> lag_of(const TrackedVm& vm) {
    if (vm.cursor.acked_ns == 0 || vm.closed_ns == 0) return std::nullopt;
    return minus(vm.closed_ns, vm.cursor.acked_ns);
}

bool gauges_leave(const RollupPlan& plan) {
    for (std::size_t metric = 0; metric < plan.metrics().size(); ++metric) {
        if (is_gauge(plan.schema().metrics[metric].kind) && !plan.metrics()[metric].outputs.empty()) return true;
    }
    return false;
}

}  // namespace

std::uint64_t closed_until_ns(const VmInfo& vm) {
    std::uint64_t until_ns = UINT64_MAX;
    if (vm.ended_ns != 0) until_ns = vm.ended_ns;
    // A writer that stands (a paused VM that ticks, one that closed and lives on) has not ended its window yet.
    if (vm.present_ns != 0) until_ns = std::min(until_ns, vm.present_ns);
    return until_ns;
}

VmTracker::VmTracker(const UpstreamOptions& options, SourceProvider& provider, CursorStore& store, StatsBoard& stats,
                     const UpstreamEvents& events)
    : options_(options), shape_(shape_of(options)), provider_(provider), store_(store), stats_(stats), events_(events) {
    for (const auto& [key, cursor] : store_.all()) {
        set_progress(key, {cursor.acked_ns, std::nullopt, cursor.done});
        std::int64_t& newest = newest_ms_.try_emplace(life_key(cursor), INT64_MIN).first->second;
        newest = std::max(newest, cursor.last_ms);
    }
}

void VmTracker::refresh(std::uint64_t now_ns) {
    listed_.clear();
    for (UpstreamSource& source : provider_.sources()) take_in(source, now_ns);
    std::erase_if(vms_, [this](const auto& vm) { return !listed_.contains(vm.first); });
    order_lives(now_ns);
    update_backlog(now_ns);
    if (now_ns >= next_garbage_ns_ || next_garbage_ns_ > now_ns + kGarbageEveryNs) {
        collect_garbage(now_ns);
        next_garbage_ns_ = now_ns + kGarbageEveryNs;
    }
}

void VmTracker::take_in(UpstreamSource& source, std::uint64_t now_ns) {
    const bool again = !listed_.insert(source.key).second;
    if (progress(source.key).done) return;
    VmInfo info = source.source->vm();
    if (info.state == VmState::kProvisioned || (again && info.state != VmState::kDrained)) return;
    auto [at, first_sight] = vms_.try_emplace(source.key);
    TrackedVm& vm = at->second;
    if (vm.source != source.source) {
        std::shared_ptr<const SchemaInfo> schema = source.source->schema();
        if (!schema || schema->tiers.empty()) {
            vms_.erase(at);
            return;
        }
        vm.plans = plans_of(std::move(schema), source.made);
        vm.source = std::move(source.source);
        vm.not_before_ns = vm.busy_tries = 0;
    }
    vm.vm = std::move(info);
    vm.made = source.made;
    const std::shared_ptr<const RollupPlan> before = std::exchange(vm.plan, vm.plans->of(vm.vm));
    if (first_sight) {
        vm.key = source.key;
        if (const Cursor* stored = store_.find(vm.key)) vm.cursor = *stored;
        vm.cursor.vm_id = vm.vm.vm_id;
        vm.cursor.component = vm.vm.component;
        vm.cursor.epoch = vm.vm.epoch;
        vm.cursor.created_ns = vm.vm.created_ns;
        // Samples of before have other labels or forms, and cannot be made again.
        if (vm.cursor.shape != shape_) restart_tally(vm.cursor);
        vm.cursor.shape = shape_;
    }
    const bool other_plan = first_sight ? may_have_left_as_usual(vm) : before->tier() != vm.plan->tier();
    if (other_plan) restart_tally(vm.cursor);
    position(vm, now_ns, first_sight);
    if (other_plan) tell_at_once(vm);
    if (given_up(vm, now_ns)) finished(vm);
}

// Whether usual windows of a VM may have left before it turned out to be a short one: they are not made again.
bool VmTracker::may_have_left_as_usual(const TrackedVm& vm) {
    const RollupPlan& usual = vm.plans->usual();
    return vm.plan.get() != &usual && vm.cursor.acked_ns > begun_ns(vm.vm) &&
           vm.cursor.acked_ns % usual.resolution_ns() == 0;
}

// Brings the cursor to where pushing can go on: at a window's end, not in the future, and not before
// what is still held and still wanted.
void VmTracker::position(TrackedVm& vm, std::uint64_t now_ns, bool first_sight) {
    const std::uint64_t step = vm.plan->resolution_ns();
    if (vm.cursor.acked_ns > now_ns + step) position_future(vm, now_ns, first_sight);
    if (vm.cursor.acked_ns > now_ns && vm.vm.ended_ns == 0) note_second_time(vm, now_ns);
    // A provisioned segment may have waited long for its writer.
    const std::uint64_t begun = begun_ns(vm.vm);
    if (vm.cursor.acked_ns == 0 && begun <= now_ns && vm.vm.rebases == 0) {
        vm.cursor.acked_ns = aligned(begun, step);
        restart_tally(vm.cursor);
    }
    std::uint64_t end_ns = vm.vm.ended_ns != 0 ? vm.vm.ended_ns : now_ns;
    if (vm.vm.present_ns != 0) end_ns = std::min(end_ns, vm.vm.present_ns);
    skip_to(vm, aligned(minus(now_ns, ns_of(options_.backlog_max)), step), "too_old");
    // The window in which the end lies takes a slot, too.
    skip_to(vm, minus(aligned(end_ns + step - 1, step), vm.plan->slots() * step), "lapped");
}

// The clock was ahead and has been set back, and the segment has started again at the present. While
// the agent watched, all until now has been pushed; what a cursor from disk missed is not known, and
// the safe side is to push all that is held.
void VmTracker::position_future(TrackedVm& vm, std::uint64_t now_ns, bool first_sight) {
    const std::uint64_t step = vm.plan->resolution_ns();
    const std::uint64_t closed_ns = aligned(minus(now_ns, ns_of(options_.grace)), step);
    vm.cursor.acked_ns = first_sight ? 0 : closed_ns;
    vm.cursor.zeros_ns = closed_ns;
    restart_tally(vm.cursor);
    stats_.update([](UpstreamStats& stats) { ++stats.cursor_resets; });
}

// The clock was set back, by a window at most, to before the end of windows that have been pushed. A series that was idle may
// record into them now: what a counter or a histogram counts leaves with a later window, what a gauge observes never does.
void VmTracker::note_second_time(TrackedVm& vm, std::uint64_t now_ns) {
    if (vm.second_time_ns == vm.cursor.acked_ns) return;
    vm.second_time_ns = vm.cursor.acked_ns;
    if (gauges_leave(*vm.plan)) {
        const std::uint64_t step = vm.plan->resolution_ns();
        const std::uint64_t after_ns = aligned(now_ns, step);
        stats_.update([&](UpstreamStats& stats) {
            stats.windows_dropped["clock_step"] += (vm.cursor.acked_ns - after_ns + step - 1) / step;
        });
        store_.lose(vm.key, {"clock_step", kUnnamedSeries, after_ns, vm.cursor.acked_ns, 0});
    }
    // What these windows hold when they are read again need not be what has been answered, of no kind of series.
    restart_tally(vm.cursor);
    tell_at_once(vm);
}

// A tally that begins anew, and a loss, before the next window moves the cursor: that may be long in coming, and after a
// death nobody would know.
void VmTracker::tell_at_once(TrackedVm& vm) {
    if (store_.find(vm.key)) moved(vm);
}

void VmTracker::skip_to(TrackedVm& vm, std::uint64_t oldest_ns, const char* reason) {
    if (vm.vm.ended_ns != 0) {
        oldest_ns = std::min(oldest_ns, aligned(vm.vm.ended_ns, vm.plan->resolution_ns()));
    }
    if (vm.cursor.acked_ns >= oldest_ns) return;
    // From 0 there is no telling how many windows there were.
    if (vm.cursor.acked_ns != 0) {
        drop_windows(vm, reason, oldest_ns, (oldest_ns - vm.cursor.acked_ns) / vm.plan->resolution_ns());
    }
    vm.cursor.acked_ns = oldest_ns;
    restart_tally(vm.cursor);
    // What was counted before must not look like an increase of the first window that is pushed.
    vm.cursor.zeros_ns = std::max(vm.cursor.zeros_ns, oldest_ns);
}

// Whether an ended VM has nothing left that may be sent.
bool VmTracker::given_up(TrackedVm& vm, std::uint64_t now_ns) {
    if (vm.vm.state != VmState::kDrained) return false;
    const bool too_old = vm.vm.ended_ns < minus(now_ns, ns_of(options_.backlog_max));
    if (!too_old && !vm.cursor.superseded) return false;
    const std::uint64_t step = vm.plan->resolution_ns();
    const std::uint64_t left = (minus(vm.vm.ended_ns, vm.cursor.acked_ns) + step - 1) / step;
    if (left > 0) drop_windows(vm, vm.cursor.superseded ? "overlap" : "too_old", vm.vm.ended_ns, left);
    return true;
}

DueWindows VmTracker::due(const TrackedVm& vm, std::uint64_t now_ns) const {
    DueWindows due;
    due.until_ns = vm.cursor.acked_ns;
    if (vm.cursor.superseded) return due;
    const std::uint64_t step = vm.plan->resolution_ns();
    due.final = vm.vm.state == VmState::kDrained;
    // What has ended cannot change any more: no grace.
    std::uint64_t closed_ns = minus(now_ns, due.final ? 0 : ns_of(options_.grace));
    closed_ns = std::min(closed_ns, closed_until_ns(vm.vm));
    if (closed_ns < vm.plans->held_until_ns(vm.vm)) return due;
    closed_ns = aligned(closed_ns, step);
    if (closed_ns <= vm.cursor.acked_ns) return due;
    due.until_ns = closed_ns;
    due.windows = (closed_ns - vm.cursor.acked_ns + step - 1) / step;
    return due;
}

VmTracker::Lanes VmTracker::lanes(std::uint64_t now_ns) {
    Lanes lanes;
    for (auto& [key, vm] : vms_) {
        if (vm.blocked || vm.not_before_ns > now_ns) continue;
        DueWindows windows = due(vm, now_ns);
        if (!windows.any()) continue;
        if (vm.cursor.last_ms == INT64_MIN) set_floor(vm, now_ns);
        (windows.windows <= 1 ? lanes.fresh : lanes.backlog).push_back(&vm);
    }
    std::stable_sort(lanes.backlog.begin(), lanes.backlog.end(),
                     [](const TrackedVm* a, const TrackedVm* b) { return a->served < b->served; });
    return lanes;
}

std::uint64_t VmTracker::next_due_ns(std::uint64_t now_ns) const {
    std::uint64_t next_ns = UINT64_MAX;
    for (const auto& [key, vm] : vms_) {
        if (vm.blocked || vm.cursor.superseded) continue;
        if (due(vm, now_ns).any()) {
            next_ns = std::min(next_ns, std::max(now_ns, vm.not_before_ns));
        } else if (vm.vm.ended_ns == 0 && vm.vm.present_ns == 0) {  // when a standing writer goes on, nobody knows
            const std::uint64_t step = vm.plan->resolution_ns();
            const std::uint64_t end_ns =
                std::max(aligned(vm.cursor.acked_ns, step) + step, vm.plans->held_until_ns(vm.vm));
            next_ns = std::min(next_ns, std::max(now_ns, end_ns + ns_of(options_.grace)));
        }
    }
    return next_ns;
}

bool VmTracker::any_due(std::uint64_t now_ns) const {
    return std::any_of(vms_.begin(), vms_.end(),
                       [&](const auto& entry) { return !entry.second.blocked && due(entry.second, now_ns).any(); });
}

void VmTracker::update_backlog(std::uint64_t now_ns) {
    std::uint64_t vms = 0, windows = 0, oldest_ns = 0;
    for (auto& [key, vm] : vms_) {
        const DueWindows vm_due = due(vm, now_ns);
        vm.closed_ns = vm_due.until_ns;
        vms += vm.made ? 0 : 1;
        set_lag(vm);
        if (vm_due.windows == 0) continue;
        windows += vm_due.windows;
        const std::uint64_t step = vm.plan->resolution_ns();
        const std::uint64_t end_ns = aligned(vm.cursor.acked_ns, step) + step;
        oldest_ns = oldest_ns == 0 ? end_ns : std::min(oldest_ns, end_ns);
    }
    stats_.update([&](UpstreamStats& stats) {
        stats.vms = vms;
        stats.looked = true;
        stats.backlog_windows = windows;
        stats.oldest_unacknowledged_ns = oldest_ns;
    });
}

void VmTracker::order_lives(std::uint64_t now_ns) {
    std::unordered_map<std::string, Chain> chains;
    for (auto& [key, vm] : vms_) {
        vm.blocked = false;
        chains[life_key(vm.cursor)].push_back(&vm);
    }
    for (auto& [key, chain] : chains) {
        if (chain.size() > 1) order_chain(chain, now_ns);
    }
}

// U5. The first life that is not over goes on; later ones wait for its end, but not for ever: where it
// has nothing to push and no end in sight while the next life has had two windows, the next takes over.
// One that has exited has its end in sight: the drain.
void VmTracker::order_chain(Chain& chain, std::uint64_t now_ns) {
    // One that has ended is none of those that come after a running one, whatever a clock that was set back says.
    auto place = [](const TrackedVm* vm) { return std::tuple(vm->vm.ended_ns == 0, vm->vm.created_ns, vm->vm.epoch); };
    std::sort(chain.begin(), chain.end(), [&](const TrackedVm* a, const TrackedVm* b) { return place(a) < place(b); });
    TrackedVm* current = nullptr;
    bool blocked = false;
    for (TrackedVm* vm : chain) {
        if (vm->cursor.superseded) continue;
        if (current != nullptr && !blocked) {
            const std::uint64_t step = vm->plan->resolution_ns();
            const std::uint64_t second_ns = aligned(vm->vm.created_ns, step) + 2 * step;
            const bool end_in_sight = current->vm.state == VmState::kExited || due(*current, now_ns).any();
            blocked = end_in_sight || second_ns + ns_of(options_.grace) > now_ns;
            if (!blocked) take_over(*current);
        }
        vm->blocked = blocked;
        if (!blocked) current = vm;
    }
}

void VmTracker::take_over(TrackedVm& earlier) {
    earlier.cursor.superseded = true;
    moved(earlier);
    if (events_.log) {
        events_.log(true, "VM " + earlier.vm.vm_id + " runs twice: a later start has taken over the series of epoch " +
                              epoch_text(earlier.vm.epoch) +
                              ", whose further windows are not pushed; end the earlier one");
    }
}

void VmTracker::set_floor(TrackedVm& vm, std::uint64_t now_ns) const {
    auto newest = newest_ms_.find(life_key(vm.cursor));
    if (newest == newest_ms_.end()) return;
    // A life under a clock that was ahead must not silence the later ones until that time comes.
    const std::uint64_t latest_ns = now_ns + vm.plan->resolution_ns();
    if (newest->second <= static_cast<std::int64_t>(latest_ns / 1'000'000)) {
        vm.cursor.floor_ms = newest->second;
    }
}

void VmTracker::moved(TrackedVm& vm) {
    store_.put(vm.cursor);
    set_progress(vm.key, {vm.cursor.acked_ns, lag_of(vm), vm.cursor.done});
    std::int64_t& newest = newest_ms_.try_emplace(life_key(vm.cursor), INT64_MIN).first->second;
    newest = std::max(newest, vm.cursor.last_ms);
}

void VmTracker::finished(TrackedVm& vm) {
    vm.cursor.done = true;
    // A VM that never was pushed needs no record: it will be as old at the next start.
    if (vm.cursor.last_ms != INT64_MIN || store_.find(vm.key) != nullptr) moved(vm);
    set_progress(vm.key, {vm.cursor.acked_ns, 0, true});
    const std::string key = vm.key;
    vms_.erase(key);
    if (events_.epoch_done) events_.epoch_done(key);
}

Progress VmTracker::progress(const std::string& key) const {
    std::lock_guard lock(progress_mutex_);
    auto at = progress_.find(key);
    return at == progress_.end() ? Progress{} : at->second;
}

void VmTracker::set_progress(const std::string& key, const Progress& progress) {
    std::lock_guard lock(progress_mutex_);
    progress_[key] = progress;
}

void VmTracker::set_lag(const TrackedVm& vm) {
    std::lock_guard lock(progress_mutex_);
    progress_[vm.key].lag_ns = lag_of(vm);
}

void VmTracker::collect_garbage(std::uint64_t now_ns) {
    std::vector<std::string> over;
    std::uint64_t gone = 0;
    for (const auto& [key, cursor] : store_.all()) {
        if (listed_.contains(key)) {
            missing_since_ns_.erase(key);
            continue;
        }
        const std::uint64_t since_ns = missing_since_ns_.try_emplace(key, now_ns).first->second;
        if (minus(now_ns, since_ns) < kGoneAfterNs) continue;
        // A done one may be listed again while it could still be pushed: its cursor says not to.
        const std::uint64_t wanted_until_ns = cursor.acked_ns + ns_of(options_.backlog_max);
        if (cursor.done && wanted_until_ns >= now_ns) continue;
        const bool made = cursor.vm_id.empty();  // by rules that have been changed since: no VM
        gone += cursor.done || made ? 0 : 1;
        over.push_back(key);
    }
    for (const std::string& key : over) {
        store_.forget(key);
    }
    forget_the_forgotten();
    if (gone == 0) return;
    stats_.update([&](UpstreamStats& stats) { stats.vms_gone += gone; });
    if (events_.log) {
        events_.log(true, std::to_string(gone) +
                              " VMs are gone whose last windows were never pushed; were segments or "
                              "archive files removed by hand?");
    }
}

// The store is bounded, and forgets by itself too. What belongs to its cursors goes with them.
void VmTracker::forget_the_forgotten() {
    std::erase_if(missing_since_ns_, [this](const auto& entry) { return !store_.find(entry.first); });
    std::unordered_set<std::string> lives;
    for (const auto& [key, cursor] : store_.all()) lives.insert(life_key(cursor));
    store_.forget_losses_without_cursor(listed_);
    std::erase_if(newest_ms_, [&](const auto& entry) { return !lives.contains(entry.first); });
    std::lock_guard lock(progress_mutex_);
    std::erase_if(progress_,
                  [this](const auto& entry) { return !store_.find(entry.first) && !listed_.contains(entry.first); });
}

std::shared_ptr<const RollupPlans> VmTracker::plans_of(std::shared_ptr<const SchemaInfo> schema, bool made) {
    // What rules make has its plans apart from those of VMs, which choose their schemas' hashes.
    auto& same_hash = made ? plans_of_made_ : plans_[schema->hash];
    for (const auto& plans : same_hash) {
        if (plans->usual().schema() == *schema) return plans;
    }
    if (plans_.size() > kPlansMax) {  // Those in use live on with their VMs.
        plans_.clear();
        return plans_of(std::move(schema), made);
    }
    RollupChoice choice = options_.choice;
    if (made) {
        same_hash.clear();  // the rules have one schema at a time
        choice = {};
        choice.columns = kColumnLast | kColumnBuckets;  // all that rules make
        choice.histograms = options_.choice.histograms;
        choice.relabeling = options_.choice.relabeling;
        choice.short_vms = false;
    }
    auto plans = std::make_shared<const RollupPlans>(std::move(schema), choice);
    same_hash.push_back(plans);
    for (const std::string& name : plans->usual().names_taken()) {
        if (!events_.log) break;
        events_.log(true, "schema " + plans->usual().schema().name + ": '" + name +
                              "' is the name of another metric's rollup and is not pushed; rename the "
                              "later metric");
    }
    return plans;
}

// Windows from the cursor to `until_ns`.
void VmTracker::drop_windows(const TrackedVm& vm, const char* reason, std::uint64_t until_ns, std::uint64_t count) {
    stats_.update([&](UpstreamStats& stats) { stats.windows_dropped[reason] += count; });
    store_.lose(vm.key, {reason, kEverySeries, vm.cursor.acked_ns, until_ns, 0});
}

}  // namespace ringside::agent
