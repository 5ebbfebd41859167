// Watch: an expression evaluated again and again for one caller. Times that pass before an answer is taken are not made up for
// (C2) but counted, in the answer that follows.
#include <algorithm>
#include <utility>

#include "agent/api/errors.h"
#include "agent/api/query_calls.h"

namespace ringside::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::int64_t kIntervalMaxMs = 86'400'000;

class QueryWatch final : public QueryCall, public Waiter {
  public:
    QueryWatch(ApiContext& api, QueryCalls& calls, const grpc::CallbackServerContext& context,
               const v1::WatchQueryRequest& request)
        : QueryCall(api, calls, "WatchQuery"),
          interval_ms_(request.interval_ms()),
          time_ms_(calls.host.backend.now_ms()) {
        agent::Query query{request.query(), time_ms_, time_ms_, 0, request.lookback_ms()};
        if (!enter(context, CallKind::kQueryWatch, std::move(query), request.timeout_ms(), check_interval())) return;
        if (!submit()) end(too_many_queries());
    }

    // The next time has come, or there is none.
    void wake() override {
        if (is_over()) return end_over();
        const std::int64_t now_ms = calls_.host.backend.now_ms() - calls_.options.settle_ms;
        const std::int64_t due_ms = now_ms / interval_ms_ * interval_ms_;
        const std::int64_t wanted_ms = next_ms();
        // A clock that went back by more than an interval would keep the caller waiting for as long.
        const bool is_back = due_ms < time_ms_ - interval_ms_;
        if (due_ms < wanted_ms && !is_back) return wait();
        if (due_ms > wanted_ms) drop(calls_.late, static_cast<std::uint64_t>((due_ms - wanted_ms) / interval_ms_));
        time_ms_ = due_ms;
        evaluation_->set_time(due_ms);
        if (submit()) return;
        drop(calls_.busy, 1);
        wait();
    }
    bool is_cancelled() const override { return hung_up(); }

  private:
    void OnCancel() override {
        QueryCall::OnCancel();
        // Where an evaluation or a write is under way, that one notices.
        if (calls_.alarms.cancel(*this)) wake();
    }
    void failed(const grpc::Status& status) override {
        if (is_over()) return end_over();
        if (!evaluation_->was_busy()) return end(status);
        drop(calls_.busy, 1);
        wait();
    }
    void sent() override { wait(); }

    grpc::Status check_interval() const {
        const std::int64_t least = calls_.options.interval_ms_min;
        if (interval_ms_ >= least && interval_ms_ <= kIntervalMaxMs) return grpc::Status::OK;
        return invalid("interval_ms " + std::to_string(interval_ms_) + " is not within " + std::to_string(least) +
                       " to " + std::to_string(kIntervalMaxMs));
    }

    // The multiple of the interval that follows the newest answer's time.
    std::int64_t next_ms() const { return (time_ms_ / interval_ms_ + 1) * interval_ms_; }

    void wait() {
        const std::int64_t settle_ms = calls_.options.settle_ms;
        const std::int64_t wait_ms = next_ms() + settle_ms - calls_.host.backend.now_ms();
        calls_.alarms.wait(
            *this, steady_clock::now() + milliseconds(std::clamp<std::int64_t>(wait_ms, 0, interval_ms_ + settle_ms)));
    }

    void drop(MetricCounter& counter, std::uint64_t count) {
        dropped_ += count;
        counter.add(count);
    }

    // The caller or the agent has no more use for it.
    bool is_over() const { return hung_up() || calls_.alarms.ended(); }
    void end_over() {
        end(hung_up() ? caller_is_gone()
                      : to_status(grpc::StatusCode::UNAVAILABLE, "the agent is stopping", v1::ERROR_REASON_STOPPING));
    }

    const std::int64_t interval_ms_;
    std::int64_t time_ms_;  // of the newest answer
};

}  // namespace

grpc::ServerWriteReactor<v1::QueryResponse>* watch_query(ApiContext& api, QueryCalls& calls,
                                                         const grpc::CallbackServerContext& context,
                                                         const v1::WatchQueryRequest& request) {
    return new QueryWatch(api, calls, context, request);
}

}  // namespace ringside::agent
