// Query, QueryRange.
#include <utility>

#include "agent/api/errors.h"
#include "agent/api/query_calls.h"
#include "ringside/v1/query.grpc.pb.h"

namespace ringside::agent {
namespace {

class OneAnswer final : public QueryCall {
  public:
    OneAnswer(ApiContext& api, QueryCalls& calls, const char* method, const grpc::CallbackServerContext& context,
              Query query, std::int64_t timeout_ms, const grpc::Status& refusal = grpc::Status::OK)
        : QueryCall(api, calls, method) {
        if (!enter(context, CallKind::kQuery, std::move(query), timeout_ms, refusal)) return;
        if (!submit()) end(too_many_queries());
    }

  private:
    void failed(const grpc::Status& status) override { end(status); }
    void sent() override { end(grpc::Status::OK); }
};

class QueryService final : public v1::QueryService::CallbackService {
  public:
    QueryService(ApiContext& api, QueryCalls& calls) : api_(api), calls_(calls) {}

  private:
    grpc::ServerWriteReactor<v1::QueryResponse>* Query(grpc::CallbackServerContext* context,
                                                       const v1::QueryRequest* request) override {
        const std::int64_t time_ms = request->time_ms() != 0 ? request->time_ms() : calls_.host.backend.now_ms();
        return new OneAnswer(api_, calls_, "Query", *context,
                             {request->query(), time_ms, time_ms, 0, request->lookback_ms()}, request->timeout_ms());
    }
    grpc::ServerWriteReactor<v1::QueryResponse>* QueryRange(grpc::CallbackServerContext* context,
                                                            const v1::QueryRangeRequest* request) override {
        return new OneAnswer(
            api_, calls_, "QueryRange", *context,
            {request->query(), request->begin_ms(), request->end_ms(), request->step_ms(), request->lookback_ms()},
            request->timeout_ms(),
            request->step_ms() > 0 ? grpc::Status::OK
                                   : invalid("step_ms is not above 0; give the distance of two points"));
    }
    grpc::ServerWriteReactor<v1::QueryResponse>* Watch(grpc::CallbackServerContext* context,
                                                       const v1::WatchQueryRequest* request) override {
        return watch_query(api_, calls_, *context, *request);
    }

    ApiContext& api_;
    QueryCalls& calls_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_query_service(ApiContext& api, QueryCalls& calls) {
    return std::make_unique<QueryService>(api, calls);
}

}  // namespace ringside::agent
