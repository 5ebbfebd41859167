// The collector of this host: /proc and /sys, once per beat, into a segment of component `host`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libwriter/toml/owned_schema.h"
#include "tools/bridge/host/device_filter.h"
#include "tools/bridge/recorder.h"
#include "tools/bridge/source.h"

namespace ringside::bridge {

struct HostOptions {
    std::string directory = RSIDE_DEFAULT_DIRECTORY;
    std::string vm_id;  // empty: the host's name
    std::string proc = "/proc";
    std::string sys = "/sys";
    std::vector<std::string> ignored_disks = default_ignored_disks();
    std::vector<std::string> ignored_interfaces = default_ignored_interfaces();
    // Room for devices: what is there at start and kSpareDevices, at most this many.
    std::uint32_t max_disks = 32;
    std::uint32_t max_interfaces = 32;
};

// Devices of each kind that may come while the bridge runs.
inline constexpr std::uint32_t kSpareDevices = 4;

// What the segment is sized for.
struct HostDevices {
    std::uint32_t cpus = 1;
    std::uint32_t disks = 1;
    std::uint32_t interfaces = 1;
};

// The schema `host`, fitted to a number of devices.
OwnedSchema host_schema(const HostDevices& devices);

// What can be a vm_id made of a host's name: other characters become '-', and what is too long is cut.
std::string vm_id_of(std::string_view host_name);

class HostCollector {
  public:
    // Looks at the devices, creates the segment and registers what is there. Null, and `error` set, on failure.
    static std::unique_ptr<HostCollector> create(const HostOptions& options, std::string& error);

    // Reads and records everything once. `missed_beats` are counted with it.
    void pass(std::uint64_t missed_beats);

    // Ends the epoch as planned; nothing may follow.
    void close(const char* text) { recorder_->close(text); }

    const Recorder& recorder() const { return *recorder_; }

  private:
    struct Watched {
        std::unique_ptr<Source> source;
        rside_counter failures;
        ReadResult::Status last = ReadResult::Status::kGood;
    };
    HostCollector(OwnedSchema schema) : schema_(std::move(schema)) {}
    void watch(std::unique_ptr<Source> source);
    void report(Watched& watched, const ReadResult& result);

    OwnedSchema schema_;
    std::unique_ptr<Recorder> recorder_;
    std::vector<Watched> sources_;
    rside_counter missed_beats_ = {};
};

}  // namespace ringside::bridge
