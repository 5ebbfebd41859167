#include "tools/bridge/host/kernel_stat.h"

#include <algorithm>

#include "tools/bridge/text.h"

namespace ringside::bridge {
namespace {

// The kernel's USER_HZ, part of its ABI: 100 on every architecture that runs VMs.
constexpr double kTicksPerSecond = 100.0;
constexpr std::uint64_t kRestartTicks = 300;
constexpr std::size_t kFewestModes = 4;

bool parse_cpu(std::string_view cpu, std::string_view numbers, CpuTimes& out) {
    out.cpu = cpu;
    out.modes = 0;
    std::string_view word;
    while (out.modes < out.ticks.size() && next_word(numbers, word)) {
        if (!parse_number(word, out.ticks[out.modes])) return false;
        ++out.modes;
    }
    return out.modes >= kFewestModes &&
           std::all_of(cpu.begin(), cpu.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint64_t>* total_of(std::string_view key, KernelStat& stat) {
    if (key == "intr") return &stat.interrupts;
    if (key == "ctxt") return &stat.context_switches;
    if (key == "processes") return &stat.forks;
    if (key == "btime") return &stat.boot_time_s;
    if (key == "procs_running") return &stat.procs_running;
    if (key == "procs_blocked") return &stat.procs_blocked;
    return nullptr;
}

}  // namespace

void parse_kernel_stat(std::string_view text, KernelStat& out) {
    out.cpus.clear();
    out.interrupts = out.context_switches = out.forks = out.boot_time_s = out.procs_running = out.procs_blocked = {};
    out.bad_lines = 0;
    std::string_view line;
    while (next_line(text, line)) {
        std::string_view key;
        if (!next_word(line, key) || key == "cpu") continue;  // "cpu" alone is the sum of the others.
        if (key.starts_with("cpu")) {
            CpuTimes times{};
            if (parse_cpu(key.substr(3), line, times)) {
                out.cpus.push_back(times);
            } else {
                ++out.bad_lines;
            }
            continue;
        }
        std::optional<std::uint64_t>* total = total_of(key, out);
        std::uint64_t value = 0;
        if (!total) continue;
        if (next_number(line, value)) {
            *total = value;
        } else {
            ++out.bad_lines;
        }
    }
}

void KernelStatSource::Mode::feed(std::uint64_t ticks) {
    if (ticks < highest_ticks && highest_ticks - ticks < kRestartTicks) return;
    series.feed(static_cast<double>(ticks) / kTicksPerSecond);
    highest_ticks = ticks;
}

ReadResult KernelStatSource::read() {
    if (ReadResult result = read_file(file_, path_); result.status != ReadResult::Status::kGood) return result;
    parse_kernel_stat(file_.text(), stat_);
    return read_result(path_, stat_.bad_lines);
}

void KernelStatSource::record(Recorder& recorder) {
    cpus_.begin(recorder.room("node_cpu_seconds_total", kCpuModes.size()));
    for (const CpuTimes& times : stat_.cpus) {
        Cpu* cpu = cpus_.find_or_add(times.cpu, [&] {
            Cpu made;
            for (std::size_t i = 0; i < times.modes; ++i) {
                const bool guest = i >= kCpuModes.size();
                made.modes[i].series =
                    recorder.total_seconds(guest ? "node_cpu_guest_seconds_total" : "node_cpu_seconds_total",
                                           {times.cpu, guest ? kGuestModes[i - kCpuModes.size()] : kCpuModes[i]});
            }
            return made;
        });
        if (!cpu) continue;
        for (std::size_t i = 0; i < times.modes; ++i) cpu->modes[i].feed(times.ticks[i]);
    }
    recorder.left_out(name(), cpus_.left_out());
    record_totals(recorder);
}

void KernelStatSource::record_totals(Recorder& recorder) {
    if (!totals_) {
        totals_ = Totals{recorder.total("node_intr_total"),      recorder.total("node_context_switches_total"),
                         recorder.total("node_forks_total"),     recorder.reading("node_boot_time_seconds"),
                         recorder.reading("node_procs_running"), recorder.reading("node_procs_blocked")};
    }
    if (stat_.interrupts) totals_->interrupts.feed(*stat_.interrupts);
    if (stat_.context_switches) totals_->context_switches.feed(*stat_.context_switches);
    if (stat_.forks) totals_->forks.feed(*stat_.forks);
    if (stat_.boot_time_s) totals_->boot_time.set(static_cast<double>(*stat_.boot_time_s));
    if (stat_.procs_running) totals_->running.set(static_cast<double>(*stat_.procs_running));
    if (stat_.procs_blocked) totals_->blocked.set(static_cast<double>(*stat_.procs_blocked));
}

}  // namespace ringside::bridge
