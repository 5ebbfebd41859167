// /proc/stat: the time of each CPU by mode, and some totals of the whole kernel.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bridge/device_table.h"
#include "tools/bridge/source.h"

namespace ringside::bridge {

// In the order of a line of /proc/stat.
inline constexpr std::array<const char*, 8> kCpuModes = {"user",   "nice", "system",  "idle",
                                                         "iowait", "irq",  "softirq", "steal"};
inline constexpr std::array<const char*, 2> kGuestModes = {"user", "nice"};

struct CpuTimes {
    std::string_view cpu;                 // "0"
    std::array<std::uint64_t, 10> ticks;  // kCpuModes, then kGuestModes
    std::size_t modes;                    // how many of them this kernel prints, at least 4
};

struct KernelStat {
    std::vector<CpuTimes> cpus;
    std::optional<std::uint64_t> interrupts, context_switches, forks, boot_time_s, procs_running, procs_blocked;
    std::size_t bad_lines = 0;
};

// Replaces what is in `out`. Views point into `text`.
void parse_kernel_stat(std::string_view text, KernelStat& out);

class KernelStatSource : public Source {
  public:
    explicit KernelStatSource(const std::string& proc) : path_(proc + "/stat") {}
    std::string_view name() const override { return "stat"; }
    ReadResult read() override;
    void record(Recorder& recorder) override;

  private:
    // One mode of one CPU. The kernel's idle and iowait go a little back now and then and come again: the series holds
    // until they are past where they were. Three seconds back are a CPU that was unplugged, as node_exporter has it.
    struct Mode {
        TotalSeconds series;
        std::uint64_t highest_ticks = 0;
        void feed(std::uint64_t ticks);
    };
    struct Cpu {
        std::array<Mode, 10> modes;
    };
    struct Totals {
        Total interrupts, context_switches, forks;
        Reading boot_time, running, blocked;
    };

    void record_totals(Recorder& recorder);

    std::string path_;
    FileReader file_;
    KernelStat stat_;
    DeviceTable<Cpu> cpus_;
    std::optional<Totals> totals_;
};

}  // namespace ringside::bridge
