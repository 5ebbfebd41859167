#include "tests/simulation/mutants.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/exits.h"

namespace ringside::simulation {
namespace {

using agent::Reply;
using agent::Verdict;
using agent::WireSample;
using Samples = std::span<const WireSample>;

// A sender with another one behind it.
class Between : public agent::Sender {
  public:
    explicit Between(std::unique_ptr<agent::Sender> real) : real_(std::move(real)) {}
    void abort() override { real_->abort(); }

  protected:
    std::unique_ptr<agent::Sender> real_;
};

class AcknowledgesAndDrops : public Between {
  public:
    using Between::Between;
    Reply send(Samples samples, std::uint32_t attempt, std::uint64_t now_ns) override {
        if (++requests_ % 20 != 0) return real_->send(samples, attempt, now_ns);
        Reply reply;
        reply.verdict = Verdict::kAccepted;
        return reply;
    }

  private:
    int requests_ = 0;
};

// The cursor moves although the receiver has not said that the samples arrived.
class TakesFailureForAcknowledgement : public Between {
  public:
    using Between::Between;
    Reply send(Samples samples, std::uint32_t attempt, std::uint64_t now_ns) override {
        Reply reply = real_->send(samples, attempt, now_ns);
        if (reply.verdict == Verdict::kRetry && !reply.aborted) reply.verdict = Verdict::kAccepted;
        return reply;
    }
};

class RecomputesRepeats : public Between {
  public:
    using Between::Between;
    Reply send(Samples samples, std::uint32_t attempt, std::uint64_t now_ns) override {
        if (attempt == 0) return real_->send(samples, attempt, now_ns);
        std::vector<WireSample> others(samples.begin(), samples.end());
        for (WireSample& sample : others) {
            if (!agent::is_stale(sample)) sample.value += 1;
        }
        return real_->send(others, attempt, now_ns);
    }
};

class SendsTwice : public Between {
  public:
    using Between::Between;
    Reply send(Samples samples, std::uint32_t attempt, std::uint64_t now_ns) override {
        Reply reply = real_->send(samples, attempt, now_ns);
        if (reply.verdict == Verdict::kAccepted) return real_->send(samples, 0, now_ns);
        return reply;
    }
};

// The last window of a life, which its end has cut.
class LosesTheCutWindow : public Between {
  public:
    using Between::Between;
    Reply send(Samples samples, std::uint32_t attempt, std::uint64_t now_ns) override {
        std::vector<WireSample> others(samples.begin(), samples.end());
        std::erase_if(others, [](const WireSample& sample) {
            const bool speaks_of_a_window = !agent::is_stale(sample) && !Exits::is_exit(*sample.labels);
            return speaks_of_a_window && sample.timestamp_ms != sample.start_ms &&
                   sample.timestamp_ms % (kFineResolutionS * 1000) != 0;
        });
        if (!others.empty()) return real_->send(others, attempt, now_ns);
        Reply reply;
        reply.verdict = Verdict::kAccepted;
        return reply;
    }
};

// Before the end of a short life also its usual window, under the same names.
class SendsShortVmsInBothForms : public Between {
  public:
    using Between::Between;
    Reply send(Samples samples, std::uint32_t attempt, std::uint64_t now_ns) override {
        std::vector<WireSample> usual;
        for (const WireSample& sample : samples) {
            if (agent::is_stale(sample)) {
                auto fine = fine_.find(*sample.labels);
                if (fine == fine_.end()) continue;
                usual.push_back(sample);
                usual.back().value = fine->second;
                usual.back().timestamp_ms += kUsualMs - sample.timestamp_ms % kUsualMs;
                fine_.erase(fine);
            } else if (sample.timestamp_ms % kUsualMs != 0 && sample.timestamp_ms != sample.start_ms) {
                fine_[*sample.labels] = sample.value;
            }
        }
        if (!usual.empty()) static_cast<void>(real_->send(usual, 0, now_ns));
        return real_->send(samples, attempt, now_ns);
    }

