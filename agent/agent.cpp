#include "agent/agent.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "agent/api/grpc_server.h"
#include "agent/base/clock.h"
#include "agent/http/pages.h"
#include "agent/http/server.h"
#include "agent/log.h"
#include "agent/own_metrics.h"
#include "agent/prometheus/api.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
// A sweep takes milliseconds; one that takes this long hangs in the kernel for good.
constexpr std::uint64_t kHangNs = 30 * kSecond;
// For what the VMs that were drained last have left to push. One request takes milliseconds.
constexpr std::chrono::milliseconds kFlushAtStop{3000};
constexpr std::uint64_t kLargestByDefault = 256ull << 20;

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

AccessPolicy access_policy(const Config& config) {
    AccessPolicy policy;
    policy.own_uid = ::geteuid();
    policy.operator_uids = config.operator_uids;
    policy.operator_gids = config.operator_gids;
    policy.any_tenant = config.tenants;
    return policy;
}

ApiOptions api_options(const Config& config, const DescriptorShares& descriptors) {
    ApiOptions options;
    options.socket.path = config.socket;
    options.socket.mode = config.socket_mode;
    options.socket.group = config.socket_gid;
    options.policy = access_policy(config);
    options.host = {config.instance, config.job};
    options.peers.first_fd = static_cast<int>(descriptors.limit - descriptors.connections);
    options.peers.fd_count = static_cast<int>(descriptors.connections);
    return options;
}

QueryLimits query_limits(const Config& config) {
    QueryLimits limits;
    limits.timeout = std::chrono::milliseconds(config.query_timeout_ns / 1'000'000);
    limits.samples_max = config.query_max_samples;
    limits.experimental = config.query_experimental;
    return limits;
}

// As many long queries as short ones, but for a processor that is left to these.
FairPool::Limits turns(const Config& config) {
    FairPool::Limits limits;
    limits.threads = config.query_concurrency;
    limits.long_running = std::min<std::size_t>(limits.threads, std::max(2u, std::thread::hardware_concurrency()) - 1);
    return limits;
}

void warn_of_descriptors(const DescriptorShares& descriptors, const Budgets& budgets) {
    if (auto warning = descriptor_warning(descriptors, budgets)) log_warning(*warning);
}

}  // namespace

Agent::Agent(const Config& config, const DescriptorShares& descriptors, StateLock lock, SegmentDirectory folder)
    : config_(config),
      descriptors_(descriptors),
      lock_(std::move(lock)),
      core_(config, scan_limits(config, descriptors), std::move(folder), [this] { dead_waiting(); }),
      scan_(core_.scanner, config.directory, config.scan_interval_ns, core_.metrics,
            [this](std::uint64_t now_ns) { core_.admissions.end_sweep(now_ns); }),
      backend_({core_.catalog, core_.events, core_.archive, core_.black_box, core_.drain, core_.admissions,
                core_.upstreams, scan_, config_},
               realtime_ns()),
      queries_(core_.catalog, {config.instance, config.job}),
      query_host_(queries_, query_limits(config), turns(config)) {}

Result<std::unique_ptr<Agent>> Agent::start(const Config& config) {
    auto descriptors = claim_descriptors();
    if (!descriptors) return descriptors.error();
    warn_of_descriptors(*descriptors, config.budgets);
    auto lock = StateLock::take(config.state_directory);
    if (!lock) return lock.error();
    auto folder = prepare_segment_folder(config.directory);
    if (!folder) return folder.error();
    std::unique_ptr<Agent> agent(new Agent(config, *descriptors, std::move(*lock), std::move(*folder)));
    if (auto opened = agent->core_.open(); !opened) return opened.error();
    if (auto served = agent->serve(); !served) return served.error();
    return agent;
}

// The API listens before the first scan, so that callers hear "starting" instead of nothing.
Result<void> Agent::serve() {
    export_metrics();
    if (auto made = make_directories(FileSystem::real(), parent_directory(config_.socket), 0755); !made) return made;
    auto api = ApiServer::start(api_options(config_, descriptors_), backend_, query_host_, core_.metrics);
    if (!api) return api.error();
    api_ = std::move(*api);
    if (auto listening = serve_http(); !listening) return listening;
    // First, so that dead VMs make room for others while the first scan goes on.
    drain_thread_ = std::thread([this] { drain_loop(); });
    ::pthread_setname_np(drain_thread_.native_handle(), "drain");
    if (auto scanning = scan_.start(); !scanning) return scanning;
    core_.upstreams.start();

    std::string where = "ready: segments in " + config_.directory + ", API on " + config_.socket;
    if (http_ && http_->port() != 0) where += ", http on " + config_.http_address + ":" + std::to_string(http_->port());
    if (http_ && !config_.http_socket.empty()) where += ", http on " + config_.http_socket;
    log_info(where + "; " + status());
    return {};
}

