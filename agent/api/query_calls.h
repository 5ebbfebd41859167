// What the calls of QueryService have in common.
//
//  C1  At each moment exactly one of these holds: an evaluation waits for the host's pool or runs there, a message of its
//      answer is being made or is with gRPC, or the call waits for its next time (Watch). So nothing of a call is shared with
//      gRPC's threads but whether its caller has hung up.
//  C2  A call has one answer at most, and evaluates nothing before its caller has taken that.
//  C3  All answers together hold `answer_bytes_max`.
#pragma once

#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "agent/api/alarms.h"
#include "agent/api/answer_budget.h"
#include "agent/api/call.h"
#include "agent/api/query_messages.h"
#include "agent/promql/run/turn.h"

namespace ringside::agent {

struct QueryCallOptions {
    std::size_t answer_bytes_max = 128 * 1024 * 1024;
    std::int64_t interval_ms_min = 1'000;  // of a watch
    // How long after its time a watch is evaluated: windows count as over only 250 ms after their end.
    std::int64_t settle_ms = 300;
};

struct QueryCalls {
    // `query_host` and `metrics` must outlive it.
    QueryCalls(QueryHost& query_host, const QueryCallOptions& call_options, Metrics& metrics)
        : host(query_host),
          options(call_options),
          answers(options.answer_bytes_max),
          late(dropped(metrics, "late")),
          busy(dropped(metrics, "busy")) {}

    QueryHost& host;
    const QueryCallOptions options;
    AnswerBudget answers;
    Alarms alarms;
    // Answers of watches that were left out.
    MetricCounter& late;  // the one before was not taken yet, or took longer than the interval
    MetricCounter& busy;  // other queries had what it needed

  private:
    static MetricCounter& dropped(Metrics& metrics, const char* reason);
};

// An answer and its place in the budget.
struct HeldAnswer {
    QueryMessages messages;
    AnswerBudget::Hold hold;
};

// The query of one call. Of one thread at a time.
class QueryEvaluation {
  public:
    QueryEvaluation(QueryCalls& calls, const Caller& caller, Query query, std::int64_t timeout_ms);

    // Parses the text the first time, and evaluates it; `dropped` goes into the answer. Errors as query.proto says;
    // CANCELLED where the caller has hung up.
    grpc::Status run(FairPool::Turn& turn, FairPool::Time deadline, std::uint64_t dropped,
                     std::optional<HeldAnswer>* answer);
    // Whether the last run() failed for what other queries have.
    bool was_busy() const { return was_busy_; }
    void set_time(std::int64_t time_ms) { query_.begin_ms = query_.end_ms = time_ms; }
    std::chrono::milliseconds timeout() const { return timeout_; }
    // Of a processor, for FairPool.
    std::chrono::nanoseconds expected() const;

  private:
    grpc::Status check();
    grpc::Status failed(const Error& error, const FairPool::Turn& turn);
    grpc::Status no_room(std::size_t bytes);

    QueryCalls& calls_;
    const Caller caller_;
    Query query_;
    std::chrono::milliseconds timeout_;
    promql::ExprPtr expr_;  // null before the first run
    bool was_busy_ = false;
};

// A call evaluates, sends its answer message by message, and then ends or goes on. Deletes itself.
class QueryCall : public grpc::ServerWriteReactor<v1::QueryResponse> {
  protected:
    QueryCall(ApiContext& api, QueryCalls& calls, const char* method) : calls_(calls), call_(api, method) {}

    // False: the caller was refused, or `refusal` says what is wrong with the request, and the call has ended.
    bool enter(const grpc::CallbackServerContext& context, CallKind kind, Query query, std::int64_t timeout_ms,
               grpc::Status refusal);
    // Has it evaluated. False: too many wait already.
    bool submit();
    void end(const grpc::Status& status);

    virtual void failed(const grpc::Status& status) = 0;  // the evaluation has
    virtual void sent() = 0;                              // the caller has taken the answer

    void OnCancel() override { *hung_up_ = true; }
    bool hung_up() const { return *hung_up_; }

    QueryCalls& calls_;
    std::optional<QueryEvaluation> evaluation_;
    std::uint64_t dropped_ = 0;  // answers that were left out before the next one

  private:
    void OnWriteDone(bool ok) override;
    void OnDone() override { delete this; }
    void evaluate(FairPool::Turn& turn);
    void send();

    Call call_;
    FairPool::Time deadline_;
    std::optional<HeldAnswer> answer_;  // while it is being sent
    v1::QueryResponse message_;
    // The pool looks at it until a job is over, when the call may be gone already.
    const std::shared_ptr<std::atomic<bool>> hung_up_ = std::make_shared<std::atomic<bool>>(false);
};

// What gRPC tells a caller that has hung up, and those who come while too many wait.
grpc::Status caller_is_gone();
grpc::Status too_many_queries();

std::unique_ptr<grpc::Service> make_query_service(ApiContext& api, QueryCalls& calls);

// The reactor of Watch; deletes itself.
grpc::ServerWriteReactor<v1::QueryResponse>* watch_query(ApiContext& api, QueryCalls& calls,
                                                         const grpc::CallbackServerContext& context,
                                                         const v1::WatchQueryRequest& request);

}  // namespace ringside::agent
