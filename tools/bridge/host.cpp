#include "tools/bridge/host.h"

#include <spdlog/spdlog.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "libwriter/toml/schema_toml.h"
#include "libwriter/toml/standard_schemas.h"
#include "tools/bridge/host/disk.h"
#include "tools/bridge/host/kernel_stat.h"
#include "tools/bridge/host/load.h"
#include "tools/bridge/host/memory.h"
#include "tools/bridge/host/network.h"
#include "tools/bridge/host/paging.h"
#include "tools/bridge/host/pressure.h"
#include "tools/bridge/metronome.h"
#include "tools/bridge/text.h"

namespace ringside::bridge {
namespace {

using Status = ReadResult::Status;

constexpr std::size_t kLongestVmId = RSIDE_VM_ID_BYTES - 1;

// Highest number of a list such as "0-3,7"; nothing when it is no such list.
std::uint32_t cpus_of_list(std::string_view list) {
    std::uint64_t last = 0;
    while (!list.empty() && std::isspace(static_cast<unsigned char>(list.back()))) list.remove_suffix(1);
    const auto digits = list.find_last_not_of("0123456789");
    if (!parse_number(list.substr(digits == std::string_view::npos ? 0 : digits + 1), last)) return 0;
    return last < RSIDE_MAX_SERIES ? static_cast<std::uint32_t>(last) + 1 : 0;
}

HostDevices find_devices(const HostOptions& options) {
    HostDevices devices;
    FileReader file;
    if (file.read(options.proc + "/stat") == FileStatus::kRead) {
        KernelStat stat;
        parse_kernel_stat(file.text(), stat);
        devices.cpus = std::max(devices.cpus, static_cast<std::uint32_t>(stat.cpus.size()));
    }
    // CPUs that are there and switched off may be switched on.
    if (file.read(options.sys + "/devices/system/cpu/present") == FileStatus::kRead) {
        devices.cpus = std::max(devices.cpus, cpus_of_list(file.text()));
    }
    const auto room = [](std::size_t found, std::uint32_t most) {
        return std::clamp<std::uint32_t>(static_cast<std::uint32_t>(found) + kSpareDevices, 1, most);
    };
    DiskSource disks(options.proc, DeviceFilter(options.ignored_disks));
    disks.read();
    devices.disks = room(disks.device_count(), options.max_disks);
    NetworkSource network(options.proc, options.sys, DeviceFilter(options.ignored_interfaces));
    network.read();
    devices.interfaces = room(network.device_count(), options.max_interfaces);
    return devices;
}

void record_info(Recorder& recorder) {
    utsname name{};
    if (uname(&name) != 0) return;
    recorder.info("node_uname_info",
                  {name.sysname, name.release, name.version, name.machine, name.nodename, name.domainname});
}

}  // namespace

OwnedSchema host_schema(const HostDevices& devices) {
    SchemaResult result = schema_from_toml(schemas::host_toml, "host");
    OwnedSchema schema = std::move(result).value();  // Compiled in, and tested.
    for (std::uint32_t i = 0; i < schema->metric_count; ++i) {
        const rside_metric& metric = schema->metrics[i];
        const std::string_view name = metric.name;
        std::uint32_t count = 1;
        if (name.starts_with("node_cpu_")) count = devices.cpus;
        if (name.starts_with("node_disk_")) count = devices.disks;
        if (name.starts_with("node_network_")) count = devices.interfaces;
        schema.set_max_series(name, metric.max_series * count);
    }
    return schema;
}

std::string vm_id_of(std::string_view host_name) {
    std::string id;
    for (const char letter : host_name.substr(0, kLongestVmId)) {
        const bool plain =
            std::isalnum(static_cast<unsigned char>(letter)) || letter == '.' || letter == '_' || letter == '-';
        id += plain ? letter : '-';
    }
    const auto first = std::find_if(id.begin(), id.end(), [](unsigned char letter) { return std::isalnum(letter); });
    id.erase(id.begin(), first);
    return id.empty() ? "host" : id;
}

std::unique_ptr<HostCollector> HostCollector::create(const HostOptions& options, std::string& error) {
    std::unique_ptr<HostCollector> host(new HostCollector(host_schema(find_devices(options))));
    std::string vm_id = options.vm_id;
    if (vm_id.empty()) {
        utsname name{};
        uname(&name);
        vm_id = vm_id_of(name.nodename);
    }
    rside_options segment;
    rside_options_init(&segment);
    segment.vm_id = vm_id.c_str();
    segment.component = "host";
    segment.directory = options.directory.c_str();
    segment.schema = host->schema_.get();
    segment.clock = RSIDE_CLOCK_TICK;
    host->recorder_ = Recorder::create(segment, error);
    if (!host->recorder_) return nullptr;

    Recorder& recorder = *host->recorder_;
    recorder.tick(realtime_ns());
    record_info(recorder);
    host->missed_beats_ = recorder.counter("ringside_bridge_missed_intervals_total");
    host->watch(std::make_unique<KernelStatSource>(options.proc));
    host->watch(std::make_unique<LoadSource>(options.proc));
    host->watch(
        std::make_unique<PressureSource>(options.proc, "cpu", "node_pressure_cpu_waiting_seconds_total", nullptr));
    host->watch(std::make_unique<PressureSource>(options.proc, "memory", "node_pressure_memory_waiting_seconds_total",
                                                 "node_pressure_memory_stalled_seconds_total"));
    host->watch(std::make_unique<PressureSource>(options.proc, "io", "node_pressure_io_waiting_seconds_total",
                                                 "node_pressure_io_stalled_seconds_total"));
    host->watch(std::make_unique<MemorySource>(options.proc));
    host->watch(std::make_unique<PagingSource>(options.proc));
    host->watch(std::make_unique<DiskSource>(options.proc, DeviceFilter(options.ignored_disks)));
    host->watch(std::make_unique<NetworkSource>(options.proc, options.sys, DeviceFilter(options.ignored_interfaces)));
    return host;
}

void HostCollector::watch(std::unique_ptr<Source> source) {
    rside_counter failures = recorder_->counter("ringside_bridge_failed_reads_total", {source->name()});
    rside_counter_add(failures, 0);
    sources_.push_back({std::move(source), failures});
}

// Logs when a source changes its state, not each second that it stays in it.
void HostCollector::report(Watched& watched, const ReadResult& result) {
    if (result.status == Status::kFailed || result.status == Status::kPartly) rside_counter_add(watched.failures, 1);
    if (result.status == watched.last) return;
    watched.last = result.status;
    switch (result.status) {
        case Status::kGood: spdlog::info("{}: is read again", watched.source->name()); break;
        case Status::kPartly: spdlog::warn("{}", result.why); break;
        case Status::kAbsent: spdlog::info("{}; its metrics stay absent", result.why); break;
        case Status::kFailed: spdlog::error("{}; its metrics are absent until it can be read", result.why); break;
    }
}

void HostCollector::pass(std::uint64_t missed_beats) {
    for (Watched& watched : sources_) {
        const ReadResult result = watched.source->read();
        recorder_->tick(realtime_ns());
        report(watched, result);
        if (result.status == Status::kGood || result.status == Status::kPartly) watched.source->record(*recorder_);
    }
    rside_counter_add(missed_beats_, missed_beats);
}

}  // namespace ringside::bridge
