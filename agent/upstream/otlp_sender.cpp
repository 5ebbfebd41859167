#include "agent/upstream/otlp_sender.h"

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

#include "agent/upstream/credentials.h"
#include "agent/upstream/otlp_channel.h"
#include "agent/upstream/otlp_encoder.h"
#include "agent/upstream/otlp_status.h"
#include "opentelemetry/metrics.pb.h"

namespace ringside::agent {
namespace {

constexpr char kMethod[] = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
constexpr std::size_t kMessageTextMax = 4096;

Reply not_sent(const Error& why) {
    Reply reply;
    reply.reason = "no_credentials";
    reply.text = why.message();
    return reply;
}

std::string bytes_of(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (!buffer.Dump(&slices).ok()) return bytes;
    for (const grpc::Slice& slice : slices) {
        bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    return bytes;
}

}  // namespace

struct OtlpSender::Impl {
    explicit Impl(const UpstreamOptions& given)
        : options(given),
          credentials(given.auth),
          files({given.tls.ca_file, given.tls.cert_file, given.tls.key_file}) {}

    struct Answer {
        grpc::Status status;
        std::string body;
    };
    Result<void> connect();
    Answer call(const std::string& body, const std::string& authorization);
    void prepare(grpc::ClientContext& context, const std::string& authorization) const;
    Reply reply_to(const Answer& answer, std::size_t samples) const;

    const UpstreamOptions options;
    Credentials credentials;
    FileWatch files;
    std::shared_ptr<grpc::Channel> channel;  // null: to be made
    std::mutex mutex;
    grpc::ClientContext* in_hand = nullptr;  // under mutex
    bool aborted = false;                    // under mutex
};

OtlpSender::OtlpSender(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OtlpSender::~OtlpSender() = default;

Result<std::unique_ptr<Sender>> OtlpSender::create(const UpstreamOptions& options) {
    return std::unique_ptr<Sender>(new OtlpSender(std::make_unique<Impl>(options)));
}

Reply OtlpSender::send(std::span<const WireSample> samples, std::uint32_t, std::uint64_t) {
    const std::string body = encode_otlp_request(samples, impl_->options.version);
    Impl::Answer answer;
    std::string shown;
    for (int tries = 0; tries < 2; ++tries) {
        auto authorization = impl_->credentials.authorization();
        if (!authorization) return not_sent(authorization.error());
        if (tries > 0 && *authorization == shown) break;
        shown = *authorization;
        if (auto connected = impl_->connect(); !connected) return not_sent(connected.error());
        answer = impl_->call(body, shown);
        const int code = answer.status.error_code();
        // A file that was replaced while the request was on its way is worth one try more.
        if (code != kGrpcUnauthenticated && code != kGrpcPermissionDenied) break;
    }
    Reply reply = impl_->reply_to(answer, samples.size());
    reply.body_bytes = body.size();
    std::lock_guard lock(impl_->mutex);
    reply.aborted = impl_->aborted;
    return reply;
}

void OtlpSender::abort() {
    std::lock_guard lock(impl_->mutex);
    impl_->aborted = true;
    if (impl_->in_hand != nullptr) impl_->in_hand->TryCancel();
}

Result<void> OtlpSender::Impl::connect() {
    if (files.changed()) channel.reset();
    if (channel) return {};
    auto made = make_otlp_channel(options);
    if (!made) return made.error();
    channel = std::move(*made);
    return {};
}

void OtlpSender::Impl::prepare(grpc::ClientContext& context, const std::string& authorization) const {
    context.set_deadline(std::chrono::system_clock::now() + options.timeout);
    if (options.gzip) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    for (const auto& [name, value] : options.headers) {
        std::string key = name;  // gRPC knows lower case alone.
        std::transform(key.begin(), key.end(), key.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        context.AddMetadata(key, value);
    }
    if (!authorization.empty()) context.AddMetadata("authorization", authorization);
}

OtlpSender::Impl::Answer OtlpSender::Impl::call(const std::string& body, const std::string& authorization) {
    Answer answer;
    grpc::ClientContext context;
    prepare(context, authorization);
    {
        std::lock_guard lock(mutex);
        if (aborted) return {grpc::Status(grpc::StatusCode::CANCELLED, "aborted"), ""};
        in_hand = &context;
    }
    const grpc::Slice slice(body);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel);
    auto reader = stub.PrepareUnaryCall(&context, kMethod, request, &queue);
    reader->StartCall();
    reader->Finish(&response, &answer.status, &answer);
    void* tag = nullptr;
    bool done = false;
    queue.Next(&tag, &done);  // The deadline ends it, or abort().
    {
        std::lock_guard lock(mutex);
        in_hand = nullptr;
    }
    queue.Shutdown();
    while (queue.Next(&tag, &done)) {
    }
    // A connection that has fallen silent stays so for as long as the kernel repeats itself: make a new one.
    if (answer.status.error_code() == kGrpcDeadlineExceeded) channel.reset();
    if (answer.status.ok()) answer.body = bytes_of(response);
    return answer;
}

Reply OtlpSender::Impl::reply_to(const Answer& answer, std::size_t samples) const {
    const int code = answer.status.error_code();
    Reply reply;
    reply.retry_after_ns = retry_delay_ns(answer.status.error_details());
    reply.verdict = judge_grpc(code, reply.retry_after_ns.has_value());
    reply.reason = grpc_reason(code);
    reply.text = "gRPC " + grpc_code_name(code) + ": " + answer.status.error_message().substr(0, kMessageTextMax);
    if (code == kGrpcUnauthenticated || code == kGrpcPermissionDenied) reply.text += "; " + credentials.advice();
    otlp::ExportMetricsServiceResponse response;
    if (code != kGrpcOk || !response.ParseFromString(answer.body)) return reply;
    const auto& partial = response.partial_success();
    const std::string words = partial.error_message().substr(0, kMessageTextMax);
    // What was rejected must not be sent again, whatever was wrong with it.
    reply.rejected = static_cast<std::uint64_t>(
        std::clamp<std::int64_t>(partial.rejected_data_points(), 0, static_cast<std::int64_t>(samples)));
    if (reply.rejected > 0) {
        reply.reason = "grpc_partial_success";
        reply.text = words;
    } else if (!words.empty()) {
        reply.notice = "took everything and warns: " + words;
    }
    return reply;
}

}  // namespace ringside::agent
