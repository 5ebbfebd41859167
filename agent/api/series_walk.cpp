#include "agent/api/series_walk.h"

#include <algorithm>
#include <utility>

#include "agent/api/errors.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kVmsAStep = 64;
// In one answer. What follows is the same trouble again.
constexpr std::size_t kWarningsMax = 100;

std::optional<MatchOp> op_of(v1::LabelMatcher::Op op) {
    switch (op) {
        case v1::LabelMatcher::OP_EQUAL: return MatchOp::kEqual;
        case v1::LabelMatcher::OP_NOT_EQUAL: return MatchOp::kNotEqual;
        case v1::LabelMatcher::OP_REGEX: return MatchOp::kRegex;
        case v1::LabelMatcher::OP_NOT_REGEX: return MatchOp::kNotRegex;
        default: return std::nullopt;
    }
}

}  // namespace

grpc::Status parse_matchers(const google::protobuf::RepeatedPtrField<v1::LabelMatcher>& wire, Selector* selector) {
    if (static_cast<std::size_t>(wire.size()) > kSelectorMaxMatchers) {
        return invalid("a request has at most " + std::to_string(kSelectorMaxMatchers) + " matchers, this one has " +
                       std::to_string(wire.size()));
    }
    for (int i = 0; i < wire.size(); ++i) {
        const std::string where = "matchers[" + std::to_string(i) + "]: ";
        const auto op = op_of(wire[i].op());
        if (!op) return invalid(where + "op must be one of =, !=, =~ and !~");
        auto matcher = Matcher::make(wire[i].name(), *op, wire[i].value());
        if (!matcher) return invalid(where + matcher.error().message());
        selector->matchers.push_back(std::move(*matcher));
    }
    return grpc::Status::OK;
}

grpc::Status SeriesWalk::begin(const v1::VmFilter& vms,
                               const google::protobuf::RepeatedPtrField<v1::LabelMatcher>& matchers) {
    VmFilter filter;
    if (auto bad = parse_filter(vms, &filter); !bad.ok()) return bad;
    if (auto bad = parse_matchers(matchers, &selector_); !bad.ok()) return bad;
    if (auto starting = check_started(api_.backend); !starting.ok()) return starting;
    if (auto none = check_vm_ids(api_.backend, filter, caller_); !none.ok()) return none;
    for (const CatalogVmPtr& vm : visible_vms(api_.backend, filter, caller_)) {
        if (selects_vm(selector_, vm->known(), api_.host)) keys_.push_back(vm->key());
    }
    return grpc::Status::OK;
}

SeriesWalk::Place* SeriesWalk::current() {
    while (!places_.empty()) {
        Place& place = places_.front();
        if (place.next_row < place.rows->size()) {
            if (!place.vm) place.vm = api_.backend.find(place.key);
            if (place.vm) return &place;
            warn("VM " + place.key + " was evicted from the archive while it was read");
        }
        places_.pop_front();
    }
    return nullptr;
}

std::uint64_t SeriesWalk::created_ns(Place& place, Row row) {
    if (place.created_ns.empty()) read_created(place);
    return place.created_ns[row];
}

// A layout is shared by many VMs and has no times: they come from the VM itself, once.
void SeriesWalk::read_created(Place& place) {
    place.created_ns.assign(place.layout->size(), 0);
    const auto series = place.vm->source()->series();
    if (!series) {
        warn("VM " + place.key + ": it is not known when its series were registered: " + series.error().message());
        return;
    }
    // Both by rising index; the VM may have registered more since the layout was made.
    auto at = series->begin();
    for (Row row = 0; row < place.layout->size(); ++row) {
        const std::uint32_t index = place.layout->series_index(row);
        while (at != series->end() && at->index < index) ++at;
        if (at != series->end() && at->index == index) place.created_ns[row] = at->created_ns;
    }
}

bool SeriesWalk::load() {
    if (next_key_ == keys_.size()) return false;
    std::vector<CatalogVmPtr> vms;
    for (std::size_t end = std::min(keys_.size(), next_key_ + kVmsAStep); next_key_ < end; ++next_key_) {
        // One that is gone by now was not there for the whole of the call: it is left out.
        if (CatalogVmPtr vm = api_.backend.find(keys_[next_key_])) vms.push_back(std::move(vm));
    }
    Selection selection = select(vms, selector_, api_.host);
    for (SelectedVm& selected : selection.vms) {
        places_.push_back(
            {selected.vm->key(), std::move(selected.layout), std::move(selected.rows), 0, selected.vm, {}});
    }
    for (std::string& warning : selection.warnings) warn(std::move(warning));
    return true;
}

void SeriesWalk::rest() {
    for (Place& place : places_) place.vm.reset();
}

void SeriesWalk::warn(std::string text) {
    if (warned_ == kWarningsMax) warnings_.push_back("there is more of this; the rest is left out");
    if (warned_++ < kWarningsMax) warnings_.push_back(std::move(text));
}

}  // namespace ringside::agent
