// The frame around every call: who calls, is there room, on which thread is it answered, how did it end. Handlers are
// written as plain functions inside it, so that none can forget the check of its caller.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "agent/api/backend.h"
#include "agent/api/call_gate.h"
#include "agent/base/caller.h"
#include "agent/api/peer_table.h"
#include "agent/base/work_pool.h"
#include "agent/base/labels.h"
#include "agent/base/metrics.h"

namespace ringside::agent {

// What all services share. Everything in it outlives the gRPC server.
struct ApiContext {
    Backend& backend;
    const PeerTable& peers;
    WorkPool& pool;        // answers
    WorkPool& drain_pool;  // drains, which wait for a disk
    CallGate& gate;
    Metrics& metrics;
    HostLabels host;
    std::function<std::uint64_t()> now_ns;  // CLOCK_REALTIME
};

// One call, from its first look at the caller to its count in the metrics.
class Call {
  public:
    Call(ApiContext& api, const char* method) : api_(api), method_(method) {}

    // Anything but OK ends the call.
    grpc::Status enter(const grpc::CallbackServerContext& context, CallKind kind);
    // Once, with how it ended.
    void leave(const grpc::Status& status);

    ApiContext& api() const { return api_; }
    const Caller& caller() const { return caller_; }

  private:
    ApiContext& api_;
    const char* method_;
    Caller caller_;
    CallGate::Ticket ticket_;
};

// --- One request, one answer.

// Answers on a thread of `pool`; deletes itself.
class UnaryCall final : public grpc::ServerUnaryReactor {
  public:
    using Handler = std::function<grpc::Status(const Caller& caller)>;

    UnaryCall(ApiContext& api, const char* method, WorkPool& pool, grpc::CallbackServerContext* context,
              Handler handler);

  private:
    void OnDone() override { delete this; }
    void end(const grpc::Status& status);

    Call call_;
    Handler handler_;
};

// --- One request, a stream of answers.

enum class Step {
    kMessage,  // *out is the next message
    kAgain,    // nothing to send yet: let others have their turn, then ask again
    kEnd,
    kFailed,  // *failure says why
};

// Makes the messages of one call. Steps are short and come one after the other, on any thread. Between two steps a slow
// reader may take its time, so a producer keeps little then: no source of series, no open file.
template <typename Response>
class Producer {
  public:
    virtual ~Producer() = default;
    virtual Step next(Response* out, grpc::Status* failure) = 0;
};

// Deletes itself. At each moment either a job of it is in the pool or a write is with gRPC, so nothing here is shared.
template <typename Response>
class StreamCall final : public grpc::ServerWriteReactor<Response> {
  public:
    using Make = std::function<std::unique_ptr<Producer<Response>>(const Caller& caller)>;

    StreamCall(ApiContext& api, const char* method, grpc::CallbackServerContext* context, const Make& make)
        : call_(api, method), context_(context) {
        if (const grpc::Status refused = call_.enter(*context, CallKind::kAnswer); !refused.ok()) {
            end(refused);
        } else {
            producer_ = make(call_.caller());
            submit();
        }
    }

  private:
    void OnWriteDone(bool ok) override {
        if (!ok) return end({grpc::StatusCode::CANCELLED, "the caller is gone"});
        submit();
    }
    void OnDone() override { delete this; }

    void submit() {
        call_.api().pool.submit([this] { step(); });
    }
    void step() {
        if (context_->IsCancelled()) return end({grpc::StatusCode::CANCELLED, "the caller is gone"});
        response_.Clear();
        grpc::Status failure;
        switch (producer_->next(&response_, &failure)) {
            case Step::kMessage: return this->StartWrite(&response_);
            case Step::kAgain: return submit();
            case Step::kEnd: return end(grpc::Status::OK);
            case Step::kFailed: return end(failure);
        }
    }
    void end(const grpc::Status& status) {
        producer_.reset();
        call_.leave(status);
        this->Finish(status);
    }

    Call call_;
    grpc::CallbackServerContext* const context_;
    std::unique_ptr<Producer<Response>> producer_;
    Response response_;
};

}  // namespace ringside::agent
