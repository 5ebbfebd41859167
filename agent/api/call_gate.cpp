#include "agent/api/call_gate.h"

namespace ringside::agent {
namespace {

constexpr const char* kCallsHelp = "gRPC calls under way: those that are answered, and watchers of events.";

Error full(const std::string& who, std::size_t limit, const char* what) {
    return error(Code::kExhausted, who + " has " + std::to_string(limit) + " " + what +
                                       " under way, the most there may be; end one and try again");
}

}  // namespace

CallGate::CallGate(const CallLimits& limits, Metrics& metrics)
    : limits_(limits),
      calls_(metrics.gauge("ringside_api_calls", kCallsHelp, {{"kind", "answer"}})),
      watchers_(metrics.gauge("ringside_api_calls", kCallsHelp, {{"kind", "watch"}})) {}

Result<CallGate::Ticket> CallGate::enter(const Caller& caller, CallKind kind) {
    const std::lock_guard lock(mutex_);
    const bool watch = kind == CallKind::kWatch;
    if (watch && all_.watchers >= limits_.watchers_max) return full("the agent", limits_.watchers_max, "watchers");
    if (!caller.is_operator) {
        const std::string who = "uid " + std::to_string(caller.uid);
        const auto found = tenants_.find(caller.uid);
        const Counts own = found == tenants_.end() ? Counts{} : found->second;
        if (watch && own.watchers >= limits_.watchers_per_tenant_max) {
            return full(who, limits_.watchers_per_tenant_max, "watchers");
        }
        if (!watch && own.calls >= limits_.calls_per_tenant_max) {
            return full(who, limits_.calls_per_tenant_max, "calls");
        }
        if (!watch && tenant_calls_ >= limits_.tenant_calls_max) {
            return full("everyone who is not an operator together", limits_.tenant_calls_max, "calls");
        }
        Counts& counts = tenants_[caller.uid];
        ++(watch ? counts.watchers : counts.calls);
        if (!watch) ++tenant_calls_;
    }
    ++(watch ? all_.watchers : all_.calls);
    show();
    return Ticket(this, caller, kind);
}

void CallGate::leave(const Caller& caller, CallKind kind) {
    const std::lock_guard lock(mutex_);
    const bool watch = kind == CallKind::kWatch;
    --(watch ? all_.watchers : all_.calls);
    show();
    if (all_.calls + all_.watchers == 0) idle_.notify_all();
    if (caller.is_operator) return;
    if (!watch) --tenant_calls_;
    Counts& counts = tenants_[caller.uid];
    --(watch ? counts.watchers : counts.calls);
    if (counts.calls + counts.watchers == 0) tenants_.erase(caller.uid);
}

void CallGate::show() {
    calls_.set(static_cast<double>(all_.calls));
    watchers_.set(static_cast<double>(all_.watchers));
}

void CallGate::wait_idle(std::chrono::milliseconds limit) const {
    std::unique_lock lock(mutex_);
    idle_.wait_for(lock, limit, [this] { return all_.calls + all_.watchers == 0; });
}

std::size_t CallGate::under_way(CallKind kind) const {
    const std::lock_guard lock(mutex_);
    return kind == CallKind::kWatch ? all_.watchers : all_.calls;
}

}  // namespace ringside::agent
