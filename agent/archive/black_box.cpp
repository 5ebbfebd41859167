#include "agent/archive/black_box.h"

#include <algorithm>
#include <utility>

namespace ringside::agent {

namespace {

// VMs whose files wait for a disk. More of them are given up, and counted.
constexpr std::size_t kWaitingMax = 4096;

// The windows of another source's finest tier that end in a range of time, under another name.
class Excerpt : public SeriesSource {
  public:
    Excerpt(const SeriesSource& from, VmInfo info, std::uint64_t begin_ns, std::uint64_t end_ns)
        : from_(from), info_(std::move(info)), begin_ns_(begin_ns), end_ns_(end_ns) {}

    VmInfo vm() const override { return info_; }
    std::shared_ptr<const SchemaInfo> schema() const override { return from_.schema(); }
    Result<std::vector<SeriesInfo>> series() const override { return from_.series(); }
    Result<SeriesData> read(std::uint32_t series_index, const ReadRequest& request) const override {
        if (request.tier != 0) return SeriesData{};
        ReadRequest within = request;
        within.begin_ns = std::max(request.begin_ns, begin_ns_);
        within.end_ns = std::min(request.end_ns, end_ns_);
        if (within.begin_ns >= within.end_ns) return SeriesData{};
        return from_.read(series_index, within);
    }

