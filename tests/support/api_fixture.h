// The API served over its real socket, with clients of any identity.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/create_channel_posix.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/api/grpc_server.h"
#include "agent/query/catalog_queries.h"
#include "ringside/v1/admission.grpc.pb.h"
#include "ringside/v1/blackbox.grpc.pb.h"
#include "ringside/v1/error.pb.h"
#include "ringside/v1/event.grpc.pb.h"
#include "ringside/v1/query.grpc.pb.h"
#include "ringside/v1/series.grpc.pb.h"
#include "ringside/v1/status.grpc.pb.h"
#include "ringside/v1/vm.grpc.pb.h"
#include "tests/support/api_backend.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {

// What a stream gave: its messages, and how it ended.
template <typename Response>
struct Streamed {
    std::vector<Response> messages;
    grpc::Status status;
};

// One connection with a stub for each service.
class ApiClient {
  public:
    explicit ApiClient(std::shared_ptr<grpc::Channel> channel)
        : vm(v1::VmService::NewStub(channel)),
          series(v1::SeriesService::NewStub(channel)),
          event(v1::EventService::NewStub(channel)),
          admission(v1::AdmissionService::NewStub(channel)),
          status(v1::StatusService::NewStub(channel)),
          black_box(v1::BlackBoxService::NewStub(channel)),
          query(v1::QueryService::NewStub(channel)) {}

    template <typename Reader>
    static auto read_all(std::unique_ptr<grpc::ClientReader<Reader>> reader) {
        Streamed<Reader> all;
        for (Reader message; reader->Read(&message);) all.messages.push_back(message);
        all.status = reader->Finish();
        return all;
    }

    Streamed<v1::ListVmsResponse> list_vms(const v1::ListVmsRequest& request) const {
        grpc::ClientContext context;
        return read_all(vm->ListVms(&context, request));
    }
    Streamed<v1::ListSeriesResponse> list_series(const v1::ListSeriesRequest& request) const {
        grpc::ClientContext context;
        return read_all(series->ListSeries(&context, request));
    }
    Streamed<v1::ReadSeriesResponse> read_series(const v1::ReadSeriesRequest& request) const {
        grpc::ClientContext context;
        return read_all(series->ReadSeries(&context, request));
    }
    Streamed<v1::LatestResponse> latest(const v1::LatestRequest& request) const {
        grpc::ClientContext context;
        return read_all(series->Latest(&context, request));
    }
    Streamed<v1::Event> watch(const v1::WatchRequest& request) const {
        grpc::ClientContext context;
        return read_all(event->Watch(&context, request));
    }
    Streamed<v1::QueryResponse> ask(const v1::QueryRequest& request) const {
        grpc::ClientContext context;
        return read_all(query->Query(&context, request));
    }
    Streamed<v1::QueryResponse> ask(const v1::QueryRangeRequest& request) const {
        grpc::ClientContext context;
        return read_all(query->QueryRange(&context, request));
    }
    grpc::Status get_vm(const v1::GetVmRequest& request, v1::GetVmResponse* response) const {
        grpc::ClientContext context;
        return vm->GetVm(&context, request, response);
    }
    grpc::Status drain(const v1::DrainRequest& request, v1::DrainResponse* response) const {
        grpc::ClientContext context;
        return vm->Drain(&context, request, response);
    }
    grpc::Status admit(const v1::AdmitRequest& request, v1::AdmitResponse* response) const {
        grpc::ClientContext context;
        return admission->Admit(&context, request, response);
    }
    grpc::Status release(const std::string& vm_id, v1::ReleaseResponse* response) const {
        grpc::ClientContext context;
        v1::ReleaseRequest request;
        request.set_vm_id(vm_id);
        return admission->Release(&context, request, response);
    }
    v1::ListAdmissionsResponse admissions() const {
        grpc::ClientContext context;
        v1::ListAdmissionsResponse response;
        EXPECT_TRUE(admission->ListAdmissions(&context, {}, &response).ok());
        return response;
    }
    v1::GetStatusResponse get_status() const {
        grpc::ClientContext context;
        v1::GetStatusResponse response;
        const grpc::Status status_code = status->GetStatus(&context, {}, &response);
        EXPECT_TRUE(status_code.ok()) << status_code.error_message();
        return response;
    }

