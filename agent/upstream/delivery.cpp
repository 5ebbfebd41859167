#include "agent/upstream/delivery.h"

#include <algorithm>
#include <utility>

#include "agent/base/text.h"

namespace ringside::agent {
namespace {

std::uint64_t ns(std::chrono::milliseconds duration) {
    return static_cast<std::uint64_t>(duration.count()) * 1'000'000u;
}

constexpr char kTooOld[] = "too_old";

// In place of the answer that never came.
Reply given_up(const Reply& last) {
    Reply reply;
    reply.verdict = Verdict::kRefused;
    reply.reason = kTooOld;
    reply.text = "older than backlog-max by now; the last answer was " + last.text;
    return reply;
}

std::string count_text(std::size_t samples) {
    return std::to_string(samples) + (samples == 1 ? " sample" : " samples");
}

}  // namespace

Delivery::Delivery(const UpstreamOptions& options, Sender& sender, Pacer& pacer, StatsBoard& stats, Log log,
                   std::function<void()> on_wait, std::uint64_t seed)
    : options_(options),
      sender_(sender),
      pacer_(pacer),
      stats_(stats),
      log_(std::move(log)),
      on_wait_(std::move(on_wait)),
      backoff_(ns(options.retry_min), ns(options.retry_max), seed) {}

Delivery::Outcome Delivery::deliver(std::span<const WireSample> samples) {
    Outcome outcome;
    Halving halving;
    halving.begin = samples.data();
    std::vector<Part> bad;
    try_part(samples, halving, outcome, bad);
    // Both halves are tried before the search goes into one of them: where one VM spoils its end of the batch, the other end
    // is accepted before the search could be taken for fruitless.
    while (!bad.empty() && !outcome.stopped) {
        const Part part = std::move(bad.back());
        bad.pop_back();
        const bool fruitless = halving.accepted == 0 && halving.requests >= kHalvingFruitlessMax;
        if (part.samples.size() == 1 || fruitless || halving.requests >= kHalvingRequestsMax) {
            refuse(part.samples, part.reply, halving, outcome);
            continue;
        }
        const std::size_t half = part.samples.size() / 2;
        try_part(part.samples.subspan(half), halving, outcome, bad);
        try_part(part.samples.first(half), halving, outcome, bad);
    }
    std::sort(outcome.refused.begin(), outcome.refused.end(),
              [](const Outcome::Refused& a, const Outcome::Refused& b) { return a.index < b.index; });
    return outcome;
}

// One that is refused for the sake of some of its samples goes into `bad`.
void Delivery::try_part(std::span<const WireSample> samples, Halving& halving, Outcome& outcome,
                        std::vector<Part>& bad) {
    if (outcome.stopped) return;
    ++halving.requests;
    Reply reply = send(samples);
    switch (reply.verdict) {
        case Verdict::kRetry: outcome.stopped = true; return;  // send() gives up only when stopped
        case Verdict::kAccepted:
            ++halving.accepted;
            outcome.unnamed += reply.rejected;
            if (reply.rejected > 0) outcome.unnamed_reason = reply.reason;
            return;
        case Verdict::kRefused: refuse(samples, reply, halving, outcome); return;
        case Verdict::kRefusedParts: bad.push_back({samples, std::move(reply)}); return;
    }
}

// Repeats until there is an answer that will not change, or the pacer is stopped.
Reply Delivery::send(std::span<const WireSample> samples) {
    Reply reply;
    for (std::uint32_t attempt = 0;; ++attempt) {
        // What has grown too old while it was repeated is what would not be sent any more.
        if (attempt > 0 && too_old(samples)) return given_up(reply);
        reply = sender_.send(samples, attempt, pacer_.now_ns());
        // A status that holds other bytes could not be read by anybody.
        reply.text = clean_utf8(reply.text);
        if (reply.aborted && reply.verdict == Verdict::kRetry) return reply;
        count(samples.size(), reply, attempt);
        if (!reply.notice.empty()) log_(false, url_without_credentials(options_.url) + " " + reply.notice);
        if (reply.verdict != Verdict::kRetry) {
            if (std::exchange(unreachable_, false)) {
                log_(false, url_without_credentials(options_.url) + " answers again");
            }
            backoff_.reset();
            return reply;
        }
        if (!std::exchange(unreachable_, true)) {
            log_(true, "cannot push to " + url_without_credentials(options_.url) + ": " + reply.text +
                           "; trying again until it works, windows wait in segments and archive");
        }
        on_wait_();
        if (!pacer_.pause(wait_ns(reply))) return reply;
    }
}

// All of them.
bool Delivery::too_old(std::span<const WireSample> samples) {
    const auto now_ms = static_cast<std::int64_t>(pacer_.now_ns() / 1'000'000);
    const std::int64_t oldest_ms = now_ms - std::chrono::milliseconds(options_.backlog_max).count();
    return std::all_of(samples.begin(), samples.end(),
                       [&](const WireSample& sample) { return sample.timestamp_ms < oldest_ms; });
}

void Delivery::count(std::size_t samples, const Reply& reply, std::uint32_t attempt) {
    const std::uint64_t now_ns = pacer_.now_ns();
    stats_.update([&](UpstreamStats& stats) {
        stats.requests += reply.requests;
        stats.retries += attempt > 0 ? 1 : 0;
        if (reply.verdict != Verdict::kAccepted) {
            stats.last_error = reply.text;
            stats.last_error_ns = now_ns;
            return;
        }
        ++stats.batches_sent;
        stats.samples_sent += samples - std::min<std::uint64_t>(samples, reply.rejected);
        stats.bytes_sent += reply.body_bytes;
        stats.last_success_ns = now_ns;
        if (reply.rejected > 0) stats.samples_refused[reply.reason] += reply.rejected;
    });
    if (reply.verdict != Verdict::kAccepted || reply.rejected == 0) return;
    log_(true, url_without_credentials(options_.url) + " took " + count_text(samples) + " but for " +
                   std::to_string(reply.rejected) + ", which it does not name: " + reply.text);
}

std::uint64_t Delivery::wait_ns(const Reply& reply) {
    // Drawn in any case, so that waits keep growing below a Retry-After of 0.
    const std::uint64_t wait = backoff_.next_ns();
    if (!reply.retry_after_ns) return wait;
    return std::max(wait, std::min(*reply.retry_after_ns, ns(options_.retry_after_max)));
}

void Delivery::refuse(std::span<const WireSample> samples, const Reply& reply, Halving& halving, Outcome& outcome) {
    const auto first = static_cast<std::size_t>(samples.data() - halving.begin);
    for (std::size_t i = 0; i < samples.size(); ++i) outcome.refused.push_back({first + i, reply.reason});
    stats_.update([&](UpstreamStats& stats) { stats.samples_refused[reply.reason] += samples.size(); });
    if (halving.logged++ >= kRefusalsLoggedMax) return;
    const char* verb = reply.reason == kTooOld ? " never took " : " refused ";
    std::string text = url_without_credentials(options_.url) + verb + count_text(samples.size()) + " (" +
                       label_text(*samples.front().labels) + " at " + std::to_string(samples.front().timestamp_ms) +
                       (samples.size() == 1 ? "" : " and others") + "): " + reply.text;
    if (halving.logged == kRefusalsLoggedMax) text += "; more of this batch are only counted";
    log_(true, text);
}

}  // namespace ringside::agent
