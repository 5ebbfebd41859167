#include "agent/agent.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "agent/api/grpc_server.h"
#include "agent/api/http_pages.h"
#include "agent/api/http_server.h"
#include "agent/base/clock.h"
#include "agent/log.h"
#include "agent/own_metrics.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
// Some thousands of events: minutes of a busy host, a few MiB at most.
constexpr std::size_t kEventsKept = 8192;
constexpr std::uint64_t kMaintainEveryNs = 60 * kSecond;
// A sweep takes milliseconds; one that takes this long hangs in the kernel for good.
constexpr std::uint64_t kHangNs = 30 * kSecond;
// For what the VMs that were drained last have left to push. One request takes milliseconds.
constexpr std::chrono::milliseconds kFlushAtStop{3000};
constexpr std::uint64_t kLargestByDefault = 256ull << 20;

CatalogOptions catalog_options(const Config& config) {
    CatalogOptions options;
    options.budgets = config.budgets;
    options.trusted_uids = {0, ::geteuid()};
    return options;
}

ScanLimits scan_limits(const Config& config, const DescriptorShares& descriptors) {
    ScanLimits limits;
    // Above what one VM may have in any case, so that a segment over the budget is refused as that.
    limits.max_segment_bytes = std::max(kLargestByDefault, config.budgets.vm_bytes);
    if (config.budgets.vm_bytes == 0) limits.max_segment_bytes = 4ull << 30;  // what the format allows
    limits.creating_max_age_ns = config.creating_max_age_ns;
    limits.living_max = descriptors.living;
    limits.dead_max = descriptors.dead;
    return limits;
}

ArchiveBounds archive_bounds(const Config& config) {
    ArchiveBounds bounds;
    bounds.max_bytes = config.archive_max_bytes == 0 ? UINT64_MAX : config.archive_max_bytes;
    bounds.max_age_s = config.archive_max_age_ns == 0 ? kArchiveAgeWithoutLimit : config.archive_max_age_ns / kSecond;
    return bounds;
}

ApiOptions api_options(const Config& config, const DescriptorShares& descriptors) {
    ApiOptions options;
    options.socket.path = config.socket;
    options.socket.mode = config.socket_mode;
    options.socket.group = config.socket_gid;
    options.policy.own_uid = ::geteuid();
    options.policy.operator_uids = config.operator_uids;
    options.policy.operator_gids = config.operator_gids;
    options.policy.any_tenant = config.tenants;
    options.host = {config.instance, config.job};
    options.peers.first_fd = static_cast<int>(descriptors.limit - descriptors.connections);
    options.peers.fd_count = static_cast<int>(descriptors.connections);
    return options;
}

void warn_of_descriptors(const DescriptorShares& descriptors, const Budgets& budgets) {
    if (auto warning = descriptor_warning(descriptors, budgets)) log_warning(*warning);
}

}  // namespace

Agent::Agent(const Config& config, const DescriptorShares& descriptors, StateLock lock, SegmentDirectory folder)
    : config_(config),
      descriptors_(descriptors),
      lock_(std::move(lock)),
      events_(kEventsKept, realtime_ns() / 1000),
      catalog_(catalog_options(config), events_),
      archive_(FileSystem::real(), {config.archive_path(), archive_bounds(config)}),
      scanner_(std::move(folder), catalog_, scan_limits(config, descriptors), metrics_,
               [this](const std::string& key) { vm_died(key); }),
      segment_drain_(scanner_, catalog_, [this] { upstreams_.wake(); }),
      drain_(DrainOptions{}, archive_, segment_drain_),
      admissions_(FileSystem::real(), config.state_directory + "/admissions", catalog_),
      upstreams_(catalog_, events_),
      scan_(scanner_, config.directory, config.scan_interval_ns, metrics_,
            [this](std::uint64_t now_ns) { admissions_.end_sweep(now_ns); }),
      backend_({catalog_, events_, archive_, drain_, admissions_, upstreams_, scan_, config_}, realtime_ns()) {}

Result<std::unique_ptr<Agent>> Agent::start(const Config& config) {
    auto descriptors = claim_descriptors();
    if (!descriptors) return descriptors.error();
    warn_of_descriptors(*descriptors, config.budgets);
    auto lock = StateLock::take(config.state_directory);
    if (!lock) return lock.error();
    auto folder = prepare_segment_folder(config.directory);
    if (!folder) return folder.error();
    std::unique_ptr<Agent> agent(new Agent(config, *descriptors, std::move(*lock), std::move(*folder)));
    if (auto opened = agent->open_stores(); !opened) return opened.error();
    if (auto served = agent->serve(); !served) return served.error();
    return agent;
}

Result<void> Agent::open_stores() {
    if (auto opened = archive_.open(); !opened) {
        log_error(opened.error().message() + "; drained VMs cannot be read, dead ones wait in their segments");
    }
    for (const auto& vm : archive_.list()) catalog_.add_drained(vm);
    if (auto loaded = admissions_.load(); !loaded) return loaded;
    return upstreams_.create(config_);
}

