#include "tests/simulation/world.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "agent/audit/audit.h"
#include "agent/base/clock.h"
#include "agent/folder.h"
#include "agent/log.h"
#include "tests/simulation/compare_archive.h"

namespace ringside::simulation {
namespace {

constexpr std::uint64_t kEighth = kSecond / 8;
constexpr std::uint64_t kStepMax = 3 * kHour;  // of the clock

// What an upstream speaks to in place of HTTP.
class Line : public agent::Sender {
  public:
    Line(Receiver& receiver, TurnClock& clock, HostDisk& disk, std::uint64_t run)
        : receiver_(receiver), clock_(clock), disk_(disk), run_(run) {}

    agent::Reply send(std::span<const agent::WireSample> samples, std::uint32_t, std::uint64_t) override {
        // A dead agent sends nothing. Its thread waits here for the end.
        if (disk_.dead()) clock_.sleep(kDay);
        if (clock_.aborted()) {
            agent::Reply reply;
            reply.aborted = true;
            return reply;
        }
        return receiver_.answer(samples, run_, clock_);
    }
    void abort() override { clock_.abort(); }

  private:
    Receiver& receiver_;
    TurnClock& clock_;
    HostDisk& disk_;
    const std::uint64_t run_;
};

constexpr const char* kUpstreams[] = {"east", "west"};

agent::Config config_for(const std::string& folder, const Plan& plan) {
    agent::Config config = agent::default_config({});
    config.directory = folder;
    config.state_directory = "/state";
    config.instance = "host";
    config.archive_max_bytes = 0;
    config.archive_max_age_ns = 6 * kHour;
    config.scan_interval_ns = plan.sweep_every_ns;
    for (const char* name : kUpstreams) {
        agent::UpstreamOptions options =
            agent::upstream_options(config, {name, std::string("http://") + name + ".invalid/"});
        options.choice.short_vms = plan.short_vms;
        options.rules = Sums::rules();
        config.file_upstreams.push_back(std::move(options));
    }
    return config;
}

}  // namespace

World::World(Plan plan)
    : plan_(std::move(plan)),
      random_(plan_.seed),
      time_(random_()),
      disk_(random_()),
      config_(config_for(folder_.path() + "/segments", plan_)) {
    agent::set_log_level(std::getenv("RINGSIDE_SIMULATION_LOG") ? "debug" : "error");
    if (!agent::prepare_segment_folder(config_.directory)) std::abort();
    disk_.fsync_lies = plan_.fsync_lies;
    for (const char* name : kUpstreams) {
        receivers_.push_back(std::make_unique<Receiver>(name, census_, findings_, time_,
                                                        Excuses{config_.upstream_backlog_max_ns}, random_()));
    }
}

World::~World() {
    if (core_) end_agent();
}

std::uint64_t World::between(std::uint64_t least_ns, std::uint64_t most_ns) {
    return (least_ns + below(most_ns - least_ns + 1)) / kEighth * kEighth;
}

// From half to one and a half times the mean.
std::uint64_t World::about(std::uint64_t mean_ns) { return between(mean_ns / 2, mean_ns + mean_ns / 2); }

void World::after(std::uint64_t ns, std::function<void()> what) {
    // Receivers answer at any nanosecond; what records and sweeps keeps to eighths of a second.
    const std::uint64_t at_ns = (time_.monotonic_ns() + ns + kEighth - 1) / kEighth * kEighth;
    events_.push({at_ns, ++sequence_, std::move(what)});
}

void World::go_on_until(std::uint64_t until_ns) {
    for (;;) {
        const std::uint64_t turn_ns = core_ ? turns_.next_ns() : UINT64_MAX;
        const std::uint64_t event_ns = events_.empty() ? UINT64_MAX : events_.top().at_ns;
        if (std::min(turn_ns, event_ns) >= until_ns) break;
        try {
            if (turn_ns <= event_ns) {
                time_.advance_to(turn_ns);
                turns_.run(time_.monotonic_ns());
            } else {
                time_.advance_to(event_ns);
                auto what = std::move(const_cast<Event&>(events_.top()).what);
                events_.pop();
                what();
            }
        } catch (const AgentDied&) {
        }
        if (disk_.dead() && core_) die();
    }
    time_.advance_to(until_ns);
}

const Findings& World::run() {
    end_ns_ = time_.monotonic_ns() + plan_.duration_ns;
    for (std::size_t slot = 0; slot < plan_.vms; ++slot) {
        after(between(0, 5 * kMinute), [this, slot] { give_birth(slot); });
    }
    try {
        start_agent();
    } catch (const AgentDied&) {
    }
    after(plan_.sweep_every_ns, [this] { sweep(); });
    after(kHour, [this] { housekeep(); });
    after(kMinute, [this] { check_archived(); });
    if (plan_.crash_every_ns) plan_crash();
    if (plan_.disk_trouble_every_ns) plan_disk_trouble();
    for (auto& receiver : receivers_) {
        if (plan_.receiver_trouble_every_ns) plan_receiver_trouble(*receiver);
    }
    if (plan_.clock_step_every_ns) plan_clock_step();
    go_on_until(end_ns_);
    settle();
    for (const auto& receiver : receivers_) {
        findings_.tried["samples"] += receiver->samples();
        findings_.tried["samples repeated"] += receiver->repeats();
        findings_.tried["windows excused"] += receiver->excused();
    }
    findings_.tried["runs of the agent"] = run_;
    findings_.tried["disk calls"] = disk_.calls();
    findings_.tried["disk calls that failed"] = disk_.failed_calls();
    findings_.tried["deaths within a disk call"] = disk_.deaths_in_calls();
    return findings_;
}

// --- VMs ---------------------------------------------------------------------------------------------------------------

// From a fifth of a second to days.
std::uint64_t World::span_of_life() {
    switch (below(8)) {
        case 0: return between(kEighth, 5 * kSecond);
        case 1:
        case 2: return between(5 * kSecond, 2 * kMinute);
        case 3:
        case 4: return between(2 * kMinute, kHour);
        case 5:
        case 6: return between(kHour, 8 * kHour);
        default: return between(8 * kHour, 3 * kDay);
    }
}

void World::give_birth(std::size_t slot) {
    if (over()) return;
    char vm_id[32];
    std::snprintf(vm_id, sizeof vm_id, "vm-%03zu", slot);
    Life& life = census_.add(SimulatedVm::create(config_.directory, vm_id, random_()));
    undrained_.push_back(&life);
    ++findings_.tried["lives"];
    findings_.trace(life.vm->key());
    const std::uint64_t period_ns = between(kEighth, kMinute);
    after(period_ns, [this, &life, period_ns] { record(life, period_ns); });
    after(span_of_life(), [this, &life, slot] { end_life(life, slot); });
    if (std::exchange(discover_planned_, true)) return;
    after(kEighth, [this] { discover(); });
}

void World::record(Life& life, std::uint64_t period_ns) {
    if (!life.vm->running()) return;
    // Now and then it has nothing to say for a long time.
    life.vm->record();
    ++findings_.tried["records"];
    const std::uint64_t next_ns = one_in(200) ? between(kMinute, kHour) : std::max(kEighth, about(period_ns));
    after(next_ns, [this, &life, period_ns] { record(life, period_ns); });
}

void World::end_life(Life& life, std::size_t slot) {
    if (!life.vm->running()) return;
    // A record in the very instant of the end would belong to a window that ends before it.
    if (life.vm->tally().last_ns() == time_.realtime_ns())
        return after(kEighth, [this, &life, slot] { end_life(life, slot); });
    if (one_in(2)) {
        life.vm->kill();
    } else {
        life.vm->close(one_in(4) ? 3 : 0);
    }
    // Its end is at most a second later, and a life of the same VM begins after that.
    after(one_in(3) ? between(10 * kMinute, 2 * kHour) : between(3 * kSecond, kMinute),
          [this, slot] { give_birth(slot); });
}

// --- the agent ---------------------------------------------------------------------------------------------------------

void World::start_agent() {
    if (core_) return;
    ++run_;
    if (disk_troubled_) note_disk_trouble();
    auto folder = agent::prepare_segment_folder(config_.directory);
    if (!folder) std::abort();
    agent::Outside outside{disk_};
    outside.clock = [this](const std::string& upstream) -> agent::Clock& {
        auto& clock = clocks_[upstream];
        if (!clock) clock = std::make_unique<TurnClock>(turns_, time_);
        return *clock;
    };
    outside.sender = [this, clock = outside.clock](
                         const agent::UpstreamOptions& options) -> agent::Result<std::unique_ptr<agent::Sender>> {
        Receiver& receiver = **std::find_if(receivers_.begin(), receivers_.end(),
                                            [&](const auto& one) { return one->name() == options.name; });
        auto& own = static_cast<TurnClock&>(clock(options.name));
        std::unique_ptr<agent::Sender> line = std::make_unique<Line>(receiver, own, disk_, run_);
        if (plan_.sender) line = plan_.sender(std::move(line));
        return line;
    };
    if (plan_.drain_host) {
        outside.drain_host = [this](agent::DrainHost& real) { return plan_.drain_host(real, disk_); };
    }
    core_ = std::make_unique<agent::Core>(
        config_, agent::ScanLimits{}, std::move(*folder), [this] { dead_waiting_ = true; }, outside);
    if (auto opened = core_->open(); !opened) {
        ++findings_.tried["starts of the agent that failed"];
        end_agent();
        after(10 * kSecond, [this] { start_agent(); });
        return;
    }
    static_cast<void>(core_->scanner.sweep(time_.realtime_ns()));  // the next one comes soon
    for (auto& [name, clock] : clocks_) turns_.add(*clock);
    core_->upstreams.start();
    check_archive();
    drain();
}

// What the agent says itself that it has lost.
void World::count_losses() {
    for (const agent::UpstreamReport& report : core_->upstreams.reports()) {
        for (const auto& loss : report.losses)
            findings_.tried[loss.what + " lost, says the agent: " + loss.reason] += loss.count;
    }
}

void World::end_agent() {
    count_losses();
    turns_.end();
    core_.reset();
    turns_.remove_all();
    clocks_.clear();
}

// The agent has died in the middle of something. What its threads still do has no effect.
void World::die() {
    ++findings_.tried["deaths of the agent"];
    end_agent();
    disk_.start_anew(one_in(2));
    std::uint64_t down_ns = between(kSecond, 30 * kSecond);
    if (one_in(4)) down_ns = between(kMinute, 20 * kMinute);
    if (one_in(20)) down_ns = between(kHour, 3 * kHour);
    after(settling_ ? kSecond : down_ns, [this] { start_agent(); });
}

void World::sweep() {
    after(plan_.sweep_every_ns, [this] { sweep(); });
    if (!core_) return;
    static_cast<void>(core_->scanner.sweep(time_.realtime_ns()));
    core_->admissions.end_sweep(time_.realtime_ns());
    drain();
}

void World::discover() {
    discover_planned_ = false;
    if (!core_) return;
    static_cast<void>(core_->scanner.discover(time_.realtime_ns()));
    if (dead_waiting_) drain();
}

void World::drain() {
    const bool crash = plan_.crash_in_drains && !settling_ && dead_waiting_ && one_in(plan_.crash_in_drains);
    if (crash) disk_.die_at(1 + below(12));
    dead_waiting_ = false;
    while (core_->drain_dead() > 0) {
    }
    check_archive();
    turns_.run(time_.monotonic_ns());
}

// Every VM that has come into the archive since is compared with its tally.
void World::check_archive() {
    std::erase_if(undrained_, [this](Life* life) {
        if (life->vm->running()) return false;
        auto archived = core_->archive.find(life->vm->key());
        if (!archived) return false;
        findings_.trace(life->vm->key());
        if (auto wrong = life->take_end(time_, archived->info().ended_ns); !wrong.empty())
            findings_.add(Fault::kArchive, wrong);
        for (const std::string& wrong : compare_archive(*archived, *life, time_)) findings_.add(Fault::kArchive, wrong);
        life->archived_ns = time_.realtime_ns();
        life->noticed_late = time_.latest_ns() >= life->vm->created_ns() + kPushedResolutionS * kSecond;
        findings_.tried["short lives"] += life->is_short() ? 1 : 0;
        ++findings_.tried["VMs compared in the archive"];
        archived_.push_back(life);
        return true;
    });
}

// What was there stays until its time has come.
void World::check_archived() {
    after(kMinute, [this] { check_archived(); });
    if (!core_ || disk_troubled_) return;
    std::erase_if(archived_, [this](const Life* life) {
        // An end in the future, after a step back, is none of the archive's.
        const std::uint64_t since_ns = std::min(life->end_ns, life->archived_ns);
        if (since_ns + config_.archive_max_age_ns <= time_.latest_ns() + kMinute) return true;
        if (core_->archive.find(life->vm->key())) return false;
        findings_.add(Fault::kArchive, "VM " + life->vm->key() + " has left the archive before its time");
        return true;
    });
}

// What `ringsidectl audit --all` would say now, of the drained ones.
void World::audit() {
    for (const auto& vm : core_->archive.list()) {
        const std::string key = agent::vm_key(vm->info());
        auto audit = agent::audit_vm(*vm);
        if (!audit) {
            findings_.add(Fault::kAudit, "VM " + key + ": " + audit.error().message());
            continue;
        }
        audit->upstreams = core_->upstreams.audit(key, *vm);
        const agent::AuditVerdict verdict = agent::verdict_of(*audit);
        ++findings_.tried[std::string("VMs audited: ") + agent::audit_verdict_name(verdict)];
        // After a step back windows may have been recorded into that had left already.
        const Life* life = census_.find(key);
        const bool clear = life && !life->vm->tally().rebased() && !time_.twice(life->vm->created_ns(), life->end_ns);
        if (verdict == agent::AuditVerdict::kDiffers && clear)
            findings_.add(Fault::kAudit, "VM " + key + " is said to differ");
    }
}

void World::housekeep() {
    after(kHour, [this] { housekeep(); });
    if (!core_) return;
    const std::uint64_t now_ns = time_.realtime_ns();
    // A VM that dies after a silence of hours ends with its last record. And what a batch in hand holds from before a step
    // forward is compared when it arrives.
    std::uint64_t ring_ns = kPushedSlots * kPushedResolutionS * kSecond + 4 * kHour;
    if (plan_.clock_step_every_ns) ring_ns += 2 * kStepMax;
    for (auto& [vm_id, lives] : census_.all()) {
        for (auto& life : lives) {
            SimulatedVm& vm = *life->vm;
            if (vm.tally().forgotten()) continue;
            if (vm.running()) {
                vm.tally().forget_before(now_ns - ring_ns);
            } else if (life->archived_ns != 0 && !core_->upstreams.needs(vm.key())) {
                vm.tally().forget();
            }
        }
    }
}

// --- faults ------------------------------------------------------------------------------------------------------------

void World::plan_crash() {
    after(about(plan_.crash_every_ns), [this] {
        if (settling_) return;
        plan_crash();
        if (!core_) return;
        if (one_in(4)) return disk_.die_now();
        disk_.die_at(1 + below(80));
        after(5 * kMinute, [this, run = run_] {
            if (core_ && run == run_) disk_.die_now();
        });
    });
}

void World::note_disk_trouble() {
    for (auto& receiver : receivers_) receiver->forgetful_runs.insert(run_);
}

void World::plan_disk_trouble() {
    after(about(plan_.disk_trouble_every_ns), [this] {
        if (settling_) return;
        constexpr int kErrors[] = {ENOSPC, EIO, EROFS};
        constexpr double kShares[] = {1, 0.3, 0.03};
        disk_troubled_ = true;
        ++findings_.tried["times of disk trouble"];
        note_disk_trouble();
        disk_.fail_with(kErrors[below(3)], kShares[below(3)]);
        after(between(kMinute, 40 * kMinute), [this] {
            disk_.fail_with(0, 0);
            disk_troubled_ = false;
            plan_disk_trouble();
        });
    });
}

void World::plan_receiver_trouble(Receiver& receiver) {
    after(about(plan_.receiver_trouble_every_ns), [this, &receiver] {
        if (settling_) return;
        std::uint64_t span_ns = between(kMinute, 30 * kMinute);
        switch (below(4)) {
            case 0:
                receiver.mood.down = true;
                if (one_in(3)) span_ns = between(kHour, one_in(4) ? 8 * kHour : 3 * kHour);
                break;
            case 1: receiver.mood.latency_ns = 20 * kSecond; break;
            default:
                receiver.mood.fail = 0.2;
                receiver.mood.lose_reply = 0.2;
                receiver.mood.fail_in_part = 0.1;
                receiver.mood.overloaded = 0.05;
                receiver.mood.latency_ns = kSecond;
        }
        ++findings_.tried["times of receiver trouble"];
        after(span_ns, [this, &receiver] {
            receiver.mood = Mood{};
            plan_receiver_trouble(receiver);
        });
    });
}

// Small ones within a window, and large ones, forward and back. Most are taken back after a while.
void World::plan_clock_step() {
    after(about(plan_.clock_step_every_ns), [this] {
        if (settling_) return;
        std::uint64_t size_ns = between(kSecond, 10 * kSecond);
        if (one_in(2)) size_ns = between(10 * kSecond, kPushedResolutionS * kSecond);
        if (one_in(3)) size_ns = between(kPushedResolutionS * kSecond, kStepMax);
        const auto by_ns = one_in(2) ? static_cast<std::int64_t>(size_ns) : -static_cast<std::int64_t>(size_ns);
        step_clock(by_ns);
        const bool corrected = !one_in(3);
        after(corrected ? between(kSecond, 2 * kHour) : 0, [this, by_ns, corrected] {
            if (corrected && !settling_) step_clock(-by_ns);
            plan_clock_step();
        });
    });
}

void World::step_clock(std::int64_t by_ns) {
    ++findings_.tried[by_ns < 0 ? "steps of the clock back" : "steps of the clock forward"];
    time_.step(by_ns);
}

// --- the end -----------------------------------------------------------------------------------------------------------

// No more faults and no more VMs: from here on everything has to come to its end.
void World::settle() {
    settling_ = true;
    disk_.fail_with(0, 0);
    disk_troubled_ = false;
    for (auto& receiver : receivers_) receiver->mood = Mood{};
    for (auto& [vm_id, lives] : census_.all()) {
        for (auto& life : lives) life->vm->kill();
    }
    after(0, [this] { start_agent(); });
    const std::uint64_t until_ns = time_.monotonic_ns() + plan_.settle_max_ns;
    while (time_.monotonic_ns() < until_ns) {
        go_on_until(time_.monotonic_ns() + kMinute);
        if (core_ && settled()) break;
    }
    if (!core_) findings_.add(Fault::kUnsettled, "the agent does not start any more");
    if (core_ && !settled()) {
        for (Life* life : undrained_)
            findings_.add(Fault::kUnsettled, "VM " + life->vm->key() + " is not in the archive");
        for (const auto& entry : std::filesystem::directory_iterator(config_.directory)) {
            findings_.add(Fault::kUnsettled, entry.path().filename().string() + " is still there");
        }
        for (const auto& vm : core_->archive.list()) {
            if (core_->upstreams.needs(agent::vm_key(vm->info()))) {
                findings_.add(Fault::kUnsettled, "an upstream is not done with " + agent::vm_key(vm->info()));
            }
        }
    }
    for (auto& receiver : receivers_) receiver->check_all_ended();
    if (core_) audit();
    if (core_) end_agent();
    std::uint64_t excused = 0;
    for (auto& receiver : receivers_) excused += receiver->excused();
    if (excused > 0 && findings_.tried["windows lost, says the agent: lapped"] == 0) {
        findings_.add(Fault::kLost, std::to_string(excused) + " windows that the rings had lost, and nobody counted");
    }
}

bool World::settled() {
    if (!undrained_.empty() || !std::filesystem::is_empty(config_.directory)) return false;
    for (const auto& vm : core_->archive.list()) {
        if (core_->upstreams.needs(agent::vm_key(vm->info()))) return false;
    }
    return std::all_of(receivers_.begin(), receivers_.end(),
                       [](const auto& receiver) { return receiver->lack_of_sums().empty(); });
}

}  // namespace ringside::simulation
