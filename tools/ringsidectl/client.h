// The agent's API on its Unix socket. Errors carry the agent's own text; where the agent cannot be reached, they say which
// socket was tried, why it did not answer, and what to do.
#pragma once

#include <ringside/v1/admission.pb.h>
#include <ringside/v1/audit.pb.h>
#include <ringside/v1/blackbox.pb.h>
#include <ringside/v1/event.pb.h>
#include <ringside/v1/series.pb.h>
#include <ringside/v1/status.pb.h>
#include <ringside/v1/vm.pb.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "tools/ringsidectl/query_wire.h"

namespace ringside::ctl {

// Not for several threads. Every call blocks until its answer, at most `timeout_ns`; kTimeout after that.
class Client {
  public:
    Client(std::string socket, std::uint64_t timeout_ns);
    ~Client();

    Result<std::vector<v1::Vm>> list_vms(const v1::ListVmsRequest& request);
    Result<std::vector<v1::Vm>> get_vm(const v1::GetVmRequest& request);
    Result<std::vector<v1::Vm>> drain(const v1::DrainRequest& request);
    Result<std::vector<v1::AuditResponse>> audit(const v1::AuditRequest& request);
    Result<v1::GetStatusResponse> status();

    Result<v1::Admission> admit(const v1::AdmitRequest& request);
    Result<v1::Admission> release(const v1::ReleaseRequest& request);
    Result<std::vector<v1::Admission>> list_admissions();

    Result<std::vector<v1::BlackBox>> list_black_boxes(const v1::ListBlackBoxesRequest& request);
    // What file it is, and its bytes.
    Result<std::pair<v1::BlackBox, std::string>> export_black_box(const v1::ExportBlackBoxRequest& request);

    // Answers of several messages, handed over one by one as they come; `warnings` takes what could not be read.
    using Warnings = std::vector<std::string>;
    Result<void> list_series(const v1::ListSeriesRequest& request, Warnings& warnings,
                             const std::function<void(v1::VmSeries&)>& take);
    Result<void> read_series(const v1::ReadSeriesRequest& request, Warnings& warnings,
                             const std::function<void(v1::SeriesPoints&)>& take);

    // Until the stream ends or `take` says false. Without a deadline when `request.follow`.
    Result<void> watch(const v1::WatchRequest& request, const std::function<bool(const v1::Event&)>& take);

    // One answer, put together from its messages.
    Result<agent::QueryAnswer> query(const v1::QueryRequest& request);
    Result<agent::QueryAnswer> query(const v1::QueryRangeRequest& request);
    // Until `take` says false. Without a deadline.
    struct WatchedAnswer {
        agent::QueryAnswer answer;
        std::int64_t time_ms = 0;   // of what it was evaluated
        std::uint64_t dropped = 0;  // answers that were left out before it
    };
    Result<void> watch_query(const v1::WatchQueryRequest& request, const std::function<bool(WatchedAnswer&)>& take);

  private:
    struct Stubs;
    std::string socket_;
    std::uint64_t timeout_ns_;
    std::unique_ptr<Stubs> stubs_;
};

}  // namespace ringside::ctl
