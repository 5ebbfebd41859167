// The API for the orchestrator and the CLI: gRPC on a Unix socket, from the listening socket to the handlers.
#pragma once

#include <grpcpp/server.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/api/acceptor.h"
#include "agent/api/backend.h"
#include "agent/api/call.h"
#include "agent/api/event_fan.h"
#include "agent/api/query_calls.h"
#include "agent/base/unix_socket.h"

namespace ringside::agent {

struct ApiOptions {
    UnixSocketOptions socket;
    AccessPolicy policy;
    PeerTableOptions peers;
    CallLimits calls;
    HostLabels host;          // what the labels `instance` and `job` match
    std::size_t threads = 4;  // on which calls are answered; drains have one more
    QueryCallOptions queries;
    std::chrono::milliseconds stop_timeout{2'000};  // for calls under way, then they are cancelled
    std::function<std::uint64_t()> now_ns;          // CLOCK_REALTIME when empty
};

class ApiServer {
  public:
    // Listens and serves. Errors are those of UnixSocket::listen and PeerTable::fit_to_limits. `backend`, `queries`
    // and `metrics` must outlive the server.
    static Result<std::unique_ptr<ApiServer>> start(ApiOptions options, Backend& backend, QueryHost& queries,
                                                    Metrics& metrics);
    ~ApiServer();  // stops
    ApiServer(const ApiServer&) = delete;
    ApiServer& operator=(const ApiServer&) = delete;

    // Takes no more connections, ends the watchers, lets calls under way end for `stop_timeout` and cancels the rest, then
    // joins its threads. Takes longer only where a backend's drain() does. Idempotent.
    void stop();

    // Takes over a connected socket as that of `caller`, without asking the kernel who is there. kExhausted, as for any
    // other connection.
    Result<void> add_connection(int socket_fd, const Caller& caller);

    const std::string& path() const { return socket_.path(); }

  private:
    ApiServer(ApiOptions options, UnixSocket socket, Backend& backend, QueryHost& queries, Metrics& metrics);
    Result<void> start_serving();
    void take_over(int fd);

    const ApiOptions options_;
    UnixSocket socket_;
    PeerTable peers_;
    WorkPool pool_;
    WorkPool drain_pool_;
    CallGate gate_;
    ApiContext context_;
    EventFan fan_;
    QueryCalls queries_;
    std::vector<std::unique_ptr<grpc::Service>> services_;
    std::unique_ptr<grpc::Server> server_;
    Acceptor acceptor_;
};

}  // namespace ringside::agent
