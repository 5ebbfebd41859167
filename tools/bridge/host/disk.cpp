#include "tools/bridge/host/disk.h"

#include <algorithm>

#include "tools/bridge/text.h"

namespace ringside::bridge {
namespace {

constexpr std::size_t kFewestFields = 11;
constexpr std::uint64_t kSectorBytes = 512;  // Of every disk, whatever its own sectors are.
constexpr double kMillisecondsPerSecond = 1000.0;

enum class Meaning { kCount, kSectorsAsBytes, kMilliseconds, kNow };
struct Field {
    const char* metric;
    Meaning meaning;
};

// The kernel keeps the milliseconds in 32 bits, which wrap after 49 days of use: a step back as Total knows it.
constexpr std::array<Field, kDiskFields> kFields = {{
    {"node_disk_reads_completed_total", Meaning::kCount},
    {"node_disk_reads_merged_total", Meaning::kCount},
    {"node_disk_read_bytes_total", Meaning::kSectorsAsBytes},
    {"node_disk_read_time_seconds_total", Meaning::kMilliseconds},
    {"node_disk_writes_completed_total", Meaning::kCount},
    {"node_disk_writes_merged_total", Meaning::kCount},
    {"node_disk_written_bytes_total", Meaning::kSectorsAsBytes},
    {"node_disk_write_time_seconds_total", Meaning::kMilliseconds},
    {"node_disk_io_now", Meaning::kNow},
    {"node_disk_io_time_seconds_total", Meaning::kMilliseconds},
    {"node_disk_io_time_weighted_seconds_total", Meaning::kMilliseconds},
    {"node_disk_discards_completed_total", Meaning::kCount},
    {"node_disk_discards_merged_total", Meaning::kCount},
    {"node_disk_discarded_sectors_total", Meaning::kCount},
    {"node_disk_discard_time_seconds_total", Meaning::kMilliseconds},
    {"node_disk_flush_requests_total", Meaning::kCount},
    {"node_disk_flush_requests_time_seconds_total", Meaning::kMilliseconds},
}};

bool parse_disk(std::string_view line, DiskStats& out) {
    std::uint64_t major = 0;
    std::uint64_t minor = 0;
    if (!next_number(line, major) || !next_number(line, minor) || !next_word(line, out.device)) return false;
    out.field_count = 0;
    std::string_view word;
    while (out.field_count < kDiskFields && next_word(line, word)) {
        if (!parse_number(word, out.fields[out.field_count])) return false;
        ++out.field_count;
    }
    return out.field_count >= kFewestFields;
}

}  // namespace

std::size_t parse_diskstats(std::string_view text, std::vector<DiskStats>& out) {
    out.clear();
    std::size_t bad_lines = 0;
    std::string_view line;
    while (next_line(text, line)) {
        DiskStats stats{};
        if (parse_disk(line, stats)) {
            out.push_back(stats);
        } else {
            ++bad_lines;
        }
    }
    return bad_lines;
}

ReadResult DiskSource::read() {
    if (ReadResult result = read_file(file_, path_); result.status != ReadResult::Status::kGood) return result;
    const std::size_t bad_lines = parse_diskstats(file_.text(), stats_);
    std::erase_if(stats_, [this](const DiskStats& stats) { return filter_.ignores(stats.device); });
    return read_result(path_, bad_lines);
}

std::size_t DiskSource::device_count() const { return stats_.size(); }

DiskSource::Disk DiskSource::make_disk(const DiskStats& stats, Recorder& recorder) {
    Disk disk;
    for (std::size_t i = 0; i < stats.field_count; ++i) {
        const auto& [metric, meaning] = kFields[i];
        switch (meaning) {
            case Meaning::kCount:
            case Meaning::kSectorsAsBytes: disk.totals[i] = recorder.total(metric, {stats.device}); break;
            case Meaning::kMilliseconds: disk.seconds[i] = recorder.total_seconds(metric, {stats.device}); break;
            case Meaning::kNow: disk.io_now = recorder.reading(metric, {stats.device}); break;
        }
    }
    return disk;
}

void DiskSource::record_disk(const DiskStats& stats, Disk& disk) {
    for (std::size_t i = 0; i < stats.field_count; ++i) {
        const std::uint64_t value = stats.fields[i];
        switch (kFields[i].meaning) {
            case Meaning::kCount: disk.totals[i].feed(value); break;
            case Meaning::kSectorsAsBytes: disk.totals[i].feed(value * kSectorBytes); break;
            case Meaning::kMilliseconds:
                disk.seconds[i].feed(static_cast<double>(value) / kMillisecondsPerSecond);
                break;
            case Meaning::kNow: disk.io_now.set(static_cast<double>(value)); break;
        }
    }
}

void DiskSource::record(Recorder& recorder) {
    disks_.begin(recorder.room(kFields[0].metric, 1));
    for (const DiskStats& stats : stats_) {
        Disk* disk = disks_.find_or_add(stats.device, [&] { return make_disk(stats, recorder); });
        if (disk) record_disk(stats, *disk);
    }
    recorder.left_out(name(), disks_.left_out());
}

}  // namespace ringside::bridge
