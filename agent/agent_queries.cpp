#include "agent/agent_queries.h"

#include <algorithm>
#include <set>

#include "agent/base/clock.h"
#include "agent/query/vm_samples.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kNamesMax = 3;  // of files in a warning
constexpr std::uint64_t kNsPerMs = 1'000'000;

class VmSession : public QuerySession {
  public:
    VmSession(std::vector<CatalogVmPtr> vms, const HostLabels& host, std::uint64_t now_ns,
              std::vector<std::string> gaps)
        : samples_(std::move(vms), host, now_ns), gaps_(std::move(gaps)) {}

    promql::SampleSource& source() override { return samples_; }
    std::vector<std::string> warnings() const override { return gaps_; }
    std::vector<ReadReport> reports() const override {
        std::vector<ReadReport> all;
        for (const SelectionReport& one : samples_.reports()) {
            all.push_back({one.selector, one.series_by_resolution_s, one.windows, one.bytes,
                           static_cast<std::int64_t>(one.newest_ns / kNsPerMs)});
        }
        return all;
    }

  private:
    VmSamples samples_;
    const std::vector<std::string> gaps_;
};

// As Prometheus names types.
const char* type_of(Kind kind) {
    switch (kind) {
        case Kind::kCounter:
        case Kind::kCounterF64: return "counter";
        case Kind::kHistogram: return "histogram";
        case Kind::kInfo: return "info";
        default: return "gauge";
    }
}

}  // namespace

std::int64_t AgentQueries::now_ms() const { return static_cast<std::int64_t>(realtime_ns() / kNsPerMs); }

std::vector<CatalogVmPtr> AgentQueries::visible(const Caller& caller) const {
    const auto view = catalog_.view();
    if (caller.is_operator) return view->vms;
    std::vector<CatalogVmPtr> mine;
    std::ranges::copy_if(view->vms, std::back_inserter(mine),
                         [&](const CatalogVmPtr& vm) { return caller.may_see(vm->known().uid); });
    return mine;
}

// Segments that are in quarantine are in no answer, and an answer has to say so.
std::vector<std::string> AgentQueries::gaps(const Caller& caller) const {
    std::size_t count = 0;
    std::string names;
    for (const QuarantinedFile& file : catalog_.quarantined()) {
        if (!caller.may_see(file.uid)) continue;
        if (++count <= kNamesMax) names += (names.empty() ? "" : ", ") + file.file + " (" + file.reason + ")";
    }
    if (count == 0) return {};
    if (count > kNamesMax) names += ", ...";
    return {"segments in quarantine are not part of the answer: " + std::to_string(count) + ", " + names +
            "; `ringsidectl status` says why"};
}

std::unique_ptr<QuerySession> AgentQueries::open(const Caller& caller) const {
    return std::make_unique<VmSession>(visible(caller), host_, realtime_ns(), gaps(caller));
}

std::map<std::string, std::vector<MetricMetadata>> AgentQueries::metadata(const Caller& caller) const {
    std::set<std::shared_ptr<const SchemaInfo>> schemas;
    for (const CatalogVmPtr& vm : visible(caller)) {
        if (vm->state() == VmState::kDrained) continue;
        if (const auto layout = vm->layout()) schemas.insert((*layout)->shared_schema());
    }
    std::map<std::string, std::vector<MetricMetadata>> all;
    for (const auto& schema : schemas) {
        for (const MetricInfo& metric : schema->metrics) {
            MetricMetadata one{type_of(metric.kind), metric.help, metric.unit};
            auto& readings = all[metric.name];
            if (std::ranges::find(readings, one) == readings.end()) readings.push_back(std::move(one));
        }
    }
    for (auto& [name, readings] : all) std::ranges::sort(readings);
    return all;
}

}  // namespace ringside::agent
