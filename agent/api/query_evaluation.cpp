#include <algorithm>

#include "agent/api/errors.h"
#include "agent/api/query_calls.h"

namespace ringside::agent {

using std::chrono::milliseconds;

QueryEvaluation::QueryEvaluation(QueryCalls& calls, const Caller& caller, Query query, std::int64_t timeout_ms)
    : calls_(calls), caller_(caller), query_(std::move(query)), timeout_(calls.host.limits.timeout) {
    if (timeout_ms > 0) timeout_ = std::min(timeout_, milliseconds(timeout_ms));
}

std::chrono::nanoseconds QueryEvaluation::expected() const {
    if (const auto cost = calls_.host.costs.find(caller_, query_)) return cost->used;
    return FairPool::kUnknownTime;
}

grpc::Status QueryEvaluation::check() {
    auto expr = check_query(query_, calls_.host.limits);
    if (expr) {
        expr_ = std::move(*expr);
        return grpc::Status::OK;
    }
    const auto position = query_position(expr.error());
    if (!position) return to_status(expr.error());
    v1::ErrorInfo info;
    info.set_reason(v1::ERROR_REASON_BAD_QUERY);
    info.set_query_line(position->line);
    info.set_query_column(position->column);
    return to_status(grpc::StatusCode::INVALID_ARGUMENT, expr.error().message(), info);
}

grpc::Status QueryEvaluation::run(FairPool::Turn& turn, FairPool::Time deadline, std::uint64_t dropped,
                                  std::optional<HeldAnswer>* answer) {
    was_busy_ = false;
    if (turn.hung_up()) return caller_is_gone();
    if (!expr_) {
        if (auto bad = check(); !bad.ok()) return bad;
    }
    const std::int64_t now_ms = calls_.host.backend.now_ms();
    auto result = [&] {
        const auto session = calls_.host.backend.open(caller_);
        return QueryTurn(calls_.host, caller_, query_, turn, deadline).run(*expr_, *session);
    }();
    if (!result) return failed(result.error(), turn);
    const std::size_t bytes = answer_bytes(*result);
    auto hold = calls_.answers.hold(bytes, caller_);
    if (!hold) return no_room(bytes);
    answer->emplace(
        HeldAnswer{QueryMessages(std::move(*result), query_.newest_ms(), now_ms, dropped), std::move(*hold)});
    return grpc::Status::OK;
}

grpc::Status QueryEvaluation::failed(const Error& error, const FairPool::Turn& turn) {
    if (turn.hung_up()) return caller_is_gone();
    v1::ErrorInfo info;
    switch (error.code) {
        case Code::kInvalid:
            return to_status(grpc::StatusCode::FAILED_PRECONDITION, error.message(), v1::ERROR_REASON_QUERY_FAILED);
        case Code::kUnavailable:
            was_busy_ = true;
            return to_status(grpc::StatusCode::RESOURCE_EXHAUSTED, error.message(), v1::ERROR_REASON_BUSY);
        case Code::kExhausted:
            info.set_reason(v1::ERROR_REASON_QUERY_SAMPLES);
            info.set_limit(calls_.host.limits.samples_max);
            return to_status(grpc::StatusCode::RESOURCE_EXHAUSTED, error.message(), info);
        case Code::kTimeout:
            info.set_reason(v1::ERROR_REASON_QUERY_TIME);
            info.set_limit(static_cast<std::uint64_t>(timeout_.count()));
            return to_status(grpc::StatusCode::RESOURCE_EXHAUSTED, error.message(), info);
        default: return to_status(error);
    }
}

grpc::Status QueryEvaluation::no_room(std::size_t bytes) {
    const std::size_t most = calls_.answers.most(caller_);
    if (bytes <= most) {
        was_busy_ = true;
        return to_status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                         "there is no room for an answer of " + std::to_string(bytes) +
                             " bytes among those that wait for their readers; try again",
                         v1::ERROR_REASON_BUSY);
    }
    v1::ErrorInfo info;
    info.set_reason(v1::ERROR_REASON_ANSWER_BYTES);
    info.set_limit(most);
    info.set_asked(bytes);
    return to_status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                     "the answer has " + std::to_string(bytes) + " bytes, and " + std::to_string(most) +
                         " are the most; ask for fewer series, a shorter time or a larger step",
                     info);
}

}  // namespace ringside::agent
