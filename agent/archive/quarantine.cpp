// The store's corrupt files and its metrics.
#include <sys/stat.h>

#include <algorithm>

#include "agent/archive/store.h"

namespace ringside::agent {

namespace {

constexpr char kQuarantine[] = "/quarantine";
constexpr char kReasonSuffix[] = ".reason";
constexpr std::uint64_t kNsPerS = 1'000'000'000;

}  // namespace

// Out of the way of the next write, but still there for whoever wants to know what happened.
void ArchiveStore::set_aside(const std::string& name, const Error& why) {
    const std::string folder = directory_ + kQuarantine;
    std::string key = name.substr(0, name.size() - std::string(kArchiveSuffix).size());
    {
        std::lock_guard lock(mutex_);
        ++status_.corrupt_files;
        index_.erase(key);
    }
    // A failure here loses nothing: the file stays where it is, out of the index, and the next write replaces it.
    if (!make_directories(fs_, folder).ok()) return;
    if (fs_.rename(directory_ + "/" + name, folder + "/" + name) < 0) return;
    static_cast<void>(write_file_durably(fs_, folder + "/" + name + kReasonSuffix, why.message() + "\n"));
    static_cast<void>(sync_directory(fs_, directory_));
    static_cast<void>(scan_quarantine());
}

Result<void> ArchiveStore::scan_quarantine() {
    const std::string folder = directory_ + kQuarantine;
    std::vector<Quarantined> found;
    Result<std::vector<std::string>> names = list_directory(fs_, folder);
    if (!names.ok() && names.error().code != Code::kNotFound) return names.error();
    if (names.ok()) {
        for (const std::string& name : *names) {
            struct stat status {};
            if (fs_.lstat(folder + "/" + name, &status) < 0) continue;
            found.push_back({name, static_cast<std::uint64_t>(status.st_size),
                             static_cast<std::uint64_t>(status.st_mtim.tv_sec) * kNsPerS});
        }
    }
    std::sort(found.begin(), found.end(), [](const Quarantined& a, const Quarantined& b) {
        return std::tie(a.changed_ns, a.name) < std::tie(b.changed_ns, b.name);
    });
    quarantined_ = std::move(found);
    count([this](ArchiveStatus& status) {
        status.quarantined_files = quarantined_.size();
        status.quarantined_bytes = 0;
        for (const Quarantined& one : quarantined_) status.quarantined_bytes += one.bytes;
    });
    return {};
}

// Corrupt files go by the same age as good ones, and before any good one when bytes are short.
void ArchiveStore::evict_quarantined(std::uint64_t now_ns) {
    std::uint64_t age_ns = bounds().max_age_s * kNsPerS;
    bool removed = false;
    std::uint64_t over = 0;
    count([&](ArchiveStatus& status) {
        std::uint64_t bytes = index_.bytes() + status.quarantined_bytes;
        over = bytes > bounds_.max_bytes ? bytes - bounds_.max_bytes : 0;
    });
    for (const Quarantined& one : quarantined_) {
        bool old = now_ns > age_ns && one.changed_ns < now_ns - age_ns;
        if (!old && over == 0) break;
        if (auto gone = remove_file(fs_, directory_ + kQuarantine + "/" + one.name); !gone.ok()) {
            note_evict_error(gone.error(), now_ns);
            continue;
        }
        over -= std::min(over, one.bytes);
        removed = true;
    }
    if (removed) static_cast<void>(scan_quarantine());
}

void ArchiveStore::export_to(Metrics& metrics) const {
    auto one = [&](MetricType type, const char* name, const char* help, std::uint64_t ArchiveStatus::*field) {
        metrics.collect(type, name, help, [this, field] {
            return std::vector<MetricSample>{{{}, static_cast<double>(status().*field)}};
        });
    };
    auto by_reason = [&](const char* name, const char* help,
                         std::array<std::uint64_t, kEvictReasons> ArchiveStatus::*field) {
        metrics.collect(MetricType::kCounter, name, help, [this, field] {
            ArchiveStatus now = status();
            std::vector<MetricSample> samples;
            for (std::size_t i = 0; i < kEvictReasons; ++i) {
                const char* reason = evict_reason_name(static_cast<EvictReason>(i));
                samples.push_back({{{"reason", reason}}, static_cast<double>((now.*field)[i])});
            }
            return samples;
        });
    };
    constexpr auto gauge = MetricType::kGauge;
    constexpr auto counter = MetricType::kCounter;
    one(gauge, "ringside_archive_files", "Archived VMs.", &ArchiveStatus::files);
    one(gauge, "ringside_archive_bytes", "Bytes of archived VMs.", &ArchiveStatus::bytes);
    one(gauge, "ringside_archive_quarantined_files", "Corrupt archive files set aside.",
        &ArchiveStatus::quarantined_files);
    one(gauge, "ringside_archive_newer_files", "Archive files that a newer version wrote.",
        &ArchiveStatus::newer_files);
    one(gauge, "ringside_archive_unreadable_files", "Archive files that could not be read.",
        &ArchiveStatus::unreadable_files);
    one(counter, "ringside_archive_corrupt_files_total", "Archive files found corrupt.", &ArchiveStatus::corrupt_files);
    one(counter, "ringside_archive_written_files_total", "VMs archived.", &ArchiveStatus::written_files);
    one(counter, "ringside_archive_written_bytes_total", "Bytes archived.", &ArchiveStatus::written_bytes);
    one(counter, "ringside_archive_write_errors_total", "Archive files that could not be written.",
        &ArchiveStatus::write_errors);
    one(counter, "ringside_archive_unreadable_runs_total", "Series and tiers that a segment could not give any more.",
        &ArchiveStatus::unreadable_runs);
    one(counter, "ringside_archive_evict_errors_total", "Archive files that could not be removed.",
        &ArchiveStatus::evict_errors);
    by_reason("ringside_archive_evicted_files_total", "Archived VMs evicted.", &ArchiveStatus::evicted_files);
    by_reason("ringside_archive_evicted_bytes_total", "Bytes of archived VMs evicted.", &ArchiveStatus::evicted_bytes);
}

}  // namespace ringside::agent
