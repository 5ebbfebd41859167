#include "agent/api/grpc_server.h"

#include <fcntl.h>
#include <grpc/grpc.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>

#include <utility>

#include "agent/api/services.h"
#include "agent/base/clock.h"

namespace ringside::agent {
namespace {

constexpr int kMaxRequestBytes = 1024 * 1024;  // a request is a filter and some names
constexpr int kMaxHeaderBytes = 16 * 1024;
constexpr int kStreamsAConnection = 128;
// What a stream that is not read may leave in gRPC's own buffer, beside the message being sent.
constexpr int kWriteBufferBytes = 16 * 1024;
// A client that stopped or hangs is found out within this and this much more.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

// For the last answers to leave the process.
constexpr std::chrono::milliseconds kFlush{200};

// Keeps the library initialised for the life of the process. When its last user goes, gRPC waits for its backup poller,
// which may be within a poll of ten seconds: an agent that stops would hang for nothing.
void keep_grpc() {
    static const bool kept = (grpc_init(), true);
    static_cast<void>(kept);
}

ApiOptions with_defaults(ApiOptions options) {
    if (!options.now_ns) options.now_ns = realtime_ns;
    return options;
}

}  // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::start(ApiOptions options, Backend& backend, QueryHost& queries,
                                                    Metrics& metrics) {
    keep_grpc();
    auto peers = PeerTable::fit_to_limits(options.peers);
    if (!peers) return peers.error();
    options.peers = *peers;
    auto socket = UnixSocket::listen(options.socket);
    if (!socket) return socket.error();
    std::unique_ptr<ApiServer> server(
        new ApiServer(with_defaults(std::move(options)), std::move(*socket), backend, queries, metrics));
    if (auto started = server->start_serving(); !started) return started.error();
    return server;
}

ApiServer::ApiServer(ApiOptions options, UnixSocket socket, Backend& backend, QueryHost& queries, Metrics& metrics)
    : options_(std::move(options)),
      socket_(std::move(socket)),
      peers_(options_.peers),
      pool_(options_.threads),
      drain_pool_(1),
      gate_(options_.calls, metrics),
      context_{backend, peers_, pool_, drain_pool_, gate_, metrics, options_.host, options_.now_ns},
      fan_(backend.events()),
      queries_(queries, options_.queries, metrics),
      acceptor_(socket_, options_.policy, peers_, metrics, [this](int fd) { take_over(fd); }) {}

Result<void> ApiServer::start_serving() {
    services_.push_back(make_vm_service(context_));
    services_.push_back(make_series_service(context_));
    services_.push_back(make_event_service(context_, fan_));
    services_.push_back(make_admission_service(context_));
    services_.push_back(make_audit_service(context_));
    services_.push_back(make_status_service(context_));
    services_.push_back(make_black_box_service(context_));
    services_.push_back(make_query_service(context_, queries_));
    grpc::ServerBuilder builder;
    for (const auto& service : services_) builder.RegisterService(service.get());
    builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxHeaderBytes);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsAConnection);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, kWriteBufferBytes);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // ours are for connections that are idle
    server_ = builder.BuildAndStart();
    if (!server_) return error(Code::kInternal, "gRPC could not start; its log says why (GRPC_VERBOSITY=debug)");
    fan_.start();
    queries_.alarms.start();
    return acceptor_.start();
}

void ApiServer::take_over(int fd) { grpc::AddInsecureChannelFromFd(server_.get(), fd); }

Result<void> ApiServer::add_connection(int socket_fd, const Caller& caller) {
    // gRPC reads until EAGAIN, on a thread that others need.
    fcntl(socket_fd, F_SETFL, fcntl(socket_fd, F_GETFL) | O_NONBLOCK);
    auto number = peers_.adopt(socket_fd, caller, std::chrono::steady_clock::now());
    if (!number) return number.error();
    take_over(*number);
    return {};
}

ApiServer::~ApiServer() { stop(); }

void ApiServer::stop() {
    acceptor_.stop();
    socket_.close();
    fan_.stop();
    queries_.alarms.stop();
    // gRPC's own shutdown waits for idle connections as long as for calls, and some clients do not look at theirs between
    // two calls: so wait for the calls here, and there only for what was answered to be sent.
    gate_.wait_idle(options_.stop_timeout);
    if (server_) server_->Shutdown(std::chrono::system_clock::now() + kFlush);
    // Clients that say nothing would keep their connections, and the server its descriptors.
    peers_.shutdown_all();
    server_.reset();
    drain_pool_.stop();
    pool_.stop();
}

}  // namespace ringside::agent
