#include "agent/drain/drain.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace ringside::agent {

const char* drain_step_name(DrainStep step) {
    switch (step) {
        case DrainStep::kFinalise: return "finalise";
        case DrainStep::kArchive: return "archive";
        case DrainStep::kHandOver: return "hand-over";
        case DrainStep::kUnlink: return "unlink";
        case DrainStep::kDone: return "done";
    }
    return "unknown";
}

Drain::Drain(DrainOptions options, ArchiveStore& store, DrainHost& host)
    : options_(options), store_(store), host_(host) {}

void Drain::submit(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto [job, added] = jobs_.try_emplace(key);
    if (!added) return;
    job->second.sequence = ++submitted_;
    wait(key, &job->second, 0);
}

// The key of the job that has waited longest, or "".
std::string Drain::next_due(std::uint64_t monotonic_ns) const {
    if (turns_.empty() || std::get<0>(*turns_.begin()) > monotonic_ns) return "";
    return std::get<2>(*turns_.begin());
}

void Drain::start(const std::string& key, Job* job) {
    turns_.erase({job->next_try_ns, job->sequence, key});
    job->running = true;
}

void Drain::wait(const std::string& key, Job* job, std::uint64_t next_try_ns) {
    job->running = false;
    job->next_try_ns = next_try_ns;
    turns_.emplace(next_try_ns, job->sequence, key);
}

std::size_t Drain::tick(const DrainTime& now) {
    std::size_t made = 0;
    while (made < options_.max_per_tick) {
        std::string key;
        {
            std::lock_guard lock(mutex_);
            if (stopping_) break;
            key = next_due(now.monotonic_ns);
            if (key.empty()) break;
            start(key, &jobs_[key]);
        }
        // The outcome is in the job and at the host.
        static_cast<void>(run(key, now));
        ++made;
    }
    return made;
}

Result<std::shared_ptr<const ArchivedVm>> Drain::drain_now(const std::string& key, const DrainTime& now) {
    {
        std::unique_lock lock(mutex_);
        idle_.wait(lock, [&] {
            auto job = jobs_.find(key);
            return job == jobs_.end() || !job->second.running;
        });
        auto [job, added] = jobs_.try_emplace(key);
        if (added) {
            // Never submitted, or drained by the attempt that was waited for.
            if (Archived archived = store_.find(key)) {
                jobs_.erase(job);
                return archived;
            }
            job->second.sequence = ++submitted_;
        }
        start(key, &job->second);
    }
    return run(key, now);
}

// One attempt of a job that is marked as running.
Result<Drain::Archived> Drain::run(const std::string& key, const DrainTime& now) {
    Attempt attempt;
    Result<void> result;
    while (result.ok() && attempt.step != DrainStep::kDone) {
        result = advance(key, now.realtime_ns, &attempt);
    }
    return finish(key, attempt, result, now);
}

// Takes one step and names the next one; on failure the step stays.
Result<void> Drain::advance(const std::string& key, std::uint64_t realtime_ns, Attempt* attempt) {
    switch (attempt->step) {
        case DrainStep::kFinalise: {
            Result<FinalisedVm> finalised = host_.finalise(key);
            if (!finalised.ok()) return finalised.error();
            attempt->finalised = std::move(*finalised);
            attempt->step = DrainStep::kArchive;
            return {};
        }
        case DrainStep::kArchive: {
            if (auto archived = archive(key, realtime_ns, attempt); !archived.ok()) return archived;
            attempt->step = DrainStep::kHandOver;
            return {};
        }
        case DrainStep::kHandOver: {
            if (auto handed = host_.hand_over(key, attempt->archived); !handed.ok()) return handed;
            attempt->step = DrainStep::kUnlink;
            return {};
        }
        case DrainStep::kUnlink: {
            if (auto gone = host_.unlink_segment(key, attempt->finalised.file); !gone.ok()) return gone;
            attempt->step = DrainStep::kDone;
            return {};
        }
        case DrainStep::kDone: return {};
    }
    return error(Code::kInternal, "a drain is in no step");
}

Result<void> Drain::archive(const std::string& key, std::uint64_t realtime_ns, Attempt* attempt) {
    const SeriesSource& source = *attempt->finalised.source;
    VmInfo vm = source.vm();
    if (vm_key(vm) != key) {
        return error(Code::kInternal, "the segment of " + key + " says that it is " + vm_key(vm));
    }
    vm.state = VmState::kDrained;
    Result<Archived> archived = store_.add(source, vm, realtime_ns);
    if (!archived.ok()) return archived.error();
    attempt->archived = std::move(*archived);
    return {};
}

