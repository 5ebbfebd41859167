// Selection: which series of which VMs a selector means.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/base/labels.h"
#include "agent/catalog/catalog.h"
#include "agent/promql/syntax/matcher.h"

namespace ringside::agent {

// The rows of one layout that pass all `matchers`, which are about labels of the schema. Rising. Costs by the label
// values looked at and the rows found, not by the rows of the layout, as long as some matcher needs its label there.
std::vector<Row> select_rows(const Layout& layout, const std::vector<const Matcher*>& matchers);

// One VM and the series of it that were meant: at least one.
struct SelectedVm {
    CatalogVmPtr vm;
    std::shared_ptr<const Layout> layout;
    std::shared_ptr<const std::vector<Row>> rows;  // of the layout; shared by all VMs that have it
};

struct Selection {
    std::vector<SelectedVm> vms;        // in the order of the view
    std::vector<std::string> warnings;  // VMs that may hold series but could not be looked at, and why
};

// Matchers on labels that the agent owns (vm_id, component, instance, job) choose VMs, the others choose rows, once for
// each layout. `vms` is what there is to choose from.
Selection select(std::span<const CatalogVmPtr> vms, const Selector& selector, const HostLabels& host);

// Whether the VM itself passes: the matchers on labels that the agent owns, and no others.
bool selects_vm(const Selector& selector, const VmInfo& vm, const HostLabels& host);

}  // namespace ringside::agent
