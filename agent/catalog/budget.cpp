#include "agent/catalog/budget.h"

#include <cstdio>
#include <iterator>

#include "agent/base/bytes.h"

namespace ringside::agent {
namespace {

const char* budget_subject(BudgetKind kind) {
    switch (kind) {
        case BudgetKind::kVmBytes: return "bytes of one VM's segments";
        case BudgetKind::kVmSeries: return "series of one VM";
        case BudgetKind::kVmLabelBytes: return "label bytes of one VM";
        case BudgetKind::kHostBytes: return "bytes of all segments of this host";
        case BudgetKind::kHostSeries: return "series of all segments of this host";
        case BudgetKind::kHostLabelBytes: return "label bytes of all segments of this host";
        case BudgetKind::kHostSegments: return "segments of this host";
        case BudgetKind::kAdmitted: return "bytes, series or label bytes admitted for this VM";
    }
    return "budget";
}

// "12", and of bytes "16777216 (16.0 MiB)": the exact number too, for two that look alike may be one byte apart.
std::string amount_text(BudgetKind kind, std::uint64_t amount) {
    std::string text = std::to_string(amount);
    const bool bytes = kind == BudgetKind::kVmBytes || kind == BudgetKind::kVmLabelBytes ||
                       kind == BudgetKind::kHostBytes || kind == BudgetKind::kHostLabelBytes;
    if (!bytes || amount < 1024) return text;
    const char* const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double scaled = static_cast<double>(amount) / 1024;
    std::size_t unit = 0;
    for (; scaled >= 1024 && unit + 1 < std::size(units); ++unit) scaled /= 1024;
    char rounded[16];
    std::snprintf(rounded, sizeof rounded, "%.1f", scaled);
    return text + " (" + rounded + " " + units[unit] + ")";
}

}  // namespace

Demand& Demand::operator+=(const Demand& other) {
    auto add = [](std::uint64_t a, std::uint64_t b) { return checked_add(a, b).value_or(UINT64_MAX); };
    segment_bytes = add(segment_bytes, other.segment_bytes);
    series = add(series, other.series);
    label_bytes = add(label_bytes, other.label_bytes);
    return *this;
}

Demand& Demand::operator-=(const Demand& other) {
    segment_bytes -= other.segment_bytes;
    series -= other.series;
    label_bytes -= other.label_bytes;
    return *this;
}

Demand demand_of(const VmInfo& vm, const SchemaInfo& schema) {
    return {vm.segment_bytes, schema.series_capacity, schema.label_arena_bytes};
}

const char* budget_name(BudgetKind kind) {
    switch (kind) {
        case BudgetKind::kVmBytes: return "vm-bytes";
        case BudgetKind::kVmSeries: return "vm-series";
        case BudgetKind::kVmLabelBytes: return "vm-label-bytes";
        case BudgetKind::kHostBytes: return "host-bytes";
        case BudgetKind::kHostSeries: return "host-series";
        case BudgetKind::kHostLabelBytes: return "host-label-bytes";
        case BudgetKind::kHostSegments: return "host-segments";
        case BudgetKind::kAdmitted: return "admitted";
    }
    return "unknown";
}

std::string OverBudget::message() const {
    std::string text = "over budget: at most " + amount_text(kind, limit) + " " + budget_subject(kind) +
                       " are allowed, " + amount_text(kind, used) + " are taken and " + amount_text(kind, asked) +
                       " were asked for; ";
    const std::string raise = std::string("raise the agent's option ") + budget_name(kind);
    switch (kind) {
        case BudgetKind::kAdmitted: return text + "admit the VM again with what it needs";
        case BudgetKind::kVmBytes:
        case BudgetKind::kVmSeries:
        case BudgetKind::kVmLabelBytes: return text + "give the VM a smaller schema, or " + raise;
        case BudgetKind::kHostBytes:
        case BudgetKind::kHostSeries:
        case BudgetKind::kHostLabelBytes:
        case BudgetKind::kHostSegments: break;
    }
    return text + "end or drain other VMs, or " + raise;
}

std::optional<OverBudget> first_over(std::initializer_list<OverBudget> lines) {
    for (const OverBudget& line : lines) {
        // Not `used + asked > limit`: what is asked for comes from outside and may be anything.
        const bool fits = line.asked <= line.limit && line.used <= line.limit - line.asked;
        if (line.limit != 0 && !fits) return line;
    }
    return std::nullopt;
}

std::optional<OverBudget> check_vm(const Budgets& budgets, const Demand& used, const Demand& asked) {
    return first_over({
        {BudgetKind::kVmBytes, budgets.vm_bytes, used.segment_bytes, asked.segment_bytes},
        {BudgetKind::kVmSeries, budgets.vm_series, used.series, asked.series},
        {BudgetKind::kVmLabelBytes, budgets.vm_label_bytes, used.label_bytes, asked.label_bytes},
    });
}

std::optional<OverBudget> check_host(const Budgets& budgets, const Demand& used, std::uint64_t segments,
                                     const Demand& asked) {
    return first_over({
        {BudgetKind::kHostBytes, budgets.host_bytes, used.segment_bytes, asked.segment_bytes},
        {BudgetKind::kHostSeries, budgets.host_series, used.series, asked.series},
        {BudgetKind::kHostLabelBytes, budgets.host_label_bytes, used.label_bytes, asked.label_bytes},
        {BudgetKind::kHostSegments, budgets.host_segments, segments, 1},
    });
}

std::optional<OverBudget> check_admitted(const Demand& admitted, const Demand& used, const Demand& asked) {
    return first_over({
        {BudgetKind::kAdmitted, admitted.segment_bytes, used.segment_bytes, asked.segment_bytes},
        {BudgetKind::kAdmitted, admitted.series, used.series, asked.series},
        {BudgetKind::kAdmitted, admitted.label_bytes, used.label_bytes, asked.label_bytes},
    });
}

}  // namespace ringside::agent