  private:
    const SeriesSource& from_;
    const VmInfo info_;
    const std::uint64_t begin_ns_, end_ns_;
};

// Gone from the archive or spoiled there, or something else has its place: no later attempt can do better.
bool hopeless(Code code) {
    return code == Code::kNotFound || code == Code::kCorrupt || code == Code::kExists || code == Code::kInvalid ||
           code == Code::kInternal;
}

std::uint64_t end_of(const VmInfo& vm) { return vm.ended_ns != 0 ? vm.ended_ns : vm.last_write_ns; }

}  // namespace

bool ended_badly(const VmInfo& vm) {
    switch (vm.exit_cause) {
        case ExitCause::kNone:
        case ExitCause::kHostRebooted: return false;
        case ExitCause::kClosed:
        case ExitCause::kExited: return vm.close_code != 0;
        default: return true;
    }
}

BlackBox::BlackBox(FileSystem& fs, std::string directory, const BlackBoxBounds& bounds, HostSource host)
    : files_(fs, {std::move(directory), bounds.files}), host_(std::move(host)), span_ns_(bounds.span_ns) {}

Result<void> BlackBox::keep(const std::shared_ptr<const ArchivedVm>& vm, std::uint64_t now_ns) {
    if (!ended_badly(vm->info())) return {};
    Result<void> written = write(*vm, now_ns);
    const std::string key = vm_key(vm->info());
    std::lock_guard lock(mutex_);
    if (written.ok()) {
        waiting_.erase(key);
        return {};
    }
    ++write_errors_;
    auto waiting = waiting_.find(key);
    if (waiting != waiting_.end()) {
        waiting->second = vm;
        return {};
    }
    if (waiting_.size() < kWaitingMax) {
        waiting_.emplace(key, vm);
    } else {
        ++given_up_;
    }
    return written;
}

Result<void> BlackBox::write(const ArchivedVm& vm, std::uint64_t now_ns) {
    std::uint64_t span_ns = 0;
    {
        std::lock_guard lock(mutex_);
        span_ns = span_ns_;
    }
    if (span_ns == 0 || vm.schema()->tiers.empty()) return {};
    const std::uint64_t end_ns = end_of(vm.info());
    const std::uint64_t begin_ns = end_ns - std::min(end_ns, span_ns);
    const Excerpt excerpt(vm, vm.info(), begin_ns, UINT64_MAX);
    if (auto kept = files_.add(excerpt, vm.info(), now_ns); !kept.ok()) return kept.error();
    return write_host(vm, begin_ns, now_ns);
}

Result<void> BlackBox::write_host(const ArchivedVm& vm, std::uint64_t begin_ns, std::uint64_t now_ns) {
    const std::shared_ptr<const SeriesSource> host = host_ ? host_() : nullptr;
    // Of a component of that name the file has the place that the host's signals would take.
    if (!host || host->schema()->tiers.empty() || vm.info().component == kHostSignals) return {};
    VmInfo info = host->vm();
    // What it is called here follows from the VM; which host it was stands in its text.
    info.close_text = "signals of the host, by " + vm_key(info);
    info.vm_id = vm.info().vm_id;
    info.epoch = vm.info().epoch;
    info.component = kHostSignals;
    info.exit_cause = ExitCause::kNone;
    info.ended_ns = end_of(vm.info());
    info.recorded_hash = vm.info().recorded_hash;
    const std::uint64_t resolution_ns = host->schema()->tiers[0].resolution_s * std::uint64_t{1'000'000'000};
    const Excerpt excerpt(*host, info, begin_ns, end_of(vm.info()) + resolution_ns);
    auto kept = files_.add(excerpt, info, now_ns);
    return kept.ok() ? Result<void>() : kept.error();
}

void BlackBox::maintain(std::uint64_t now_ns) {
    std::map<std::string, std::shared_ptr<const ArchivedVm>> waiting;
    {
        std::lock_guard lock(mutex_);
        waiting = waiting_;
    }
    for (const auto& [key, vm] : waiting) {
        Result<void> written = write(*vm, now_ns);
        std::lock_guard lock(mutex_);
        if (!written.ok()) ++write_errors_;
        const bool gives_up = !written.ok() && hopeless(written.error().code);
        if (gives_up) ++given_up_;
        if (written.ok() || gives_up) {
            waiting_.erase(key);
        } else if (written.error().code != Code::kUnavailable) {
            break;  // the disk is what it was; the others wait for the next round
        }
    }
    files_.maintain(now_ns, {});
}

void BlackBox::set_bounds(const BlackBoxBounds& bounds) {
    files_.set_bounds(bounds.files);
    std::lock_guard lock(mutex_);
    span_ns_ = bounds.span_ns;
}

void BlackBox::export_to(Metrics& metrics) const {
    auto one = [&](MetricType type, const char* name, const char* help, auto value) {
        metrics.collect(type, name, help, [value] {
            return std::vector<MetricSample>{{{}, static_cast<double>(value())}};
        });
    };
    auto counted = [this](std::uint64_t BlackBox::*field) {
        return [this, field] {
            std::lock_guard lock(mutex_);
            return this->*field;
        };
    };
    one(MetricType::kGauge, "ringside_black_box_files", "Files of VMs that ended badly, and of the host beside them.",
        [this] { return status().files; });
    one(MetricType::kGauge, "ringside_black_box_bytes", "Their bytes.", [this] { return status().bytes; });
    one(MetricType::kCounter, "ringside_black_box_written_files_total", "Black box files written.",
        [this] { return status().written_files; });
    one(MetricType::kCounter, "ringside_black_box_write_errors_total", "Attempts to write one that failed.",
        counted(&BlackBox::write_errors_));
    one(MetricType::kCounter, "ringside_black_box_given_up_total",
        "VMs that ended badly and whose last minutes could not be kept.", counted(&BlackBox::given_up_));
    metrics.collect(MetricType::kCounter, "ringside_black_box_evicted_files_total", "Black box files evicted.", [this] {
        const ArchiveStatus now = status();
        std::vector<MetricSample> samples;
        for (EvictReason reason : {EvictReason::kAge, EvictReason::kBytes, EvictReason::kTenant}) {
            const auto files = now.evicted_files[static_cast<std::size_t>(reason)];
            samples.push_back({{{"reason", evict_reason_name(reason)}}, static_cast<double>(files)});
        }
        return samples;
    });
}

}  // namespace ringside::agent
