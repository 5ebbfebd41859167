// /proc/diskstats
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bridge/device_table.h"
#include "tools/bridge/host/device_filter.h"
#include "tools/bridge/source.h"

namespace ringside::bridge {

// The numbers after the device's name, in the order of Documentation/admin-guide/iostats.rst of the kernel.
inline constexpr std::size_t kDiskFields = 17;
struct DiskStats {
    std::string_view device;
    std::array<std::uint64_t, kDiskFields> fields;
    std::size_t field_count;  // 11; 15 since Linux 4.18 (discards), 17 since 5.5 (flushes)
};

// Replaces what is in `out` and returns how many lines made no sense. Views point into `text`.
std::size_t parse_diskstats(std::string_view text, std::vector<DiskStats>& out);

class DiskSource : public Source {
  public:
    DiskSource(const std::string& proc, DeviceFilter filter) : path_(proc + "/diskstats"), filter_(std::move(filter)) {}
    std::string_view name() const override { return "diskstats"; }
    ReadResult read() override;
    void record(Recorder& recorder) override;

    // Disks of the last read that are not ignored.
    std::size_t device_count() const;

  private:
    // What becomes of each field: a total as it is, a total times a factor, a total of milliseconds, or a reading.
    struct Disk {
        std::array<Total, kDiskFields> totals;
        std::array<TotalSeconds, kDiskFields> seconds;
        Reading io_now;
    };
    static Disk make_disk(const DiskStats& stats, Recorder& recorder);
    static void record_disk(const DiskStats& stats, Disk& disk);

    std::string path_;
    DeviceFilter filter_;
    FileReader file_;
    std::vector<DiskStats> stats_;
    DeviceTable<Disk> disks_;
};

}  // namespace ringside::bridge
