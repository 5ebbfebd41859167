#include "tools/ringsidectl/client.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <ringside/v1/admission.grpc.pb.h>
#include <ringside/v1/audit.grpc.pb.h>
#include <ringside/v1/blackbox.grpc.pb.h>
#include <ringside/v1/error.pb.h>
#include <ringside/v1/event.grpc.pb.h>
#include <ringside/v1/query.grpc.pb.h>
#include <ringside/v1/series.grpc.pb.h>
#include <ringside/v1/status.grpc.pb.h>
#include <ringside/v1/vm.grpc.pb.h>
#include <sys/un.h>

#include <chrono>
#include <utility>

#include "libwriter/toml/nearest.h"
#include "tools/ringsidectl/text.h"
#include "tools/ringsidectl/unreachable.h"

namespace ringside::ctl {
namespace {

using agent::Code;
using agent::error;

// The agent's messages stay below 1 MiB, but for a single point that is larger: a histogram of 2048 buckets is 16 KiB.
constexpr int kMessageMaxBytes = 8 * 1024 * 1024;

Code code_of(grpc::StatusCode code) {
    switch (code) {
        case grpc::StatusCode::INVALID_ARGUMENT: return Code::kInvalid;
        case grpc::StatusCode::NOT_FOUND: return Code::kNotFound;
        case grpc::StatusCode::ALREADY_EXISTS: return Code::kExists;
        case grpc::StatusCode::FAILED_PRECONDITION: return Code::kPrecondition;
        case grpc::StatusCode::PERMISSION_DENIED: return Code::kDenied;
        case grpc::StatusCode::RESOURCE_EXHAUSTED: return Code::kExhausted;
        case grpc::StatusCode::UNAVAILABLE: return Code::kUnavailable;
        case grpc::StatusCode::DEADLINE_EXCEEDED: return Code::kTimeout;
        case grpc::StatusCode::DATA_LOSS: return Code::kCorrupt;
        default: return Code::kInternal;
    }
}

std::string budget_text(const v1::ErrorInfo& info) {
    std::string text;
    const auto add = [&text](const char* what, std::uint64_t value) {
        text += (text.empty() ? "" : ", ") + std::string(what) + " " + std::to_string(value);
    };
    if (info.has_limit()) add("limit", info.limit());
    if (info.has_used()) add("used", info.used());
    if (info.has_asked()) add("asked", info.asked());
    return text.empty() ? text : " (" + text + ")";
}

// What the details add to the agent's text, unless it says so already.
std::string details_text(const grpc::Status& status) {
    v1::ErrorStatus details;
    if (!details.ParseFromString(status.error_details())) return {};
    for (const auto& detail : details.details()) {
        v1::ErrorInfo info;
        if (!detail.UnpackTo(&info)) continue;
        if (!info.nearest().empty() && status.error_message().find(info.nearest(0)) == std::string::npos) {
            const std::vector<std::string_view> nearest(info.nearest().begin(), info.nearest().end());
            return did_you_mean(nearest);
        }
        if (status.error_message().find(std::to_string(info.limit())) == std::string::npos) return budget_text(info);
    }
    return {};
}

agent::Error to_error(const grpc::Status& status, const std::string& socket, std::uint64_t timeout_ns) {
    const std::string text = status.error_message() + details_text(status);
    // gRPC cannot even try and calls it an internal error.
    if (socket.size() >= sizeof(sockaddr_un::sun_path)) return explain_unreachable(socket, text);
    switch (status.error_code()) {
        case grpc::StatusCode::UNAVAILABLE: return explain_unreachable(socket, text);
        case grpc::StatusCode::DEADLINE_EXCEEDED:
            return error(Code::kTimeout, "the agent at " + socket + " did not answer within " +
                                             duration_text(static_cast<double>(timeout_ns)) +
                                             "; try again with a longer --timeout");
        case grpc::StatusCode::UNIMPLEMENTED:
            return error(Code::kInternal, "the agent at " + socket +
                                              " does not know this call: it is older than this ringsidectl; "
                                              "upgrade it (`ringside-agent --version`)");
        case grpc::StatusCode::UNAUTHENTICATED:
        case grpc::StatusCode::PERMISSION_DENIED:
            return error(Code::kDenied, text + "; ask an operator of the agent, or run as root");
        default: return error(code_of(status.error_code()), text);
    }
}

// The path as a URI, which gRPC decodes: "unix:" takes relative paths as well, "unix://" would not.
std::string target_of(const std::string& socket) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    std::string target = "unix:";
    for (char c : socket) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
                           c == '.' || c == '_' || c == '-' || c == '~';
        if (plain) {
            target += c;
        } else {
            target += {'%', kHex[byte >> 4], kHex[byte & 15]};
        }
    }
    return target;
}

}  // namespace

struct Client::Stubs {
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<v1::VmService::Stub> vm;
    std::unique_ptr<v1::SeriesService::Stub> series;
    std::unique_ptr<v1::EventService::Stub> event;
    std::unique_ptr<v1::AdmissionService::Stub> admission;
    std::unique_ptr<v1::AuditService::Stub> audit;
    std::unique_ptr<v1::StatusService::Stub> status;
    std::unique_ptr<v1::BlackBoxService::Stub> black_box;
    std::unique_ptr<v1::QueryService::Stub> query;

