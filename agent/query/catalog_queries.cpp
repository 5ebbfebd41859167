#include "agent/query/catalog_queries.h"

#include <algorithm>
#include <set>

#include "agent/query/samples_of.h"
#include "agent/query/vm_session.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kNamesMax = 3;  // of files in a warning

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

std::int64_t CatalogQueries::now_ms() const { return static_cast<std::int64_t>(now_ns_() / kNsPerMs); }

VmList CatalogQueries::visible(const Caller& caller) const {
    const auto view = catalog_.view();
    if (caller.is_operator) return {view, &view->vms};
    auto mine = std::make_shared<std::vector<CatalogVmPtr>>();
    std::ranges::copy_if(view->vms, std::back_inserter(*mine),
                         [&](const CatalogVmPtr& vm) { return caller.may_see(vm->known().uid); });
    return mine;
}

// Segments that are in quarantine are in no answer, and an answer has to say so.
std::vector<std::string> CatalogQueries::gaps(const Caller& caller) const {
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

std::unique_ptr<QuerySession> CatalogQueries::open(const Caller& caller) const {
    return std::make_unique<VmSession>(visible(caller), host_, now_ns_(), gaps(caller));
}

std::map<std::string, std::vector<MetricMetadata>> CatalogQueries::metadata(const Caller& caller) const {
    std::set<std::shared_ptr<const SchemaInfo>> schemas;
    const VmList vms = visible(caller);
    for (const CatalogVmPtr& vm : *vms) schemas.insert(vm->source()->schema());
    std::map<std::string, std::vector<MetricMetadata>> all;
    for (const FactInfo& fact : kFacts) all[fact.name] = {{"gauge", fact.help, ""}};
    for (const auto& schema : schemas) {
        for (const MetricInfo& metric : schema->metrics) {
            if (is_fact(metric.name)) continue;
            MetricMetadata one{type_of(metric.kind), metric.help, metric.unit};
            auto& readings = all[metric.name];
            if (std::ranges::find(readings, one) == readings.end()) readings.push_back(std::move(one));
        }
    }
    for (auto& [name, readings] : all) std::ranges::sort(readings);
    return all;
}

}  // namespace ringside::agent
