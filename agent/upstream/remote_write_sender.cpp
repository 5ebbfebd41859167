#include "agent/upstream/remote_write_sender.h"

#include <utility>

#include "agent/upstream/remote_write_encoder.h"

namespace ringside::agent {
namespace {

std::string answer_text(const HttpReply& reply) {
    if (reply.status == 0) return reply.error;
    return "HTTP " + std::to_string(reply.status) + (reply.body.empty() ? "" : ": " + reply.body);
}

}  // namespace

Result<std::unique_ptr<Sender>> RemoteWriteSender::create(const UpstreamOptions& options) {
    Result<std::unique_ptr<HttpSender>> http = HttpSender::create(options);
    if (!http.ok()) return http.error();
    return std::unique_ptr<Sender>(new RemoteWriteSender(std::move(*http)));
}

Reply RemoteWriteSender::send(std::span<const WireSample> samples, std::uint32_t attempt, std::uint64_t now_ns) {
    const std::string body = encode_write_request(samples);
    const HttpReply http = http_->post(body, attempt);
    Reply reply;
    reply.verdict = judge(http.status);
    reply.reason = http.status == 0 ? "no_answer" : "http_" + std::to_string(http.status);
    reply.text = answer_text(http);
    if (http.retry_after) reply.retry_after_ns = parse_retry_after(*http.retry_after, now_ns);
    reply.body_bytes = body.size();
    reply.aborted = http.aborted;
    return reply;
}

void RemoteWriteSender::abort() { http_->abort(); }

}  // namespace ringside::agent