    std::string socket;
    std::uint64_t timeout_ns = 0;

    void set_deadline(grpc::ClientContext& context) const {
        context.set_deadline(std::chrono::system_clock::now() +
                             std::chrono::nanoseconds(std::min<std::uint64_t>(timeout_ns, INT64_MAX / 4)));
    }
    Result<void> check(const grpc::Status& status_of_call) const {
        if (status_of_call.ok()) return {};
        return to_error(status_of_call, socket, timeout_ns);
    }
    // One message there, one back.
    template <typename Service, typename Request, typename Response>
    Result<Response> call(Service& service,
                          grpc::Status (Service::*method)(grpc::ClientContext*, const Request&, Response*),
                          const Request& request) const {
        grpc::ClientContext context;
        set_deadline(context);
        Response response;
        if (auto result = check((service.*method)(&context, request, &response)); !result) return result.error();
        return response;
    }
    // Many back; `take` returns false to have no more.
    template <typename Response, typename Reader, typename Take>
    Result<void> drain(grpc::ClientContext& context, const Reader& reader, Take take) const {
        Response response;
        while (reader->Read(&response)) {
            if (take(response)) continue;
            context.TryCancel();
            reader->Finish();
            return {};
        }
        return check(reader->Finish());
    }
    // The one answer of a stream.
    template <typename Reader>
    Result<agent::QueryAnswer> whole_answer(grpc::ClientContext& context, const Reader& reader) const {
        AnswerReader answer;
        Result<void> added;
        const auto result = drain<v1::QueryResponse>(context, reader, [&](v1::QueryResponse& response) {
            added = answer.add(response);
            return added.ok();
        });
        if (!result) return result.error();
        if (!added) return added.error();
        if (!answer.is_whole()) return error(Code::kInternal, "the agent's answer ended before its last message");
        return answer.take();
    }
};

Client::Client(std::string socket, std::uint64_t timeout_ns)
    : socket_(std::move(socket)), timeout_ns_(timeout_ns), stubs_(std::make_unique<Stubs>()) {
    // gRPC logs failed connects to stderr by itself; explain_unreachable says it better.
    gpr_set_log_function([](gpr_log_func_args*) {});
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMessageMaxBytes);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    stubs_->channel = grpc::CreateCustomChannel(target_of(socket_), grpc::InsecureChannelCredentials(), arguments);
    stubs_->vm = v1::VmService::NewStub(stubs_->channel);
    stubs_->series = v1::SeriesService::NewStub(stubs_->channel);
    stubs_->event = v1::EventService::NewStub(stubs_->channel);
    stubs_->admission = v1::AdmissionService::NewStub(stubs_->channel);
    stubs_->audit = v1::AuditService::NewStub(stubs_->channel);
    stubs_->status = v1::StatusService::NewStub(stubs_->channel);
    stubs_->black_box = v1::BlackBoxService::NewStub(stubs_->channel);
    stubs_->query = v1::QueryService::NewStub(stubs_->channel);
    stubs_->socket = socket_;
    stubs_->timeout_ns = timeout_ns_;
}

Client::~Client() = default;

Result<std::vector<v1::Vm>> Client::list_vms(const v1::ListVmsRequest& request) {
    grpc::ClientContext context;
    stubs_->set_deadline(context);
    std::vector<v1::Vm> vms;
    const auto reader = stubs_->vm->ListVms(&context, request);
    const auto result = stubs_->drain<v1::ListVmsResponse>(context, reader, [&vms](v1::ListVmsResponse& response) {
        for (v1::Vm& vm : *response.mutable_vms()) vms.push_back(std::move(vm));
        return true;
    });
    if (!result) return result.error();
    return vms;
}

Result<std::vector<v1::Vm>> Client::get_vm(const v1::GetVmRequest& request) {
    auto response = stubs_->call(*stubs_->vm, &v1::VmService::Stub::GetVm, request);
    if (!response) return response.error();
    return std::vector<v1::Vm>(response->vms().begin(), response->vms().end());
}

Result<std::vector<v1::Vm>> Client::drain(const v1::DrainRequest& request) {
    auto response = stubs_->call(*stubs_->vm, &v1::VmService::Stub::Drain, request);
    if (!response) return response.error();
    return std::vector<v1::Vm>(response->vms().begin(), response->vms().end());
}

Result<std::vector<v1::AuditResponse>> Client::audit(const v1::AuditRequest& request) {
    grpc::ClientContext context;
    stubs_->set_deadline(context);
    std::vector<v1::AuditResponse> audits;
    const auto reader = stubs_->audit->Audit(&context, request);
    const auto result = stubs_->drain<v1::AuditResponse>(context, reader, [&audits](v1::AuditResponse& response) {
        audits.push_back(std::move(response));
        return true;
    });
    if (!result) return result.error();
    return audits;
}

