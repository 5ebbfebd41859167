// An OTLP/gRPC metrics receiver in this process that answers as the test says. It keeps the bytes of each request; how
// a decoder by other people reads them is tests/e2e/otlp_test.py's question.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "opentelemetry/metrics.pb.h"

namespace ringside::agent {

class OtlpReceiver {
  public:
    struct Request {
        std::string method;
        std::multimap<std::string, std::string> metadata;
        std::string bytes;
        otlp::ExportMetricsServiceRequest message;
    };
    struct Answer {
        int code = 0;
        std::string text;
        std::string details;  // of the trailer grpc-status-details-bin
        otlp::ExportMetricsServiceResponse response;
        bool hang = false;  // no answer before the caller gives up
    };

    OtlpReceiver();
    ~OtlpReceiver();

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
    int port() const { return port_; }
    // Decides each request by its number, from 0; without one each is taken.
    void decide(std::function<Answer(std::size_t number, const Request& request)> decide);
    std::vector<Request> requests() const;
    // Blocks until so many have come. False after 30 s.
    bool wait_for_requests(std::size_t count) const;

  private:
    class Call;
    class Service : public grpc::CallbackGenericService {
      public:
        explicit Service(OtlpReceiver& owner) : owner_(owner) {}
        grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;

      private:
        OtlpReceiver& owner_;
    };
    Answer take(Request request);

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::function<Answer(std::size_t, const Request&)> decide_;  // under mutex_
    std::vector<Request> requests_;                              // under mutex_
    Service service_;
    int port_ = 0;
    std::unique_ptr<grpc::Server> server_;
};

}  // namespace ringside::agent
