#include "agent/core.h"

#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/log.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
// Some thousands of events: minutes of a busy host, a few MiB at most.
constexpr std::size_t kEventsKept = 8192;
constexpr std::uint64_t kMaintainEveryNs = 60 * kSecond;

CatalogOptions catalog_options(const Config& config) {
    CatalogOptions options;
    options.budgets = config.budgets;
    options.trusted_uids = {0, ::geteuid()};
    return options;
}

ArchiveBounds archive_bounds(const Config& config) {
    ArchiveBounds bounds;
    bounds.max_bytes = config.archive_max_bytes == 0 ? UINT64_MAX : config.archive_max_bytes;
    bounds.tenant_percent = config.archive_tenant_percent;
    bounds.max_age_s = config.archive_max_age_ns == 0 ? kArchiveAgeWithoutLimit : config.archive_max_age_ns / kSecond;
    return bounds;
}

BlackBoxBounds black_box_bounds(const Config& config) {
    BlackBoxBounds bounds;
    bounds.span_ns = config.black_box_span_ns;
    bounds.files.max_bytes = config.black_box_max_bytes == 0 ? UINT64_MAX : config.black_box_max_bytes;
    bounds.files.tenant_percent = config.archive_tenant_percent;
    bounds.files.max_age_s =
        config.black_box_max_age_ns == 0 ? kArchiveAgeWithoutLimit : config.black_box_max_age_ns / kSecond;
    return bounds;
}

}  // namespace

Core::Core(const Config& given, const ScanLimits& limits, SegmentDirectory folder, std::function<void()> dead_waiting,
           const Outside& outside)
    : config(given),
      events(kEventsKept, realtime_ns() / 1000),
      catalog(catalog_options(config), events),
      host_signals(catalog),
      archive(outside.files, {config.archive_path(), archive_bounds(config)}),
      black_box(outside.files, config.archive_path() + "/blackbox", black_box_bounds(config),
                [this] { return host_signals.find(); }),
      scanner(std::move(folder), catalog, limits, metrics,
              [this, dead_waiting = std::move(dead_waiting)](const std::string& key) {
                  drain.submit(key);
                  dead_waiting();
              }),
      segment_drain(scanner, catalog, black_box, [this] { upstreams.wake(); }),
      drain_host(outside.drain_host ? outside.drain_host(segment_drain) : nullptr),
      drain(DrainOptions{}, archive, drain_host ? *drain_host : segment_drain),
      admissions(outside.files, config.state_directory + "/admissions", catalog),
      upstreams(catalog, events, outside.clock, outside.files, outside.sender) {}

Result<void> Core::open() {
    if (auto opened = archive.open(); !opened) {
        log_error(opened.error().message() + "; drained VMs cannot be read, dead ones wait in their segments");
    }
    for (const auto& vm : archive.take_found()) catalog.add_drained(vm);
    if (auto opened = black_box.open(); !opened) log_error(opened.error().message() + "; no black box is kept");
    if (auto loaded = admissions.load(); !loaded) return loaded;
    return upstreams.create(config);
}

std::size_t Core::drain_dead() {
    const std::size_t made = drain.tick({realtime_ns(), monotonic_ns()});
    if (made > 0 || monotonic_ns() >= next_maintenance_ns_) {
        maintain_archive();
        next_maintenance_ns_ = monotonic_ns() + kMaintainEveryNs;
    }
    return made;
}

void Core::maintain_archive() {
    auto needed = [this](const std::string& key) { return upstreams.needs(key); };
    for (const Eviction& eviction : archive.maintain(realtime_ns(), needed)) {
        // One whose segment could not be removed yet is archived again by the next attempt of its drain.
        if (auto tracked = scanner.find(eviction.key)) {
            catalog.set_undrained(eviction.key, tracked->segment);
        } else {
            catalog.remove(eviction.key);
        }
        log_info("VM " + eviction.key + " evicted from the archive: " + evict_reason_name(eviction.reason));
    }
    // A file that could not be read at start may be back.
    for (const auto& vm : archive.take_found()) {
        if (!catalog.find(vm_key(vm->info()))) catalog.add_drained(vm);
    }
    black_box.maintain(realtime_ns());
}

void Core::reload(const Config& wanted, const ScanLimits& limits) {
    catalog.set_budgets(wanted.budgets);
    archive.set_bounds(archive_bounds(wanted));
    black_box.set_bounds(black_box_bounds(wanted));
    scanner.set_limits(limits);
}

}  // namespace ringside::agent
