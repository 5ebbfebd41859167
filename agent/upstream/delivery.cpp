#include "agent/upstream/delivery.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/upstream/remote_write_encoder.h"

namespace ringside::agent {
namespace {

std::uint64_t ns(std::chrono::milliseconds duration) {
    return static_cast<std::uint64_t>(duration.count()) * 1'000'000u;
}

std::string reason_of(int status) { return "http_" + std::to_string(status); }

std::string answer_text(const HttpReply& reply) {
    if (reply.status == 0) return reply.error;
    return "HTTP " + std::to_string(reply.status) + (reply.body.empty() ? "" : ": " + reply.body);
}

std::string count_text(std::size_t samples) {
    return std::to_string(samples) + (samples == 1 ? " sample" : " samples");
}

}  // namespace

Delivery::Delivery(const UpstreamOptions& options, HttpSender& sender, Pacer& pacer, StatsBoard& stats, Log log,
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
    deliver_part(samples, halving, outcome);
    return outcome;
}

void Delivery::deliver_part(std::span<const WireSample> samples, Halving& halving, Outcome& outcome) {
    if (outcome.stopped) return;
    ++halving.requests;
    HttpReply reply = send(samples);
    switch (judge(reply.status)) {
        case Verdict::kRetry: outcome.stopped = true; return;  // send() gives up only when stopped
        case Verdict::kAccepted: ++halving.accepted; return;
        case Verdict::kRefused: refuse(samples, reply, halving, outcome); return;
        case Verdict::kRefusedParts: break;
    }
    bool fruitless = halving.accepted == 0 && halving.requests >= kHalvingFruitlessMax;
    if (samples.size() == 1 || fruitless || halving.requests >= kHalvingRequestsMax) {
        refuse(samples, reply, halving, outcome);
        return;
    }
    deliver_part(samples.first(samples.size() / 2), halving, outcome);
    deliver_part(samples.subspan(samples.size() / 2), halving, outcome);
}

// Repeats until there is an answer that will not change, or the pacer is stopped.
HttpReply Delivery::send(std::span<const WireSample> samples) {
    const std::string body = encode_write_request(samples);
    for (std::uint32_t attempt = 0;; ++attempt) {
        HttpReply reply = sender_.post(body, attempt);
        const Verdict verdict = judge(reply.status);
        if (reply.aborted && verdict == Verdict::kRetry) return reply;
        const std::uint64_t now_ns = pacer_.now_ns();
        stats_.update([&](UpstreamStats& stats) {
            ++stats.requests;
            stats.retries += attempt > 0 ? 1 : 0;
            if (verdict == Verdict::kAccepted) {
                ++stats.batches_sent;
                stats.samples_sent += samples.size();
                stats.bytes_sent += body.size();
                stats.last_success_ns = now_ns;
            } else {
                stats.last_error = answer_text(reply);
                stats.last_error_ns = now_ns;
            }
        });
        if (verdict != Verdict::kRetry) {
            if (std::exchange(unreachable_, false)) {
                log_(false, url_without_credentials(options_.url) + " answers again");
            }
            backoff_.reset();
            return reply;
        }
        if (!std::exchange(unreachable_, true)) {
            log_(true, "cannot push to " + url_without_credentials(options_.url) + ": " + answer_text(reply) +
                           "; trying again until it works, windows wait in segments and archive");
        }
        on_wait_();
        if (!pacer_.pause(wait_ns(reply))) return reply;
    }
}

std::uint64_t Delivery::wait_ns(const HttpReply& reply) {
    // Drawn in any case, so that waits keep growing below a Retry-After of 0.
    std::uint64_t wait = backoff_.next_ns();
    if (!reply.retry_after) return wait;
    std::optional<std::uint64_t> asked = parse_retry_after(*reply.retry_after, pacer_.now_ns());
    if (!asked) return wait;
    return std::max(wait, std::min(*asked, ns(options_.retry_after_max)));
}

void Delivery::refuse(std::span<const WireSample> samples, const HttpReply& reply, Halving& halving, Outcome& outcome) {
    const auto first = static_cast<std::size_t>(samples.data() - halving.begin);
    for (std::size_t i = 0; i < samples.size(); ++i) outcome.refused.push_back(first + i);
    stats_.update([&](UpstreamStats& stats) { stats.samples_refused[reason_of(reply.status)] += samples.size(); });
    if (halving.logged++ >= kRefusalsLoggedMax) return;
    std::string text = url_without_credentials(options_.url) + " refused " + count_text(samples.size()) + " (" +
                       label_text(*samples.front().labels) + " at " + std::to_string(samples.front().timestamp_ms) +
                       (samples.size() == 1 ? "" : " and others") + "): " + answer_text(reply);
    if (halving.logged == kRefusalsLoggedMax) text += "; more of this batch are only counted";
    log_(true, text);
}

}  // namespace ringside::agent
