// GetStatus.
#include <unistd.h>

#include <array>
#include <string_view>
#include <utility>

#include "agent/api/services.h"
#include "agent/api/wire.h"
#include "ringside/v1/status.grpc.pb.h"

namespace ringside::agent {
namespace {

constexpr int kQuarantinedMax = 1000;

constexpr std::array kStates = {VmState::kProvisioned, VmState::kRunning, VmState::kExited, VmState::kDrained};

void count_states(const Backend& backend, const Caller& caller, v1::GetStatusResponse* out) {
    std::array<std::uint64_t, kStates.size()> counts{};
    const auto view = backend.view();
    for (const CatalogVmPtr& vm : view->vms) {
        if (caller.may_see(vm->known().uid)) ++counts[static_cast<std::size_t>(vm->state())];
    }
    for (VmState state : kStates) {
        v1::StateCount* wire = out->add_vms_by_state();
        wire->set_state(to_wire(state));
        wire->set_count(counts[static_cast<std::size_t>(state)]);
    }
}

void add_quarantined(const AgentReport& report, const Caller& caller, v1::GetStatusResponse* out) {
    std::uint64_t count = caller.is_operator ? report.quarantine_overflowed : 0;
    for (const QuarantinedFile& file : report.quarantined) {
        if (!caller.may_see(file.uid)) continue;
        ++count;
        if (out->quarantined_size() == kQuarantinedMax) continue;
        v1::Quarantined* wire = out->add_quarantined();
        wire->set_file(file.file);
        wire->set_reason(file.reason);
        wire->set_detail(file.detail);
        wire->set_uid(file.uid);
        wire->set_since_ns(file.since_ns);
        wire->set_file_bytes(file.stamp.bytes);
    }
    out->set_quarantined_count(count);
}

// The last word of a budget's name is its unit.
std::string unit_of(std::string_view name) { return std::string(name.substr(name.rfind('-') + 1)); }

void add_budgets(const AgentReport& report, v1::GetStatusResponse* out) {
    for (const BudgetReport& budget : budget_reports(report.budgets, report.usage)) {
        v1::Budget* wire = out->add_budgets();
        wire->set_name(budget_name(budget.kind));
        wire->set_unit(unit_of(wire->name()));
        wire->set_limit(budget.limit);
        if (budget.used) wire->set_used(*budget.used);
        if (budget.reserved) wire->set_reserved(*budget.reserved);
    }
}

void to_wire(const ArchiveReport& archive, v1::ArchiveStatus* out) {
    out->set_directory(archive.directory);
    out->set_bytes(archive.bytes);
    out->set_limit_bytes(archive.limit_bytes);
    out->set_vms(archive.vms);
    if (archive.oldest_ns) out->set_oldest_ns(archive.oldest_ns);
    out->set_max_age_s(archive.max_age_s);
    out->set_evicted_vms(archive.evicted_vms);
    out->set_last_error(archive.last_error);
    if (archive.last_error_ns) out->set_last_error_ns(archive.last_error_ns);
}

void to_wire(const UpstreamReport& upstream, v1::UpstreamStatus* out) {
    out->set_name(upstream.name);
    out->set_url(upstream.url);
    if (upstream.lag_ns) out->set_lag_ns(*upstream.lag_ns);
    out->set_backlog_windows(upstream.backlog_windows);
    out->set_pushed_samples(upstream.pushed_samples);
    std::uint64_t dropped_samples = 0;
    for (const UpstreamLoss& loss : upstream.losses) {
        if (loss.what == "samples") dropped_samples += loss.count;
        v1::UpstreamLoss* wire = out->add_losses();
        wire->set_what(loss.what);
        wire->set_reason(loss.reason);
        wire->set_count(loss.count);
    }
    out->set_dropped_samples(dropped_samples);
    out->set_failed_requests(upstream.failed_requests);
    if (upstream.last_success_ns) out->set_last_success_ns(upstream.last_success_ns);
    out->set_last_error(upstream.last_error);
    if (upstream.last_error_ns) out->set_last_error_ns(upstream.last_error_ns);
}

grpc::Status get_status(ApiContext& api, const Caller& caller, v1::GetStatusResponse* out) {
    const AgentReport report = api.backend.report();
    const std::uint64_t now_ns = api.now_ns();
    out->set_version(report.version);
    out->set_started_ns(report.started_ns);
    out->set_uptime_ns(now_ns > report.started_ns ? now_ns - report.started_ns : 0);
    out->set_directory(report.directory);
    out->set_ready(api.backend.ready());
    out->mutable_caller()->set_uid(caller.uid);
    out->mutable_caller()->set_is_operator(caller.is_operator);
    count_states(api.backend, caller, out);
    add_quarantined(report, caller, out);
    if (!caller.is_operator) return grpc::Status::OK;

    out->set_pid(static_cast<std::uint32_t>(getpid()));
    if (report.last_scan_ns) {
        out->set_last_scan_ns(report.last_scan_ns);
        out->set_last_scan_span_ns(report.last_scan_span_ns);
    }
    out->set_waiting_count(report.usage.waiting_count);
    add_budgets(report, out);
    if (report.archive) to_wire(*report.archive, out->mutable_archive());
    for (const UpstreamReport& upstream : report.upstreams) to_wire(upstream, out->add_upstreams());
    return grpc::Status::OK;
}

class StatusService final : public v1::StatusService::CallbackService {
  public:
    explicit StatusService(ApiContext& api) : api_(api) {}

  private:
    grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context, const v1::GetStatusRequest*,
                                        v1::GetStatusResponse* response) override {
        return new UnaryCall(api_, "GetStatus", api_.pool, context,
                             [this, response](const Caller& caller) { return get_status(api_, caller, response); });
    }

    ApiContext& api_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_status_service(ApiContext& api) { return std::make_unique<StatusService>(api); }

}  // namespace ringside::agent
