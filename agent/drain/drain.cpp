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
        case DrainStep::kBlackBox: return "black-box";
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

// With mutex_ held, as wait().
Drain::Attempt Drain::start(const std::string& key, Job* job) {
    turns_.erase({job->next_try_ns, job->sequence, key});
    job->running = true;
    Attempt attempt;
    attempt.key = key;
    return attempt;
}

void Drain::wait(const std::string& key, Job* job, std::uint64_t next_try_ns) {
    job->running = false;
    job->next_try_ns = next_try_ns;
    turns_.emplace(next_try_ns, job->sequence, key);
}

std::size_t Drain::tick(const DrainTime& now) {
    Batch batch;
    {
        std::lock_guard lock(mutex_);
        while (!stopping_ && batch.size() < options_.max_per_tick && !turns_.empty()) {
            const auto [next_try_ns, sequence, key] = *turns_.begin();
            if (next_try_ns > now.monotonic_ns) break;
            batch.push_back(start(key, &jobs_[key]));
        }
    }
    // The outcomes are in the jobs and at the host.
    run(&batch, now);
    return batch.size();
}

Result<std::shared_ptr<const ArchivedVm>> Drain::drain_now(const std::string& key, const DrainTime& now) {
    Batch batch;
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
        batch.push_back(start(key, &job->second));
    }
    run(&batch, now);
    const Attempt& attempt = batch.front();
    return attempt.result.ok() ? Result<Archived>(attempt.archived) : attempt.result.error();
}

// Attempts of jobs that are marked as running.
void Drain::run(Batch* batch, const DrainTime& now) {
    for (Attempt& attempt : *batch) finalise(&attempt);
    archive(at(DrainStep::kArchive, batch), now.realtime_ns);
    for (Attempt* attempt : at(DrainStep::kHandOver, batch)) {
        pass(attempt, host_.hand_over(attempt->key, attempt->archived));
    }
    keep_black_box(at(DrainStep::kBlackBox, batch));
    for (Attempt* attempt : at(DrainStep::kUnlink, batch)) {
        pass(attempt, host_.unlink_segment(attempt->key, attempt->finalised.file));
    }
    for (Attempt& attempt : *batch) finish(&attempt, now);
}

// Those that have passed all steps before this one.
std::vector<Drain::Attempt*> Drain::at(DrainStep step, Batch* batch) {
    std::vector<Attempt*> attempts;
    for (Attempt& attempt : *batch) {
        if (attempt.step == step && attempt.result.ok()) attempts.push_back(&attempt);
    }
    return attempts;
}

// To the next step; on failure the step stays.
void Drain::pass(Attempt* attempt, Result<void> result) {
    attempt->result = std::move(result);
    if (attempt->result.ok()) attempt->step = static_cast<DrainStep>(static_cast<int>(attempt->step) + 1);
}

void Drain::finalise(Attempt* attempt) {
    Result<FinalisedVm> finalised = host_.finalise(attempt->key);
    if (!finalised.ok()) return pass(attempt, finalised.error());
    attempt->finalised = std::move(*finalised);
    const std::string found = vm_key(attempt->finalised.source->vm());
    pass(attempt, found == attempt->key
                      ? Result<void>()
                      : error(Code::kInternal, "the segment of " + attempt->key + " says that it is " + found));
}

void Drain::archive(const std::vector<Attempt*>& attempts, std::uint64_t realtime_ns) {
    std::vector<ArchiveAddition> additions;
    for (const Attempt* attempt : attempts) {
        const SeriesSource& source = *attempt->finalised.source;
        additions.push_back({&source, source.vm()});
        additions.back().vm.state = VmState::kDrained;
    }
    std::vector<Result<Archived>> archived = store_.add_all(additions, realtime_ns);
    for (std::size_t i = 0; i < attempts.size(); ++i) {
        if (archived[i].ok()) attempts[i]->archived = *archived[i];
        pass(attempts[i], archived[i].ok() ? Result<void>() : archived[i].error());
    }
}

void Drain::keep_black_box(const std::vector<Attempt*>& attempts) {
    std::vector<Archived> archived;
    for (const Attempt* attempt : attempts) archived.push_back(attempt->archived);
    std::vector<Result<void>> kept = host_.keep_black_box(archived);
    for (std::size_t i = 0; i < attempts.size(); ++i) pass(attempts[i], std::move(kept[i]));
}

void Drain::finish(Attempt* attempt, const DrainTime& now) {
    if (attempt->step == DrainStep::kFinalise && !attempt->result.ok()) {
        const Code code = attempt->result.error().code;
        attempt->given_up = code == Code::kInvalid || code == Code::kCorrupt || code == Code::kNotFound;
        // Without a segment nothing is left to do when an earlier run came as far as the unlink.
        if (code == Code::kNotFound && (attempt->archived = store_.find(attempt->key)) != nullptr) attempt->result = {};
    }
    settle(attempt, now);
    if (attempt->result.ok()) {
        host_.drained(attempt->key, *attempt->archived);
    } else {
        host_.drain_failed(attempt->key, attempt->step, attempt->result.error(), attempt->given_up);
    }
}

// What became of the attempt is told to its job, and to those who wait for that.
void Drain::settle(Attempt* attempt, const DrainTime& now) {
    std::lock_guard lock(mutex_);
    idle_.notify_all();
    Job& job = jobs_[attempt->key];
    const bool done = attempt->result.ok();
    if (!done) ++status_.failures[static_cast<std::size_t>(attempt->step)];
    if (done || attempt->given_up) {
        retrying_ -= job.attempts > 0 ? 1 : 0;
        if (done) {
            ++status_.drained[static_cast<std::size_t>(attempt->archived->info().exit_cause)];
        } else {
            ++status_.given_up;
        }
        jobs_.erase(attempt->key);
        return;
    }
    job.failed_at = attempt->step;
    job.last_error = attempt->result.error();
    retrying_ += job.attempts == 0 ? 1 : 0;
    std::uint64_t doublings = std::min<std::uint64_t>(job.attempts++, 16);
    wait(attempt->key, &job, now.monotonic_ns + std::min(options_.retry_max_ns, options_.retry_min_ns << doublings));
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
