#include "agent/own_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "agent/base/clock.h"

namespace ringside::agent {
namespace {

constexpr VmState kStates[] = {VmState::kProvisioned, VmState::kRunning, VmState::kExited, VmState::kDrained};

std::vector<MetricSample> vms_by_state(const Catalog& catalog) {
    std::uint64_t counts[4] = {};
    const auto view = catalog.view();
    for (const CatalogVmPtr& vm : view->vms) ++counts[static_cast<std::size_t>(vm->state())];
    std::vector<MetricSample> samples;
    for (VmState state : kStates) {
        samples.push_back(
            {{{"state", vm_state_name(state)}}, static_cast<double>(counts[static_cast<std::size_t>(state)])});
    }
    return samples;
}

// Resident pages of this process; 0 when /proc does not say.
double resident_bytes() {
    FILE* file = std::fopen("/proc/self/statm", "re");
    if (!file) return 0;
    unsigned long size = 0, resident = 0;
    const int fields = std::fscanf(file, "%lu %lu", &size, &resident);
    std::fclose(file);
    return fields == 2 ? static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

double cpu_seconds() {
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) < 0) return 0;
    auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void export_process(Metrics& metrics) {
    auto one = [](double value) { return std::vector<MetricSample>{{{}, value}}; };
    metrics.gauge("ringside_build_info", "Version of this agent.", {{"version", RINGSIDE_VERSION}}).set(1);
    metrics.gauge("ringside_start_seconds", "When this agent started, in seconds since 1970.")
        .set(static_cast<double>(realtime_ns()) / 1e9);
    metrics.collect(MetricType::kGauge, "ringside_resident_bytes", "Memory of this process that is resident.",
                    [one] { return one(resident_bytes()); });
    metrics.collect(MetricType::kCounter, "ringside_cpu_seconds_total", "CPU time of this process.",
                    [one] { return one(cpu_seconds()); });
}

}  // namespace

void export_own_metrics(Metrics& metrics, Catalog& catalog, const EventBus& events) {
    auto gauge = [&](const char* name, const char* help, std::function<double()> value) {
        metrics.collect(MetricType::kGauge, name, help, [value = std::move(value)] {
            return std::vector<MetricSample>{{{}, value()}};
        });
    };
    export_process(metrics);
    metrics.collect(MetricType::kGauge, "ringside_vms", "VM epochs by state.", [&] { return vms_by_state(catalog); });
    metrics.collect(MetricType::kGauge, "ringside_quarantined_files", "Files that are not served, by reason.", [&] {
        std::vector<MetricSample> samples;
        for (const auto& [reason, count] : catalog.quarantined_by_reason()) {
            samples.push_back({{{"reason", reason}}, static_cast<double>(count)});
        }
        return samples;
    });
    metrics.collect(MetricType::kCounter, "ringside_quarantine_overflows_total",
                    "Times that a bad file found no room in the list of quarantined files.", [&] {
                        return std::vector<MetricSample>{{{}, static_cast<double>(catalog.quarantine_overflowed())}};
                    });
    metrics.collect(MetricType::kCounter, "ringside_quarantine_untold_total",
                    "Files put into quarantine without a line in the log and an event: their user had too many.", [&] {
                        return std::vector<MetricSample>{{{}, static_cast<double>(catalog.quarantine_untold())}};
                    });
    gauge("ringside_segment_bytes", "Bytes of all segments that were taken in.",
          [&] { return static_cast<double>(catalog.usage().segments.segment_bytes); });
    gauge("ringside_segment_series", "Series that all segments taken in have room for.",
          [&] { return static_cast<double>(catalog.usage().segments.series); });
    gauge("ringside_admissions_waiting", "Admissions whose VM has not come yet.",
          [&] { return static_cast<double>(catalog.usage().reserved_count); });
    gauge("ringside_layouts", "Different sets of series that VMs share.",
          [&] { return static_cast<double>(catalog.layouts().size()); });
    gauge("ringside_layout_bytes", "Memory of the index of all layouts.",
          [&] { return static_cast<double>(catalog.layouts().memory_bytes()); });
    gauge("ringside_event_sequence", "Sequence number of the next event.",
          [&] { return static_cast<double>(events.next_sequence()); });
}

}  // namespace ringside::agent