Result<void> Agent::serve_http() {
    HttpOptions options = http_options(config_);
    if (options.address.empty() && !options.socket) return {};
    options.policy = access_policy(config_);
    if (options.socket) {
        const std::string folder = parent_directory(options.socket->path);
        if (auto made = make_directories(FileSystem::real(), folder, 0755); !made) return made;
    }
    query_api_ = std::make_unique<PrometheusApi>(PrometheusOptions{.version = RINGSIDE_VERSION}, query_host_);
    HttpHandlers handlers;
    handlers.quick = [this,
                      pages = http_pages(core_.metrics, [this] { return scan_.ready(); })](const HttpRequest& request) {
        auto page = pages(request);
        if (!page && !PrometheusApi::serves(request.path)) {
            page = HttpAnswer{.status = 404,
                              .body =
                                  "no such page; there are /metrics, /-/healthy, /-/ready, /federate and the query "
                                  "API of Prometheus below /api/v1/\n"};
        }
        // Half of the VMs would look like all of them.
        if (!page && !scan_.ready()) page = PrometheusApi::starting();
        return page;
    };
    handlers.slow = [this](const HttpRequest& request, FairPool::Turn& turn) {
        return query_api_->answer(request, turn);
    };
    handlers.busy = [](const HttpRequest&) { return PrometheusApi::busy(); };
    handlers.expected = [this](const HttpRequest& request) { return query_api_->expected(request); };
    handlers.warn = [](const std::string& trouble) { log_warning("http: " + trouble); };
    handlers.pool = &query_host_.pool;
    http_ = std::make_unique<HttpServer>(std::move(options), std::move(handlers), core_.metrics);
    return http_->start();
}

void Agent::dead_waiting() {
    {
        std::lock_guard lock(drain_mutex_);
        dead_waiting_ = true;
    }
    drain_wanted_.notify_one();
}

void Agent::drain_loop() {
    std::unique_lock lock(drain_mutex_);
    while (!stopping_) {
        dead_waiting_ = false;
        lock.unlock();
        const std::size_t made = core_.drain_dead();
        lock.lock();
        // A tick that did something may have left more; a failed drain waits for its own time, which the clock brings.
        if (made == 0) {
            drain_wanted_.wait_for(lock, std::chrono::milliseconds(500), [this] { return dead_waiting_ || stopping_; });
        }
    }
}

void Agent::reload(const Config& config) {
    set_log_level(config.log_level);
    warn_of_descriptors(descriptors_, config.budgets);
    core_.reload(config, scan_limits(config, descriptors_));
    scan_.set_interval(config.scan_interval_ns);
}

Agent::~Agent() { stop(); }

void Agent::stop() {
    scan_.stop();
    core_.drain.stop();
    {
        std::lock_guard lock(drain_mutex_);
        stopping_ = true;
    }
    drain_wanted_.notify_all();
    if (drain_thread_.joinable()) drain_thread_.join();
    // Never more than half of the time there is.
    const std::chrono::nanoseconds half(config_.shutdown_timeout_ns / 2);
    core_.upstreams.stop(std::min(kFlushAtStop, std::chrono::duration_cast<std::chrono::milliseconds>(half)));
    // Those who read events learn what the last drain did, and then that nothing follows.
    core_.events.close();
    if (api_) api_->stop();
    if (http_) http_->stop();
}

bool Agent::healthy() const {
    const std::uint64_t beat_ns = scan_.beat_ns();
    return !scan_.ready() || beat_ns == 0 || monotonic_ns() - beat_ns < kHangNs;
}

std::string Agent::status() const {
    std::uint64_t counts[4] = {};
    const auto view = core_.catalog.view();
    for (const CatalogVmPtr& vm : view->vms) ++counts[static_cast<std::size_t>(vm->state())];
    std::string text;
    for (VmState state : {VmState::kProvisioned, VmState::kRunning, VmState::kExited, VmState::kDrained}) {
        text += std::to_string(counts[static_cast<std::size_t>(state)]) + " " + vm_state_name(state) + ", ";
    }
    return text + std::to_string(core_.catalog.quarantined().size()) + " quarantined";
}

void Agent::export_metrics() {
    core_.archive.export_to(core_.metrics);
    core_.black_box.export_to(core_.metrics);
    core_.drain.export_to(core_.metrics);
    core_.upstreams.export_to(core_.metrics);
    export_own_metrics(core_.metrics, core_.catalog, core_.events);
}

}  // namespace ringside::agent
