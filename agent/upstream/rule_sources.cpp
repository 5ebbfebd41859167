#include "agent/upstream/rule_sources.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "agent/base/clock.h"
#include "agent/upstream/rule_file.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint32_t kUsualResolution = 300;  // seconds, where the upstream takes the coarsest tier
constexpr std::size_t kStateBytesMax = std::size_t{1} << 30;

Epoch epoch_at(std::uint64_t hash, std::uint64_t now_ns) {
    Epoch epoch;
    std::memcpy(epoch.data(), &hash, sizeof hash);
    std::memcpy(epoch.data() + sizeof hash, &now_ns, sizeof now_ns);
    return epoch;
}

}  // namespace

RuleSources::RuleSources(const UpstreamOptions& options, SourceProvider& vms, FileSystem& files, Clock& clock, Log log)
    : rules_(options.rules),
      path_(options.state_directory + "/" + options.name + ".rules"),
      resolution_s_(options.choice.resolution_s != 0 ? options.choice.resolution_s : kUsualResolution),
      hash_(rules_hash(rules_, resolution_s_)),
      grace_ns_(static_cast<std::uint64_t>(std::chrono::nanoseconds(options.grace).count())),
      vms_(vms),
      files_(files),
      clock_(clock),
      log_(std::move(log)) {}

// False: not now, try again.
bool RuleSources::begin(std::uint64_t now_ns) {
    Result<std::string> bytes = read_file(files_, path_, kStateBytesMax);
    std::optional<RuleState> state;
    if (bytes.ok()) state = decode_rule_state(*bytes, hash_);
    const bool there = bytes.ok() || bytes.error().code != Code::kNotFound;
    const bool for_good = !bytes.ok() && is_bad_content(bytes.error()) && bytes.error().code != Code::kExhausted;
    if (!bytes.ok() && there && !for_good) {  // A good file must stay where it is.
        if (!std::exchange(read_fails_, true)) {
            log_(true, bytes.error().message() + "; recording rules stand still until their state can be read");
        }
        return false;
    }
    if (!state && there) {
        const bool moved = files_.rename(path_, path_ + ".before") >= 0;
        log_(true, "the rules start anew at zero: " + path_ + " is damaged or of other rules" +
                       (moved ? "; it is " + path_ + ".before now" : ""));
    }
    unsaved_ = !state;
    begin_with(state ? std::move(*state) : anew(now_ns));
    return true;
}

void RuleSources::begin_with(RuleState state) {
    totals_ = std::make_unique<RuleTotals>(rules_, resolution_s_, std::move(state));
    made_ = totals_->source();
    std::lock_guard lock(mutex_);
    done_ = totals_->done();
}

// The newest window's end that can be computed.
std::uint64_t RuleSources::closed_ns(std::uint64_t now_ns) const {
    return aligned(minus(now_ns, grace_ns_), resolution_s_ * kNsPerSecond);
}

// The windows before the one that is open are not the rules' any more.
RuleState RuleSources::anew(std::uint64_t now_ns) const {
    RuleState state;
    state.epoch = epoch_at(hash_, now_ns);
    state.began_ns = state.computed_ns = closed_ns(now_ns);
    state.metrics.resize(rules_.size());
    return state;
}

std::vector<UpstreamSource> RuleSources::sources() {
    std::vector<UpstreamSource> all = vms_.sources();
    const std::uint64_t now_ns = clock_.now_ns();
    if (!totals_ && !begin(now_ns)) return all;
    const std::uint64_t step = totals_->resolution_ns();
    if (totals_->state().computed_ns > now_ns + step) {
        log_(true, "the rules start anew at zero: the clock was ahead and has been set back");
        unsaved_ = true;
        RuleState state = anew(now_ns);
        // What has been counted of each VM stays counted.
        state.members = totals_->state().members;
        for (auto& [key, member] : state.members) member.included_ns = std::min(member.included_ns, state.began_ns);
        begin_with(std::move(state));
    }
    const std::uint64_t newest_ns = closed_ns(now_ns);
    const std::uint64_t before_ns = totals_->state().computed_ns;
    std::uint64_t next_ns = before_ns + step;
    // What the rings have lost cannot be told apart any more; totals go on, their increase is in the first window.
    next_ns = std::max(next_ns, minus(newest_ns, totals_->held_ns()));
    if (unsaved_ && save()) made_ = totals_->source();
    // One at a time, so that a round stays short.
    if (!unsaved_ && next_ns <= newest_ns) totals_->compute(next_ns, now_ns, all);
    if (totals_->state().computed_ns != before_ns && save()) made_ = totals_->source();
    if (made_) all.push_back({vm_key(made_->vm()), made_, true});
    return all;
}

bool RuleSources::save() {
    const std::string bytes = encode_rule_state(totals_->state(), hash_);
    Result<void> saved = make_directories(files_, parent_directory(path_));
    if (saved.ok()) saved = write_file_durably(files_, path_, bytes);
    unsaved_ = !saved.ok();
    if (!saved.ok() && !std::exchange(save_fails_, true)) {
        log_(true, saved.error().message() + "; recording rules stand still until their state can be saved");
    }
    if (saved.ok()) save_fails_ = false;
    std::lock_guard lock(mutex_);
    if (saved.ok()) done_ = totals_->done();
    const std::uint64_t failures = stats_.write_failures + (saved.ok() ? 0 : 1);
    stats_ = totals_->stats();
    stats_.write_failures = failures;
    return saved.ok();
}

bool RuleSources::needs(const std::string& key) const {
    std::lock_guard lock(mutex_);
    return !done_.contains(key);
}

RuleStats RuleSources::stats() const {
    std::lock_guard lock(mutex_);
    return stats_;
}

}  // namespace ringside::agent