Result<Drain::Archived> Drain::finish(const std::string& key, const Attempt& attempt, const Result<void>& result,
                                      const DrainTime& now) {
    bool given_up = false;
    Archived archived = attempt.archived;
    bool done = result.ok();
    if (!done && attempt.step == DrainStep::kFinalise) {
        Code code = result.error().code;
        given_up = code == Code::kInvalid || code == Code::kCorrupt || code == Code::kNotFound;
        // Without a segment nothing is left to do when an earlier run came as far as the unlink.
        if (code == Code::kNotFound && (archived = store_.find(key)) != nullptr) done = true;
    }
    {
        std::lock_guard lock(mutex_);
        Job& job = jobs_[key];
        if (done || given_up) retrying_ -= job.attempts > 0 ? 1 : 0;
        if (done) {
            ++status_.drained[static_cast<std::size_t>(archived->info().exit_cause)];
            jobs_.erase(key);
        } else {
            ++status_.failures[static_cast<std::size_t>(attempt.step)];
            if (given_up) {
                ++status_.given_up;
                jobs_.erase(key);
            } else {
                job.failed_at = attempt.step;
                job.last_error = result.error();
                retrying_ += job.attempts == 0 ? 1 : 0;
                std::uint64_t doublings = std::min<std::uint64_t>(job.attempts++, 16);
                std::uint64_t wait_ns = std::min(options_.retry_max_ns, options_.retry_min_ns << doublings);
                wait(key, &job, now.monotonic_ns + wait_ns);
            }
        }
        idle_.notify_all();
    }
    if (done) {
        host_.drained(key, *archived);
        return archived;
    }
    host_.drain_failed(key, attempt.step, result.error(), given_up);
    return result.error();
}

void Drain::stop() {
    std::lock_guard lock(mutex_);
    stopping_ = true;
}

DrainStatus Drain::status() const {
    std::lock_guard lock(mutex_);
    DrainStatus status = status_;
    status.pending = jobs_.size();
    status.retrying = retrying_;
    return status;
}

std::vector<PendingDrain> Drain::pending() const {
    std::lock_guard lock(mutex_);
    std::vector<PendingDrain> pending;
    for (const auto& [key, job] : jobs_) {
        pending.push_back({key, job.running, job.attempts, job.failed_at, job.last_error, job.next_try_ns});
    }
    return pending;
}

void Drain::export_to(Metrics& metrics) const {
    auto gauge = [&](const char* name, const char* help, std::uint64_t DrainStatus::*field) {
        metrics.collect(MetricType::kGauge, name, help, [this, field] {
            return std::vector<MetricSample>{{{}, static_cast<double>(status().*field)}};
        });
    };
    gauge("ringside_drain_pending", "Dead VMs that are not drained yet.", &DrainStatus::pending);
    gauge("ringside_drain_retrying", "Dead VMs whose drain failed and is repeated.", &DrainStatus::retrying);
    metrics.collect(MetricType::kCounter, "ringside_drain_drained_total", "VMs drained.", [this] {
        DrainStatus now = status();
        std::vector<MetricSample> samples;
        for (std::size_t i = 1; i < kExitCauses; ++i) {  // a drained VM has a cause
            const char* cause = exit_cause_name(static_cast<ExitCause>(i));
            samples.push_back({{{"cause", cause}}, static_cast<double>(now.drained[i])});
        }
        return samples;
    });
    metrics.collect(MetricType::kCounter, "ringside_drain_failures_total", "Attempts that failed.", [this] {
        DrainStatus now = status();
        std::vector<MetricSample> samples;
        for (std::size_t i = 0; i < kDrainSteps; ++i) {
            const char* step = drain_step_name(static_cast<DrainStep>(i));
            samples.push_back({{{"step", step}}, static_cast<double>(now.failures[i])});
        }
        return samples;
    });
    metrics.collect(MetricType::kCounter, "ringside_drain_given_up_total",
                    "Dead VMs that cannot be drained: quarantined, or gone before they were archived.", [this] {
                        return std::vector<MetricSample>{{{}, static_cast<double>(status().given_up)}};
                    });
}

}  // namespace ringside::agent
