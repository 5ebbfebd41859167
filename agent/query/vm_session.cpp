#include "agent/query/vm_session.h"

#include "agent/query/samples_of.h"

namespace ringside::agent {

std::vector<ReadReport> VmSession::reports() const {
    std::vector<ReadReport> all;
    for (const SelectionReport& one : samples_.reports()) {
        all.push_back({one.selector, one.series_by_resolution_s, one.columns, one.windows, one.bytes,
                       static_cast<std::int64_t>(one.newest_ns / kNsPerMs)});
    }
    return all;
}

}  // namespace ringside::agent