// The API listens before the first scan, so that callers hear "starting" instead of nothing.
Result<void> Agent::serve() {
    export_metrics();
    if (auto made = make_directories(FileSystem::real(), parent_directory(config_.socket), 0755); !made) return made;
    auto api = ApiServer::start(api_options(config_, descriptors_), backend_, metrics_);
    if (!api) return api.error();
    api_ = std::move(*api);
    if (!config_.http_address.empty()) {
        HttpOptions options;
        options.address = config_.http_address;
        options.port = config_.http_port;
        http_ = std::make_unique<HttpServer>(options, http_pages(metrics_, [this] { return scan_.ready(); }), metrics_);
        if (auto listening = http_->start(); !listening) return listening;
    }
    // First, so that dead VMs make room for others while the first scan goes on.
    drain_thread_ = std::thread([this] { drain_loop(); });
    if (auto scanning = scan_.start(); !scanning) return scanning;
    upstreams_.start();

    std::string where = "ready: segments in " + config_.directory + ", API on " + config_.socket;
    if (http_) where += ", http on " + config_.http_address + ":" + std::to_string(http_->port());
    log_info(where + "; " + status());
    return {};
}

void Agent::vm_died(const std::string& key) {
    drain_.submit(key);
    {
        std::lock_guard lock(drain_mutex_);
        dead_waiting_ = true;
    }
    drain_wanted_.notify_one();
}

void Agent::drain_loop() {
    std::uint64_t next_maintenance_ns = 0;
    std::unique_lock lock(drain_mutex_);
    while (!stopping_) {
        dead_waiting_ = false;
        lock.unlock();
        std::size_t made = drain_.tick({realtime_ns(), monotonic_ns()});
        if (made > 0 || monotonic_ns() >= next_maintenance_ns) {
            maintain_archive();
            next_maintenance_ns = monotonic_ns() + kMaintainEveryNs;
        }
        lock.lock();
        // A tick that did something may have left more; a failed drain waits for its own time, which the clock brings.
        if (made == 0) {
            drain_wanted_.wait_for(lock, std::chrono::milliseconds(500), [this] { return dead_waiting_ || stopping_; });
        }
    }
}

void Agent::maintain_archive() {
    auto needed = [this](const std::string& key) { return upstreams_.needs(key); };
    for (const Eviction& eviction : archive_.maintain(realtime_ns(), needed)) {
        catalog_.remove(eviction.key);
        log_info("VM " + eviction.key + " evicted from the archive: " + evict_reason_name(eviction.reason));
    }
    // A file that could not be read at start may be back.
    for (const auto& vm : archive_.list()) {
        if (!catalog_.find(vm_key(vm->info()))) catalog_.add_drained(vm);
    }
}

void Agent::reload(const Config& config) {
    set_log_level(config.log_level);
    catalog_.set_budgets(config.budgets);
    archive_.set_bounds(archive_bounds(config));
    warn_of_descriptors(descriptors_, config.budgets);
    scanner_.set_limits(scan_limits(config, descriptors_));
    scan_.set_interval(config.scan_interval_ns);
}

Agent::~Agent() { stop(); }

void Agent::stop() {
    scan_.stop();
    drain_.stop();
    {
        std::lock_guard lock(drain_mutex_);
        stopping_ = true;
    }
    drain_wanted_.notify_all();
    if (drain_thread_.joinable()) drain_thread_.join();
    // Never more than half of the time there is.
    const std::chrono::nanoseconds half(config_.shutdown_timeout_ns / 2);
    upstreams_.stop(std::min(kFlushAtStop, std::chrono::duration_cast<std::chrono::milliseconds>(half)));
    // Those who read events learn what the last drain did, and then that nothing follows.
    events_.close();
    if (api_) api_->stop();
    if (http_) http_->stop();
}

bool Agent::healthy() const {
    const std::uint64_t beat_ns = scan_.beat_ns();
    return !scan_.ready() || beat_ns == 0 || monotonic_ns() - beat_ns < kHangNs;
}

std::string Agent::status() const {
    std::uint64_t counts[4] = {};
    const auto view = catalog_.view();
    for (const CatalogVmPtr& vm : view->vms) ++counts[static_cast<std::size_t>(vm->state())];
    std::string text;
    for (VmState state : {VmState::kProvisioned, VmState::kRunning, VmState::kExited, VmState::kDrained}) {
        text += std::to_string(counts[static_cast<std::size_t>(state)]) + " " + vm_state_name(state) + ", ";
    }
    return text + std::to_string(catalog_.quarantined().size()) + " quarantined";
}

void Agent::export_metrics() {
    archive_.export_to(metrics_);
    drain_.export_to(metrics_);
    upstreams_.export_to(metrics_);
    export_own_metrics(metrics_, catalog_, events_);
}

}  // namespace ringside::agent
