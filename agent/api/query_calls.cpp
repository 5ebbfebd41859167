#include "agent/api/query_calls.h"

#include <new>
#include <utility>

#include "agent/api/errors.h"
#include "agent/api/vm_filter.h"

namespace ringside::agent {
namespace {

// For std::bad_alloc where nobody above would catch it: the agent has more to do than to answer queries.
grpc::Status no_memory() {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "no memory for this query; ask for fewer series or a larger step"};
}

}  // namespace

MetricCounter& QueryCalls::dropped(Metrics& metrics, const char* reason) {
    return metrics.counter("ringside_api_watch_answers_dropped_total",
                           "Answers of watched queries that were left out, by reason.", {{"reason", reason}});
}

grpc::Status caller_is_gone() { return {grpc::StatusCode::CANCELLED, "the caller is gone"}; }

grpc::Status too_many_queries() {
    return to_status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                     "too many queries wait already; try again, or let the agent run more with query-concurrency",
                     v1::ERROR_REASON_BUSY);
}

bool QueryCall::enter(const grpc::CallbackServerContext& context, CallKind kind, Query query, std::int64_t timeout_ms,
                      grpc::Status refusal) {
    if (refusal.ok() && query.lookback_ms < 0) refusal = invalid("lookback_ms is negative; 0 stands for 5 minutes");
    if (refusal.ok() && timeout_ms < 0) {
        refusal = invalid("timeout_ms is negative; 0 stands for the agent's query-timeout");
    }
    if (refusal.ok()) refusal = check_started(call_.api().backend);
    // Who the caller is comes before what it wants.
    if (auto denied = call_.enter(context, kind); !denied.ok()) refusal = denied;
    if (!refusal.ok()) {
        end(refusal);
        return false;
    }
    evaluation_.emplace(calls_, call_.caller(), std::move(query), timeout_ms);
    return true;
}

bool QueryCall::submit() {
    deadline_ = std::chrono::steady_clock::now() + evaluation_->timeout();
    return calls_.host.pool.submit(
        *hung_up_, [this, kept = hung_up_](FairPool::Turn& turn) { evaluate(turn); }, evaluation_->expected());
}

void QueryCall::evaluate(FairPool::Turn& turn) {
    grpc::Status status;
    try {
        status = evaluation_->run(turn, deadline_, dropped_, &answer_);
    } catch (const std::bad_alloc&) {
        status = no_memory();
    }
    if (!status.ok()) return failed(status);
    dropped_ = 0;
    send();
}

void QueryCall::send() {
    bool has_more = false;
    try {
        message_.Clear();
        has_more = answer_->messages.next(&message_);
    } catch (const std::bad_alloc&) {
        return end(no_memory());
    }
    if (has_more) return StartWrite(&message_);
    answer_.reset();
    sent();
}

void QueryCall::OnWriteDone(bool ok) {
    if (!ok) return end(caller_is_gone());
    call_.api().pool.submit([this] { send(); });
}

void QueryCall::end(const grpc::Status& status) {
    answer_.reset();
    call_.leave(status);
    Finish(status);
}

}  // namespace ringside::agent
