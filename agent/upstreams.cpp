#include "agent/upstreams.h"

#include "agent/audit/recount.h"
#include "agent/base/clock.h"
#include "agent/log.h"

namespace ringside::agent {

namespace {

auto log_of(const std::string& name) {
    return [name](bool warning, const std::string& text) {
        (warning ? log_warning : log_info)("upstream " + name + ": " + text);
    };
}

}  // namespace

std::vector<UpstreamSource> CatalogSources::sources() {
    auto view = catalog_.view();
    if (view != view_) {
        view_ = std::move(view);
        sources_.clear();
        for (const CatalogVmPtr& vm : view_->vms) sources_.push_back({vm->key(), vm->source()});
    }
    return sources_;
}

Result<void> Upstreams::create(const Config& config) {
    for (UpstreamOptions& options : all_upstreams(config)) {
        auto one = std::make_unique<One>(catalog_);
        const std::string name = options.name;
        options.version = RINGSIDE_VERSION;
        if (auto files = check_connection_files(options); !files) {
            log_warning("upstream " + name + ": " + files.error().message() +
                        "; nothing is pushed to it before this is mended");
        }
        SourceProvider* sources = &one->sources;
        if (!options.rules.empty()) {
            one->rules = std::make_unique<RuleSources>(options, one->sources, files_, clock_(name), log_of(name));
            sources = one->rules.get();
        }
        auto made = Upstream::create(std::move(options), *sources, events_of_one(name), clock_(name), files_, sender_);
        if (!made) return made.error();
        one->upstream = std::move(*made);
        all_.push_back(std::move(one));
    }
    return {};
}

UpstreamEvents Upstreams::events_of_one(const std::string& name) {
    UpstreamEvents handlers;
    handlers.pushed = [this, name](const std::string& key, std::uint64_t window_end_ns, std::size_t samples) {
        publish_pushed(name, key, window_end_ns, samples);
    };
    handlers.epoch_done = [name](const std::string& key) { log_debug("upstream " + name + ": done with VM " + key); };
    handlers.log = log_of(name);
    return handlers;
}

void Upstreams::publish_pushed(const std::string& name, const std::string& key, std::uint64_t window_end_ns,
                               std::size_t samples) {
    auto vm = catalog_.find(key);
    if (!vm) return;
    Event event = event_of(EventKind::kPushed, vm->known(), realtime_ns());
    event.upstream = name;
    event.window_end_ns = window_end_ns;
    event.samples = samples;
    events_.publish(std::move(event));
}

void Upstreams::start() {
    for (const auto& one : all_) one->upstream->start();
}

void Upstreams::stop(std::chrono::milliseconds flush_limit) {
    const auto until = std::chrono::steady_clock::now() + flush_limit;
    for (const auto& one : all_) one->upstream->hurry();  // All begin now, whichever is waited for first.
    for (const auto& one : all_) {
        const auto left = until - std::chrono::steady_clock::now();
        one->upstream->flush(std::chrono::ceil<std::chrono::milliseconds>(left));
    }
    for (const auto& one : all_) one->upstream->stop();
}

void Upstreams::wake() {
    for (const auto& one : all_) one->upstream->wake();
}

bool Upstreams::needs(const std::string& key) const {
    for (const auto& one : all_) {
        if (!one->upstream->progress(key).done || (one->rules && one->rules->needs(key))) return true;
    }
    return false;
}

std::vector<UpstreamPosition> Upstreams::positions(const CatalogVm& vm) const {
    std::vector<UpstreamPosition> positions;
    for (const auto& one : all_) {
        UpstreamPosition position;
        position.upstream = one->upstream->options().name;
        const Progress progress = one->upstream->progress(vm.key());
        position.acknowledged_ns = progress.acked_ns;
        position.lag_ns = progress.lag_ns;
        position.done = progress.done;
        positions.push_back(std::move(position));
    }
    return positions;
}

std::vector<UpstreamAudit> Upstreams::audit(const std::string& key, const SeriesSource& source) const {
    std::vector<UpstreamAudit> audits;
    for (const auto& one : all_) {
        const UpstreamOptions& options = one->upstream->options();
        const Ledger ledger = one->upstream->ledger(key);
        Result<UpstreamAudit> audit = recount(options, source, ledger);
        if (!audit.ok()) {
            audit = UpstreamAudit{};
            audit->upstream = options.name;
            audit->ledger = ledger;
            audit->note = audit.error().message();
        }
        audits.push_back(std::move(*audit));
    }
    return audits;
}

std::vector<UpstreamReport> Upstreams::reports() const {
    std::vector<UpstreamReport> reports;
    for (const auto& one : all_) {
        const UpstreamStats stats = one->upstream->stats();
        UpstreamReport report;
        report.name = one->upstream->options().name;
        report.url = url_without_credentials(one->upstream->options().url);
        const std::uint64_t now_ns = realtime_ns();
        if (stats.oldest_unacknowledged_ns == 0) {
            if (stats.looked) report.lag_ns = 0;
        } else if (stats.oldest_unacknowledged_ns < now_ns) {
            report.lag_ns = now_ns - stats.oldest_unacknowledged_ns;
        }
        report.backlog_windows = stats.backlog_windows;
        report.pushed_samples = stats.samples_sent;
        report.failed_requests = stats.requests - stats.batches_sent;
        for (const auto& [reason, count] : stats.samples_refused) report.losses.push_back({"samples", reason, count});
        for (const auto& [reason, count] : stats.windows_dropped) report.losses.push_back({"windows", reason, count});
        for (const auto& [reason, count] : stats.series_left_out) report.losses.push_back({"series", reason, count});
        report.last_success_ns = stats.last_success_ns;
        report.last_error = stats.last_error;
        report.last_error_ns = stats.last_error_ns;
        reports.push_back(std::move(report));
    }
    return reports;
}

void Upstreams::export_to(Metrics& metrics) const {
    auto each = [&](MetricType type, const char* name, const char* help, std::uint64_t UpstreamStats::*field) {
        metrics.collect(type, name, help, [this, field] {
            std::vector<MetricSample> samples;
            for (const auto& one : all_) {
                samples.push_back({{{"upstream", one->upstream->options().name}},
                                   static_cast<double>(one->upstream->stats().*field)});
            }
            return samples;
        });
    };
    const auto counter = MetricType::kCounter;
    each(counter, "ringside_upstream_samples_total", "Samples acknowledged.", &UpstreamStats::samples_sent);
    each(counter, "ringside_upstream_windows_total", "Windows of one VM acknowledged.", &UpstreamStats::windows_sent);
    each(counter, "ringside_upstream_bytes_total", "Compressed bytes acknowledged.", &UpstreamStats::bytes_sent);
    each(counter, "ringside_upstream_requests_total", "Requests sent, whatever came of them.",
         &UpstreamStats::requests);
    each(counter, "ringside_upstream_retries_total", "Requests that repeated a failed one.", &UpstreamStats::retries);
    each(counter, "ringside_upstream_cursor_write_failures_total", "Writes of the cursor file that failed.",
         &UpstreamStats::cursor_write_failures);
    each(counter, "ringside_upstream_vms_gone_total", "VMs that vanished before their end was pushed.",
         &UpstreamStats::vms_gone);
    each(MetricType::kGauge, "ringside_upstream_vms", "VM epochs that are not done.", &UpstreamStats::vms);
    each(MetricType::kGauge, "ringside_upstream_backlog_windows", "Closed windows of one VM not acknowledged yet.",
         &UpstreamStats::backlog_windows);

    auto of_rules = [&](const char* name, const char* help, std::uint64_t RuleStats::*field) {
        metrics.collect(counter, name, help, [this, field] {
            std::vector<MetricSample> samples;
            for (const auto& one : all_) {
                if (!one->rules) continue;
                samples.push_back(
                    {{{"upstream", one->upstream->options().name}}, static_cast<double>(one->rules->stats().*field)});
            }
            return samples;
        });
    };
    of_rules("ringside_rule_windows_total", "Windows of recording rules.", &RuleStats::windows);
    of_rules("ringside_rule_late_vms_total", "Parts of VMs that a rule took into a later window.",
             &RuleStats::late_vms);
    of_rules("ringside_rule_unread_vms_total", "VMs that could not be read for a window of the rules.",
             &RuleStats::unread_vms);
    of_rules("ringside_rule_series_left_out_total", "Series of VMs that a rule could not take into a window.",
             &RuleStats::series_left_out);
    of_rules("ringside_rule_write_failures_total", "Writes of a rules file that failed.", &RuleStats::write_failures);

    auto by_reason = [&](const char* name, const char* help,
                         std::map<std::string, std::uint64_t> UpstreamStats::*field) {
        metrics.collect(counter, name, help, [this, field] {
            std::vector<MetricSample> samples;
            for (const auto& one : all_) {
                const UpstreamStats stats = one->upstream->stats();
                for (const auto& [reason, count] : stats.*field) {
                    samples.push_back({{{"upstream", one->upstream->options().name}, {"reason", reason}},
                                       static_cast<double>(count)});
                }
            }
            return samples;
        });
    };
    by_reason("ringside_upstream_samples_refused_total", "Samples refused for good, or too old to be sent again.",
              &UpstreamStats::samples_refused);
    by_reason("ringside_upstream_windows_dropped_total",
              "Windows of one VM that were never sent, or not with all that they hold now.",
              &UpstreamStats::windows_dropped);
    by_reason("ringside_upstream_series_left_out_total", "Series of one VM left out of a window.",
              &UpstreamStats::series_left_out);
}

}  // namespace ringside::agent
