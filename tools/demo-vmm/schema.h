// What a demo VMM records, declared the way a VMM author would: constant data in the program itself. The names are
// those of the standard `vmm` schema (libwriter/schemas/vmm.toml), cut down to what the three kinds of thread do.
#pragma once

#include <ringside/ringside.hpp>

namespace demo {

inline constexpr const char* kVcpuLabels[] = {"vcpu"};
inline constexpr const char* kFaultLabels[] = {"kind"};
inline constexpr const char* kBlockLabels[] = {"device", "op"};
inline constexpr const char* kDeviceLabels[] = {"device"};
inline constexpr const char* kInfoLabels[] = {"vmm", "image"};

// Bounds of the latency histograms: 1 us to 10 s, four buckets per factor of two (19 % apart).
inline constexpr rside_metric latency(const char* name, const char* help, const char* const* labels,
                                      uint32_t label_count, uint32_t max_series) {
    return {name, RSIDE_HISTOGRAM, 0, "seconds", help, labels, label_count, max_series, 2, 1e-6, 10.0};
}

inline constexpr rside_metric plain(const char* name, rside_kind kind, const char* unit, const char* help,
                                    const char* const* labels, uint32_t label_count, uint32_t max_series,
                                    uint8_t flags = 0) {
    return {name, static_cast<uint8_t>(kind), flags, unit, help, labels, label_count, max_series, 0, 0.0, 0.0};
}

inline constexpr rside_metric kMetrics[] = {
    plain("vmm_info", RSIDE_INFO, "", "What runs here.", kInfoLabels, 2, 1),
    plain("vmm_vcpu_run_seconds_total", RSIDE_COUNTER_F64, "seconds", "CPU time of the vCPU thread.", kVcpuLabels, 1,
          4),
    plain("vmm_vcpu_exits_total", RSIDE_COUNTER, "", "Rounds of the vCPU loop.", kVcpuLabels, 1, 4),
    latency("vmm_vcpu_exit_duration_seconds", "Time to handle one exit.", kVcpuLabels, 1, 4),
    plain("vmm_memory_faults_total", RSIDE_COUNTER, "", "Page faults of the vCPU threads.", kFaultLabels, 1, 2,
          RSIDE_METRIC_SHARED),
    plain("vmm_memory_resident_bytes", RSIDE_LEVEL, "bytes", "Resident memory of the process.", nullptr, 0, 1),
    plain("vmm_block_requests_total", RSIDE_COUNTER, "", "Requests that ended.", kBlockLabels, 2, 4),
    plain("vmm_block_bytes_total", RSIDE_COUNTER, "bytes", "Bytes moved.", kBlockLabels, 2, 4),
    latency("vmm_block_request_duration_seconds", "Time of one request on the backing file.", kBlockLabels, 2, 4),
    plain("vmm_block_queue_depth", RSIDE_LEVEL, "", "Requests in flight.", kDeviceLabels, 1, 1),
    plain("vmm_timer_lateness_seconds", RSIDE_GAUGE, "seconds", "How late a 10 ms timer woke up.", nullptr, 0, 1),
};

inline constexpr rside_schema kSchema = {
    "demo_vmm", 1, rside_default_tiers, 3, kMetrics, sizeof kMetrics / sizeof kMetrics[0], 0};

}  // namespace demo
