#include "agent/api/call_gate.h"

#include <algorithm>

namespace ringside::agent {
namespace {

// By the number of the kind.
constexpr std::array<const char*, kCallKinds> kNames{"answer", "watch", "query", "query_watch"};
constexpr std::array<const char*, kCallKinds> kTexts{"calls", "watchers", "queries", "watchers of queries"};

MetricGauge* gauge_of(Metrics& metrics, std::size_t kind) {
    return &metrics.gauge("ringside_api_calls",
                          "gRPC calls under way: answers, watchers of events, queries, and watchers of queries.",
                          {{"kind", kNames[kind]}});
}

Error full(const std::string& who, std::size_t limit, std::size_t kind) {
    return error(Code::kExhausted, who + " has " + std::to_string(limit) + " " + kTexts[kind] +
                                       " under way, the most there may be; end one and try again");
}

template <typename Counts>
bool is_empty(const Counts& counts) {
    return std::ranges::all_of(counts, [](std::size_t count) { return count == 0; });
}

}  // namespace

CallGate::CallGate(const CallLimits& limits, Metrics& metrics)
    : bounds_{limits.answers, limits.watchers, limits.queries, limits.query_watchers},
      gauges_{gauge_of(metrics, 0), gauge_of(metrics, 1), gauge_of(metrics, 2), gauge_of(metrics, 3)} {}

Result<CallGate::Ticket> CallGate::enter(const Caller& caller, CallKind call_kind) {
    const auto kind = static_cast<std::size_t>(call_kind);
    const CallBounds& bounds = bounds_[kind];
    const std::lock_guard lock(mutex_);
    if (all_[kind] >= bounds.all) return full("the agent", bounds.all, kind);
    if (!caller.is_operator) {
        const auto found = tenants_.find(caller.uid);
        if (found != tenants_.end() && found->second[kind] >= bounds.one_tenant) {
            return full("uid " + std::to_string(caller.uid), bounds.one_tenant, kind);
        }
        if (of_tenants_[kind] >= bounds.tenants) {
            return full("everyone who is not an operator together", bounds.tenants, kind);
        }
        ++tenants_[caller.uid][kind];
        ++of_tenants_[kind];
    }
    ++all_[kind];
    show(kind);
    return Ticket(this, caller, call_kind);
}

void CallGate::leave(const Caller& caller, CallKind call_kind) {
    const auto kind = static_cast<std::size_t>(call_kind);
    const std::lock_guard lock(mutex_);
    --all_[kind];
    show(kind);
    if (is_empty(all_)) idle_.notify_all();
    if (caller.is_operator) return;
    --of_tenants_[kind];
    Counts& counts = tenants_[caller.uid];
    --counts[kind];
    if (is_empty(counts)) tenants_.erase(caller.uid);
}

void CallGate::show(std::size_t kind) { gauges_[kind]->set(static_cast<double>(all_[kind])); }

void CallGate::wait_idle(std::chrono::milliseconds limit) const {
    std::unique_lock lock(mutex_);
    idle_.wait_for(lock, limit, [this] { return is_empty(all_); });
}

std::size_t CallGate::under_way(CallKind kind) const {
    const std::lock_guard lock(mutex_);
    return all_[static_cast<std::size_t>(kind)];
}

}  // namespace ringside::agent
