#include "agent/upstream/remote_write_sender.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "agent/upstream/remote_write_encoder.h"

namespace ringside::agent {
namespace {

constexpr std::array kWrittenHeaders = {
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
};

std::string answer_text(const HttpReply& reply) {
    if (reply.status == 0) return reply.error;
    return "HTTP " + std::to_string(reply.status) + (reply.body.empty() ? "" : ": " + reply.body);
}

std::uint64_t number(const std::string& text) {
    std::uint64_t value = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

Reply not_sent(const Error& why) {
    Reply reply;
    reply.reason = "no_credentials";
    reply.text = why.message();
    return reply;
}

}  // namespace

Result<std::unique_ptr<Sender>> RemoteWriteSender::create(const UpstreamOptions& options) {
    Result<std::unique_ptr<HttpSender>> http = HttpSender::create(options);
    if (!http.ok()) return http.error();
    return std::unique_ptr<Sender>(new RemoteWriteSender(options, std::move(*http)));
}

Reply RemoteWriteSender::send(std::span<const WireSample> samples, std::uint32_t attempt, std::uint64_t now_ns) {
    const Version sent = version(attempt, now_ns);
    auto answer = post(sent, samples, attempt);
    if (!answer) return not_sent(answer.error());
    if (sent == Version::k2 && protocol_ == Protocol::kRemoteWrite && may_be_1(*answer)) {
        return fall_back(samples, *answer, attempt, now_ns);
    }
    return reply_to(*answer, sent, samples.size(), now_ns);
}

void RemoteWriteSender::abort() { http_->abort(); }

// N3: a repeat has the version of the first try.
RemoteWriteSender::Version RemoteWriteSender::version(std::uint32_t attempt, std::uint64_t now_ns) {
    if (protocol_ != Protocol::kRemoteWrite) {
        return protocol_ == Protocol::kRemoteWrite1 ? Version::k1 : Version::k2;
    }
    // The clock may have been set back, which must not make the memory last.
    const bool old = now_ns < known_1_ns_ || now_ns - known_1_ns_ >= kVersionMemoryNs;
    if (known_1_ns_ != 0 && old && attempt == 0) known_1_ns_ = 0;
    return known_1_ns_ != 0 ? Version::k1 : Version::k2;
}

Result<RemoteWriteSender::Answer> RemoteWriteSender::post(Version version, std::span<const WireSample> samples,
                                                          std::uint32_t attempt) {
    const bool two = version == Version::k2;
    const std::string body = two ? encode_write_request_2(samples) : encode_write_request(samples);
    HeaderFields headers = {
        {"Content-Type",
         two ? "application/x-protobuf;proto=io.prometheus.write.v2.Request" : "application/x-protobuf"},
        {"Content-Encoding", "snappy"},
        {"X-Prometheus-Remote-Write-Version", two ? "2.0.0" : "0.1.0"},
    };
    if (attempt > 0) headers.emplace_back("Retry-Attempt", std::to_string(attempt));
    Answer answer;
    answer.body_bytes = body.size();
    std::string shown;
    for (int tries = 0; tries < 2; ++tries) {
        auto authorization = credentials_.authorization();
        if (!authorization) return authorization.error();
        if (tries > 0 && *authorization == shown) break;
        shown = *authorization;
        HeaderFields all = headers;
        if (!shown.empty()) all.emplace_back("Authorization", shown);
        answer.http = http_->post(body, all);
        // A file that was replaced while the request was on its way is worth one try more.
        if (answer.http.status != 401 && answer.http.status != 403) break;
    }
    for (const char* name : kWrittenHeaders) {
        const auto value = answer.http.header(name);
        answer.counted |= value.has_value();
        if (value) answer.written += number(*value);
    }
    return answer;
}

// N1, N2.
bool RemoteWriteSender::may_be_1(const Answer& answer) {
    const int status = answer.http.status;
    if (status == 415) return true;
    if (answer.counted) return false;
    return (status >= 200 && status < 300) || status == 400;
}

Reply RemoteWriteSender::fall_back(std::span<const WireSample> samples, const Answer& refused, std::uint32_t attempt,
                                   std::uint64_t now_ns) {
    auto answer = post(Version::k1, samples, attempt);
    if (!answer) return not_sent(answer.error());
    Reply reply = reply_to(*answer, Version::k1, samples.size(), now_ns);
    ++reply.requests;
    // A 400 may have been about the samples: only one that 1.0 does not get says that it was about the version.
    const bool sure = refused.http.status != 400 && answer->http.status != 415;
    if (!sure && reply.verdict != Verdict::kAccepted) return reply;
    known_1_ns_ = now_ns;
    reply.notice = "does not know remote write 2.0 (" + answer_text(refused.http) + "): it gets 1.0";
    return reply;
}

Reply RemoteWriteSender::reply_to(const Answer& answer, Version version, std::size_t samples,
                                  std::uint64_t now_ns) const {
    const HttpReply& http = answer.http;
    Reply reply;
    reply.verdict = judge(http.status);
    reply.reason = http.status == 0 ? "no_answer" : "http_" + std::to_string(http.status);
    reply.text = answer_text(http);
    if (const auto after = http.header("retry-after")) reply.retry_after_ns = parse_retry_after(*after, now_ns);
    reply.body_bytes = answer.body_bytes;
    reply.aborted = http.aborted;
    if (http.status == 401 || http.status == 403) reply.text += "; " + credentials_.advice();
    if (version == Version::k1) return reply;
    if (reply.verdict == Verdict::kAccepted && !answer.counted) {  // N1, and 1.0 is not to be tried.
        reply.verdict = Verdict::kRefused;
        reply.reason = "http_415";
        reply.text +=
            " without a word on what was written: it does not know remote write 2.0; use the protocol remote-write";
        return reply;
    }
    // The rest of a partial write has been kept, so it is no request to be halved.
    const bool partial = reply.verdict == Verdict::kRefusedParts && answer.written > 0;
    if (reply.verdict == Verdict::kAccepted || partial) {
        reply.verdict = Verdict::kAccepted;
        reply.rejected = samples - std::min<std::uint64_t>(samples, answer.written);
        if (reply.rejected > 0 && http.status / 100 == 2) reply.reason = "not_written";
    }
    return reply;
}

}  // namespace ringside::agent