    std::unique_ptr<v1::VmService::Stub> vm;
    std::unique_ptr<v1::SeriesService::Stub> series;
    std::unique_ptr<v1::EventService::Stub> event;
    std::unique_ptr<v1::AdmissionService::Stub> admission;
    std::unique_ptr<v1::StatusService::Stub> status;
    std::unique_ptr<v1::BlackBoxService::Stub> black_box;
    std::unique_ptr<v1::QueryService::Stub> query;
};

// The ErrorInfo of an error; one without a reason when it has none.
inline v1::ErrorInfo info_of(const grpc::Status& status) {
    v1::ErrorStatus wire;
    v1::ErrorInfo info;
    if (!wire.ParseFromString(status.error_details()) || wire.details_size() != 1) return info;
    EXPECT_EQ(wire.code(), status.error_code());
    EXPECT_EQ(wire.message(), status.error_message());
    EXPECT_EQ(wire.details(0).type_url(), "type.googleapis.com/ringside.v1.ErrorInfo");
    wire.details(0).UnpackTo(&info);
    return info;
}

class ApiFixture {
  public:
    explicit ApiFixture(std::size_t event_capacity = 4096, Budgets budgets = {}, ApiOptions options = {},
                        const QueryLimits& limits = patient(), const FairPool::Limits& turns = {})
        : backend(event_capacity, budgets),
          queries(backend.catalog, {"host-1", "ringside"}, [this] { return query_clock(); }),
          query_host(queries, limits, turns) {
        options.socket.path = folder / "agent.sock";
        options.policy.own_uid = geteuid();
        options.peers.fd_count = 4096;
        options.host = {"host-1", "ringside"};
        options.now_ns = [] { return kTestNowNs; };
        auto started = ApiServer::start(std::move(options), backend, query_host, metrics);
        if (!started) ADD_FAILURE() << started.error().message();
        server = std::move(*started);
    }

    ~ApiFixture() { backend.bus.close(); }
    // Queries that become long run at the lowest priority, which on a busy host may take a while.
    static QueryLimits patient() { return {.timeout = std::chrono::hours(1)}; }

    // Over the socket's file, as whoever runs the test: an operator.
    ApiClient connect() const { return ApiClient(channel()); }
    std::shared_ptr<grpc::Channel> channel() const {
        grpc::ChannelArguments arguments;
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
        arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // who does not read gets 64 KiB in advance, and no more
        return grpc::CreateCustomChannel("unix:" + server->path(), grpc::InsecureChannelCredentials(), arguments);
    }
    // Over a pair of sockets, as somebody else.
    ApiClient connect_as(const Caller& caller) const {
        int ends[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        EXPECT_TRUE(server->add_connection(ends[0], caller));
        return ApiClient(grpc::CreateInsecureChannelFromFd("test", ends[1]));
    }
    std::uint64_t calls(const char* method, const char* code) {
        return metrics
            .counter("ringside_api_calls_total", "gRPC calls that ended, by method and code.",
                     {{"method", method}, {"code", code}})
            .value();
    }

    std::uint64_t query_clock() const {
        if (has_no_memory) throw std::bad_alloc();
        return query_now_ns;
    }

    TemporaryFolder folder;
    Metrics metrics;
    TestBackend backend;
    std::atomic<std::uint64_t> query_now_ns{kTestNowNs};  // what queries take for now
    std::atomic<bool> has_no_memory{false};               // who asks for that gets std::bad_alloc
    CatalogQueries queries;
    QueryHost query_host;
    std::unique_ptr<ApiServer> server;
};

}  // namespace ringside::agent
