#include "tests/support/otlp_receiver.h"

#include <grpcpp/server_builder.h>

#include <chrono>
#include <cstdlib>

namespace ringside::agent {

// One call: reads its one message, asks what to answer, and is done.
class OtlpReceiver::Call : public grpc::ServerGenericBidiReactor {
  public:
    Call(OtlpReceiver& owner, grpc::GenericCallbackServerContext& context) : owner_(owner), context_(context) {
        StartRead(&request_);
    }

    void OnReadDone(bool ok) override {
        if (!ok) return Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no message"));
        Request request;
        request.method = context_.method();
        for (const auto& [name, value] : context_.client_metadata()) {
            request.metadata.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
        }
        std::vector<grpc::Slice> slices;
        (void)request_.Dump(&slices);
        for (const grpc::Slice& slice : slices) {
            request.bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
        }
        (void)request.message.ParseFromString(request.bytes);
        const Answer answer = owner_.take(std::move(request));
        if (answer.hang) return;
        if (answer.code != 0) {
            return Finish(grpc::Status(static_cast<grpc::StatusCode>(answer.code), answer.text, answer.details));
        }
        const grpc::Slice slice(answer.response.SerializeAsString());
        response_ = grpc::ByteBuffer(&slice, 1);
        StartWriteAndFinish(&response_, {}, grpc::Status::OK);
    }
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }

  private:
    OtlpReceiver& owner_;
    grpc::GenericCallbackServerContext& context_;
    grpc::ByteBuffer request_, response_;
};

grpc::ServerGenericBidiReactor* OtlpReceiver::Service::CreateReactor(grpc::GenericCallbackServerContext* context) {
    return new Call(owner_, *context);
}

OtlpReceiver::OtlpReceiver() : service_(*this) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    if (!server_ || port_ == 0) std::abort();
}

OtlpReceiver::~OtlpReceiver() { server_->Shutdown(std::chrono::system_clock::now()); }

OtlpReceiver::Answer OtlpReceiver::take(Request request) {
    std::lock_guard lock(mutex_);
    Answer answer;
    if (decide_) answer = decide_(requests_.size(), request);
    requests_.push_back(std::move(request));
    changed_.notify_all();
    return answer;
}

void OtlpReceiver::decide(std::function<Answer(std::size_t, const Request&)> decide) {
    std::lock_guard lock(mutex_);
    decide_ = std::move(decide);
}

std::vector<OtlpReceiver::Request> OtlpReceiver::requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
}

bool OtlpReceiver::wait_for_requests(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return requests_.size() >= count; });
}

}  // namespace ringside::agent