Result<v1::GetStatusResponse> Client::status() {
    return stubs_->call(*stubs_->status, &v1::StatusService::Stub::GetStatus, v1::GetStatusRequest());
}

Result<v1::Admission> Client::admit(const v1::AdmitRequest& request) {
    auto response = stubs_->call(*stubs_->admission, &v1::AdmissionService::Stub::Admit, request);
    if (!response) return response.error();
    return std::move(*response->mutable_admission());
}

Result<v1::Admission> Client::release(const v1::ReleaseRequest& request) {
    auto response = stubs_->call(*stubs_->admission, &v1::AdmissionService::Stub::Release, request);
    if (!response) return response.error();
    return std::move(*response->mutable_admission());
}

Result<std::vector<v1::Admission>> Client::list_admissions() {
    auto response =
        stubs_->call(*stubs_->admission, &v1::AdmissionService::Stub::ListAdmissions, v1::ListAdmissionsRequest());
    if (!response) return response.error();
    return std::vector<v1::Admission>(response->admissions().begin(), response->admissions().end());
}

Result<std::vector<v1::BlackBox>> Client::list_black_boxes(const v1::ListBlackBoxesRequest& request) {
    grpc::ClientContext context;
    stubs_->set_deadline(context);
    std::vector<v1::BlackBox> files;
    const auto reader = stubs_->black_box->ListBlackBoxes(&context, request);
    const auto result = stubs_->drain<v1::ListBlackBoxesResponse>(context, reader, [&files](auto& response) {
        for (v1::BlackBox& file : *response.mutable_files()) files.push_back(std::move(file));
        return true;
    });
    if (!result) return result.error();
    return files;
}

Result<std::pair<v1::BlackBox, std::string>> Client::export_black_box(const v1::ExportBlackBoxRequest& request) {
    grpc::ClientContext context;
    stubs_->set_deadline(context);
    std::pair<v1::BlackBox, std::string> file;
    const auto reader = stubs_->black_box->ExportBlackBox(&context, request);
    const auto result = stubs_->drain<v1::ExportBlackBoxResponse>(context, reader, [&file](auto& response) {
        if (response.has_file()) file.first = std::move(*response.mutable_file());
        file.second += response.data();
        return true;
    });
    if (!result) return result.error();
    return file;
}

Result<void> Client::list_series(const v1::ListSeriesRequest& request, Warnings& warnings,
                                 const std::function<void(v1::VmSeries&)>& take) {
    grpc::ClientContext context;
    stubs_->set_deadline(context);
    const auto reader = stubs_->series->ListSeries(&context, request);
    return stubs_->drain<v1::ListSeriesResponse>(context, reader, [&](v1::ListSeriesResponse& response) {
        for (v1::VmSeries& vm : *response.mutable_vms()) take(vm);
        warnings.insert(warnings.end(), response.warnings().begin(), response.warnings().end());
        if (response.truncated()) {
            warnings.push_back("there are more than the " + std::to_string(request.limit()) + " series shown");
        }
        return true;
    });
}

Result<void> Client::read_series(const v1::ReadSeriesRequest& request, Warnings& warnings,
                                 const std::function<void(v1::SeriesPoints&)>& take) {
    grpc::ClientContext context;
    stubs_->set_deadline(context);
    const auto reader = stubs_->series->ReadSeries(&context, request);
    return stubs_->drain<v1::ReadSeriesResponse>(context, reader, [&](v1::ReadSeriesResponse& response) {
        for (v1::SeriesPoints& points : *response.mutable_series()) take(points);
        warnings.insert(warnings.end(), response.warnings().begin(), response.warnings().end());
        return true;
    });
}

Result<void> Client::watch(const v1::WatchRequest& request, const std::function<bool(const v1::Event&)>& take) {
    grpc::ClientContext context;
    if (!request.follow()) stubs_->set_deadline(context);
    const auto reader = stubs_->event->Watch(&context, request);
    return stubs_->drain<v1::Event>(context, reader, [&take](const v1::Event& event) { return take(event); });
}

Result<agent::QueryAnswer> Client::query(const v1::QueryRequest& request) {
    grpc::ClientContext context;
    stubs_->set_deadline(context);
    return stubs_->whole_answer(context, stubs_->query->Query(&context, request));
}

Result<agent::QueryAnswer> Client::query(const v1::QueryRangeRequest& request) {
    grpc::ClientContext context;
    stubs_->set_deadline(context);
    return stubs_->whole_answer(context, stubs_->query->QueryRange(&context, request));
}

Result<void> Client::watch_query(const v1::WatchQueryRequest& request,
                                 const std::function<bool(WatchedAnswer&)>& take) {
    grpc::ClientContext context;
    AnswerReader answer;
    Result<void> added;
    const auto reader = stubs_->query->Watch(&context, request);
    const auto result = stubs_->drain<v1::QueryResponse>(context, reader, [&](v1::QueryResponse& response) {
        added = answer.add(response);
        if (!added || !answer.is_whole()) return added.ok();
        WatchedAnswer watched{answer.take(), answer.time_ms(), answer.dropped()};
        return take(watched);
    });
    return result ? added : result;
}

}  // namespace ringside::ctl
