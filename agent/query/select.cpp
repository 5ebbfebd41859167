#include "agent/query/select.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

namespace ringside::agent {
namespace {

constexpr std::array<std::string_view, 4> kAgentLabels = {"component", "instance", "job", "vm_id"};

bool is_agent_label(std::string_view name) {
    return std::find(kAgentLabels.begin(), kAgentLabels.end(), name) != kAgentLabels.end();
}

// The rows of one label whose value passes, or (`passing` false) does not. A row has at most one value of a label, so
// the lists to be joined have nothing in common.
std::vector<Row> rows_by_value(const Layout::LabelIndex& index, const Matcher& matcher, bool passing) {
    std::vector<Row> rows;
    if (matcher.op() == MatchOp::kEqual && passing) {
        auto found = index.find(matcher.value());
        return {found.begin(), found.end()};
    }
    std::size_t lists = 0;
    for (std::size_t value = 0; value < index.values.size(); ++value) {
        if (matcher.matches(index.values[value]) != passing) continue;
        auto found = index.rows_of(value);
        rows.insert(rows.end(), found.begin(), found.end());
        ++lists;
    }
    if (lists > 1) std::sort(rows.begin(), rows.end());
    return rows;
}

// Whether the VM passes a matcher on a label that the agent owns.
bool selects_vm(const Matcher& matcher, const VmInfo& vm, const HostLabels& host) {
    const std::string& name = matcher.label();
    if (name == "vm_id") return matcher.matches(vm.vm_id);
    if (name == "component") return matcher.matches(vm.component);
    return matcher.matches(name == "instance" ? host.instance : host.job);
}

std::vector<Row> all_rows(const Layout& layout) {
    std::vector<Row> rows(layout.size());
    std::iota(rows.begin(), rows.end(), Row{0});
    return rows;
}

}  // namespace

std::vector<Row> select_rows(const Layout& layout, const std::vector<const Matcher*>& matchers) {
    // First those that need their label: they name the rows to keep.
    std::optional<std::vector<Row>> kept;
    for (const Matcher* matcher : matchers) {
        if (matcher->matches_empty()) continue;
        const Layout::LabelIndex* index = layout.label(matcher->label());
        if (!index) return {};
        std::vector<Row> rows = rows_by_value(*index, *matcher, true);
        if (kept) {
            std::vector<Row> both;
            std::set_intersection(kept->begin(), kept->end(), rows.begin(), rows.end(), std::back_inserter(both));
            rows = std::move(both);
        }
        if (rows.empty()) return {};
        kept = std::move(rows);
    }
    if (!kept) kept = all_rows(layout);
    // Then those that a missing label passes: they name the rows to drop.
    for (const Matcher* matcher : matchers) {
        const Layout::LabelIndex* index = layout.label(matcher->label());
        if (!matcher->matches_empty() || !index) continue;
        const std::vector<Row> drop = rows_by_value(*index, *matcher, false);
        std::vector<Row> rest;
        std::set_difference(kept->begin(), kept->end(), drop.begin(), drop.end(), std::back_inserter(rest));
        kept = std::move(rest);
    }
    return std::move(*kept);
}

bool selects_vm(const Selector& selector, const VmInfo& vm, const HostLabels& host) {
    return std::ranges::all_of(selector.matchers, [&](const Matcher& matcher) {
        return !is_agent_label(matcher.label()) || selects_vm(matcher, vm, host);
    });
}

Selection select(std::span<const CatalogVmPtr> vms, const Selector& selector, const HostLabels& host) {
    std::vector<const Matcher*> of_agent, of_schema;
    for (const Matcher& matcher : selector.matchers) {
        (is_agent_label(matcher.label()) ? of_agent : of_schema).push_back(&matcher);
    }
    const auto is_meant = [&](const CatalogVmPtr& vm) {
        return std::ranges::all_of(of_agent, [&](const Matcher* one) { return selects_vm(*one, vm->known(), host); });
    };
    Selection selection;
    std::map<const Layout*, std::shared_ptr<const std::vector<Row>>> rows_of;
    for (const CatalogVmPtr& vm : vms) {
        if (!is_meant(vm)) continue;
        auto layout = vm->layout();
        if (!layout) {
            selection.warnings.push_back("VM " + vm->key() + " was left out: " + layout.error().message());
            continue;
        }
        auto& rows = rows_of[layout->get()];
        if (!rows) rows = std::make_shared<const std::vector<Row>>(select_rows(**layout, of_schema));
        if (!rows->empty()) selection.vms.push_back({vm, std::move(*layout), rows});
    }
    return selection;
}

}  // namespace ringside::agent
