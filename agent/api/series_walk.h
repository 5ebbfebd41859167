// Walks over the series that a request selects, VM by VM, in small bites.
//
// Between two steps it holds names, rows and times only: no source, so no descriptor of a segment and no archive file. A
// reader that stalls for an hour keeps no dead VM's memory, and a VM that is drained meanwhile is read from the archive.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>
#include <grpcpp/support/status.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "agent/api/call.h"
#include "agent/api/vm_filter.h"
#include "agent/promql/syntax/matcher.h"
#include "agent/query/select.h"
#include "ringside/v1/series.pb.h"

namespace ringside::agent {

// INVALID_ARGUMENT with the position of the matcher and what is wrong with it.
grpc::Status parse_matchers(const google::protobuf::RepeatedPtrField<v1::LabelMatcher>& wire, Selector* selector);

class SeriesWalk {
  public:
    // One VM with the rows selected of it. `vm` is looked up anew at each step.
    struct Place {
        std::string key;
        std::shared_ptr<const Layout> layout;
        std::shared_ptr<const std::vector<Row>> rows;
        std::size_t next_row = 0;  // into rows: where to go on
        CatalogVmPtr vm;
        std::vector<std::uint64_t> created_ns = {};  // of each row of the layout; empty until it is asked for
    };

    SeriesWalk(ApiContext& api, const Caller& caller) : api_(api), caller_(caller) {}

    // Once, first. NOT_FOUND, or INVALID_ARGUMENT.
    grpc::Status begin(const v1::VmFilter& vms, const google::protobuf::RepeatedPtrField<v1::LabelMatcher>& matchers);
    // The VMs that fit, apart from the matchers: those that begin() found and the walk has not come to.
    const std::vector<std::string>& keys() const { return keys_; }

    // The VM at hand, with rows left to read; null when there is none in memory: then load more, or end.
    Place* current();
    // When the series was registered. 0: not known, and the reason is among the warnings.
    std::uint64_t created_ns(Place& place, Row row);
    // Selects series of the next few VMs; false when there are no more VMs.
    bool load();
    // Ends the step: lets go of what must not be held between two.
    void rest();

    // What could not be looked at since the last call.
    std::vector<std::string> take_warnings() { return std::move(warnings_); }
    void warn(std::string text);

  private:
    void read_created(Place& place);

    ApiContext& api_;
    const Caller caller_;
    Selector selector_;
    std::vector<std::string> keys_;
    std::size_t next_key_ = 0;
    std::deque<Place> places_;
    std::vector<std::string> warnings_;
    std::size_t warned_ = 0;
};

}  // namespace ringside::agent