  private:
    static constexpr std::int64_t kUsualMs = kPushedResolutionS * 1000;
    std::map<agent::LabelSet, double> fine_;
};

// What rules make, less one record.
class MissesARecordInSums : public Between {
  public:
    using Between::Between;
    Reply send(Samples samples, std::uint32_t attempt, std::uint64_t now_ns) override {
        std::vector<WireSample> others(samples.begin(), samples.end());
        for (WireSample& sample : others) {
            if (Sums::is_sum(*sample.labels) && sample.value > 0) sample.value -= 0.125;
        }
        return real_->send(others, attempt, now_ns);
    }
};

template <typename Sender>
void send_through(Plan& plan) {
    plan.sender = [](std::unique_ptr<agent::Sender> real) { return std::make_unique<Sender>(std::move(real)); };
}

// Harm that only a request without an answer does.
template <typename Sender>
void send_with_trouble_through(Plan& plan) {
    send_through<Sender>(plan);
    plan.receiver_trouble_every_ns = 10 * kMinute;
}

// A drain's host with another one behind it.
class BetweenDrain : public agent::DrainHost {
  public:
    BetweenDrain(agent::DrainHost& real, HostDisk& disk) : real_(real), disk_(disk) {}
    agent::Result<agent::FinalisedVm> finalise(const std::string& key) override { return real_.finalise(key); }
    agent::Result<void> hand_over(const std::string& key,
                                  const std::shared_ptr<const agent::ArchivedVm>& archived) override {
        return real_.hand_over(key, archived);
    }
    std::vector<agent::Result<void>> keep_black_box(
        const std::vector<std::shared_ptr<const agent::ArchivedVm>>& archived) override {
        return real_.keep_black_box(archived);
    }
    agent::Result<void> unlink_segment(const std::string& key, const agent::SegmentFile& file) override {
        return real_.unlink_segment(key, file);
    }
    void drain_failed(const std::string& key, agent::DrainStep step, const agent::Error& error,
                      bool given_up) override {
        real_.drain_failed(key, step, error, given_up);
    }
    void drained(const std::string& key, const agent::ArchivedVm& archived) override { real_.drained(key, archived); }

  protected:
    agent::DrainHost& real_;
    HostDisk& disk_;
};

// And dies between the two, which is all that makes it wrong.
class UnlinksBeforeItArchives : public BetweenDrain {
  public:
    using BetweenDrain::BetweenDrain;
    agent::Result<agent::FinalisedVm> finalise(const std::string& key) override {
        auto vm = real_.finalise(key);
        if (!vm) return vm;
        static_cast<void>(real_.unlink_segment(key, vm->file));
        disk_.die_at(1);
        return vm;
    }
};

// All windows but the last one.
class WithoutTheOpenWindow : public agent::SeriesSource {
  public:
    explicit WithoutTheOpenWindow(std::shared_ptr<const agent::SeriesSource> real) : real_(std::move(real)) {}
    agent::VmInfo vm() const override { return real_->vm(); }
    std::shared_ptr<const agent::SchemaInfo> schema() const override { return real_->schema(); }
    agent::Result<std::vector<agent::SeriesInfo>> series() const override { return real_->series(); }
    agent::Result<agent::SeriesData> read(std::uint32_t index, const agent::ReadRequest& request) const override {
        auto shorter = request;
        const std::uint64_t step_ns = real_->schema()->tiers[request.tier].resolution_s * kSecond;
        shorter.end_ns = std::min(request.end_ns, (real_->vm().ended_ns - 1) / step_ns * step_ns);
        return real_->read(index, shorter);
    }

  private:
    const std::shared_ptr<const agent::SeriesSource> real_;
};

class SkipsTheOpenWindow : public BetweenDrain {
  public:
    using BetweenDrain::BetweenDrain;
    agent::Result<agent::FinalisedVm> finalise(const std::string& key) override {
        auto vm = real_.finalise(key);
        if (vm) vm->source = std::make_shared<WithoutTheOpenWindow>(std::move(vm->source));
        return vm;
    }
};

template <typename Host>
void drain_through(Plan& plan) {
    plan.drain_host = [](agent::DrainHost& real, HostDisk& disk) { return std::make_unique<Host>(real, disk); };
}

void lie_of_archive_syncs(Plan& plan) {
    plan.fsync_lies = [](const std::string& path) { return path.find("/archive") != std::string::npos; };
}

void lie_of_cursor_syncs(Plan& plan) {
    plan.fsync_lies = [](const std::string& path) { return path.find(".cursors") != std::string::npos; };
}

void lie_of_rules_syncs(Plan& plan) {
    plan.fsync_lies = [](const std::string& path) { return path.find(".rules") != std::string::npos; };
}

}  // namespace

const std::vector<Mutant>& mutants() {
    static const std::vector<Mutant> all = {
        {"AcknowledgesAndDrops", send_through<AcknowledgesAndDrops>},
        {"TakesFailureForAcknowledgement", send_with_trouble_through<TakesFailureForAcknowledgement>},
        {"RecomputesRepeats", send_with_trouble_through<RecomputesRepeats>},
        {"SendsTwice", send_through<SendsTwice>},
        {"LosesTheCutWindow", send_through<LosesTheCutWindow>},
        {"SendsShortVmsInBothForms", send_through<SendsShortVmsInBothForms>},
        {"SendsShortVmsByUsualWindows", [](Plan& plan) { plan.short_vms = false; }},
        {"MissesARecordInSums", send_through<MissesARecordInSums>},
        {"UnlinksBeforeItArchives", drain_through<UnlinksBeforeItArchives>},
        {"SkipsTheOpenWindow", drain_through<SkipsTheOpenWindow>},
        {"ArchivesWithoutSync", lie_of_archive_syncs},
        {"SavesCursorsWithoutSync", lie_of_cursor_syncs},
        {"SavesRulesWithoutSync", lie_of_rules_syncs},
    };
    return all;
}

}  // namespace ringside::simulation
