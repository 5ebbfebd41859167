#include "agent/archive/black_box.h"

#include <algorithm>
#include <utility>

#include "agent/base/clock.h"

namespace ringside::agent {

namespace {

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

// What the host itself saw in the minutes before the end of `vm`, until the second in which it ended was over.
std::unique_ptr<Excerpt> signals_of(const SeriesSource& host, const VmInfo& vm, std::uint64_t begin_ns) {
    VmInfo info = host.vm();
    // What it is called here follows from the VM; which host it was stands in its text.
    info.close_text = "signals of the host, by " + vm_key(info);
    info.vm_id = vm.vm_id;
    info.epoch = vm.epoch;
    info.component = kHostSignals;
    info.exit_cause = ExitCause::kNone;
    info.ended_ns = known_until_ns(vm);
    info.recorded_hash = vm.recorded_hash;
    const std::uint64_t resolution_ns = host.schema()->tiers[0].resolution_s * std::uint64_t{1'000'000'000};
    return std::make_unique<Excerpt>(host, info, begin_ns, known_until_ns(vm) + resolution_ns);
}

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

// Not when something else has its place, or what is to be kept makes no sense. One that the archive holds badly is archived
// anew by the next attempt, and a folder that somebody took away may come back.
bool can_be_kept(const Error& error) {
    return error.code != Code::kExists && error.code != Code::kInvalid && error.code != Code::kInternal;
}

BlackBox::BlackBox(FileSystem& fs, std::string directory, const BlackBoxBounds& bounds, HostSource host)
    : files_(fs, {std::move(directory), bounds.files}), host_(std::move(host)), span_ns_(bounds.span_ns) {}

std::vector<Result<void>> BlackBox::keep(const std::vector<std::shared_ptr<const ArchivedVm>>& vms,
                                         std::uint64_t now_ns) {
    const std::uint64_t span_ns = span_ns_.load(std::memory_order_relaxed);
    auto wanted = [&](const auto& vm) {
        return ended_badly(vm->info()) && span_ns != 0 && !vm->schema()->tiers.empty();
    };
    // Not asked for nothing: one that finds no host looks for it again only a second later.
    const bool any = std::any_of(vms.begin(), vms.end(), wanted);
    const std::shared_ptr<const SeriesSource> host = any && host_ ? host_() : nullptr;
    std::vector<std::unique_ptr<Excerpt>> excerpts;
    std::vector<std::size_t> owners;  // of each excerpt, the index of its VM
    for (std::size_t i = 0; i < vms.size(); ++i) {
        const VmInfo& vm = vms[i]->info();
        if (!wanted(vms[i])) continue;
        const std::uint64_t begin_ns = minus(known_until_ns(vm), span_ns);
        excerpts.push_back(std::make_unique<Excerpt>(*vms[i], vm, begin_ns, UINT64_MAX));
        owners.push_back(i);
        // Of a component of that name the file has the place that the host's signals would take.
        if (!host || host->schema()->tiers.empty() || vm.component == kHostSignals) continue;
        excerpts.push_back(signals_of(*host, vm, begin_ns));
        owners.push_back(i);
    }
    std::vector<ArchiveAddition> additions;
    additions.reserve(excerpts.size());
    for (const auto& excerpt : excerpts) additions.push_back({excerpt.get(), excerpt->vm()});
    const auto kept = files_.add_all(additions, now_ns);
    std::vector<Result<void>> results(vms.size());
    for (std::size_t i = 0; i < kept.size(); ++i) {
        if (!kept[i].ok() && results[owners[i]].ok()) results[owners[i]] = kept[i].error();
    }
    for (const Result<void>& result : results) {
        if (result.ok()) continue;
        write_errors_.fetch_add(1, std::memory_order_relaxed);
        if (!can_be_kept(result.error())) given_up_.fetch_add(1, std::memory_order_relaxed);
    }
    return results;
}

void BlackBox::set_bounds(const BlackBoxBounds& bounds) {
    files_.set_bounds(bounds.files);
    span_ns_.store(bounds.span_ns, std::memory_order_relaxed);
}

void BlackBox::export_to(Metrics& metrics) const {
    auto one = [&](MetricType type, const char* name, const char* help, auto value) {
        metrics.collect(type, name, help, [value] {
            return std::vector<MetricSample>{{{}, static_cast<double>(value())}};
        });
    };
    one(MetricType::kGauge, "ringside_black_box_files", "Files of VMs that ended badly, and of the host beside them.",
        [this] { return status().files; });
    one(MetricType::kGauge, "ringside_black_box_bytes", "Their bytes.", [this] { return status().bytes; });
    one(MetricType::kCounter, "ringside_black_box_written_files_total", "Black box files written.",
        [this] { return status().written_files; });
    one(MetricType::kCounter, "ringside_black_box_write_errors_total", "Attempts to write one that failed.",
        [this] { return write_errors_.load(std::memory_order_relaxed); });
    one(MetricType::kCounter, "ringside_black_box_given_up_total",
        "VMs that ended badly and whose last minutes could not be kept.",
        [this] { return given_up_.load(std::memory_order_relaxed); });
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
