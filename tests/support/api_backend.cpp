#include "tests/support/api_backend.h"

#include <bit>

#include "agent/audit/audit.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
constexpr std::uint64_t kFirstSequence = 1'000'000;

MetricInfo metric(const char* name, Kind kind, const char* unit, std::vector<std::string> labels = {},
                  std::uint32_t max_series = 1) {
    MetricInfo made;
    made.name = name;
    made.kind = kind;
    made.unit = unit;
    made.help = std::string("About ") + name + ".";
    made.label_names = std::move(labels);
    made.max_series = max_series;
    return made;
}

SchemaInfo sample_schema(const TestVm& vm) {
    SchemaInfo schema;
    schema.name = "sample";
    schema.version = 3;
    schema.hash = 0xabcdef0000 + vm.counters * 1000 + vm.buckets;
    schema.tiers = {{1, vm.windows, kColumnsAll}, {10, vm.windows, kColumnsAll & ~kColumnMin}};
    schema.metrics = {metric("requests_total", Kind::kCounter, "", {"device", "op"}, std::max(vm.counters, 1u)),
                      metric("cpu_seconds_total", Kind::kCounterF64, "seconds"),
                      metric("queue_depth", Kind::kGauge, ""),
                      metric("memory_bytes", Kind::kLevel, "bytes"),
                      metric("latency_seconds", Kind::kHistogram, "seconds"),
                      metric("build_info", Kind::kInfo, "", {"version"})};
    schema.metrics[0].flags = 1;  // shared
    schema.metrics[4].histogram_scale = 2;
    schema.metrics[4].bucket_first = -3;
    schema.metrics[4].bucket_count = vm.buckets;
    for (const MetricInfo& one : schema.metrics) schema.series_capacity += one.max_series;
    schema.label_arena_bytes = schema.series_capacity * 64;
    return schema;
}

void add_point(const TestVm& vm, Kind kind, std::uint32_t series, std::uint64_t k, SeriesData* data) {
    const auto level = static_cast<double>(vm.seed + 4096 * k);
    const auto step = static_cast<double>(k);
    switch (kind) {
        case Kind::kCounter: data->value.push_back(vm.seed + 1000 * series + k); return;
        case Kind::kCounterF64:
            data->value.push_back(std::bit_cast<std::uint64_t>(static_cast<double>(vm.seed) + step / 8));
            return;
        case Kind::kGauge:
        case Kind::kLevel: {
            const bool gauge = kind == Kind::kGauge;
            data->count.push_back(gauge ? k + 1 : kNsPerS);
            data->sum.push_back(gauge ? step / 2 : level);
            data->min.push_back(gauge ? -step : level);
            data->max.push_back(gauge ? step : level);
            data->last.push_back(gauge ? static_cast<double>(vm.seed) + step : level);
            return;
        }
        case Kind::kHistogram:
            data->count.push_back(k);
            data->sum.push_back(step / 4);
            for (std::uint32_t b = 0; b <= vm.buckets; ++b) data->buckets.push_back(k + b);
            return;
        case Kind::kInfo: return;
    }
}

SeriesData sample_run(const TestVm& vm, Kind kind, std::uint32_t series, const TierInfo& tier) {
    SeriesData data;
    for (std::uint64_t k = 0; k < vm.windows; ++k) {
        const std::uint64_t end_s = kTestNowNs / kNsPerS - (vm.windows - 1 - k);
        if (end_s % tier.resolution_s != 0) continue;
        const bool open = tier.resolution_s == 1 && k + 1 == vm.windows && vm.state == VmState::kRunning;
        data.end_ns.push_back(end_s * kNsPerS);
        data.flags.push_back(open ? kPointOpen : 0);
        add_point(vm, kind, series, k, &data);
    }
    if (!(tier.columns & kColumnMin)) data.min.clear();
    return data;
}

}  // namespace

std::shared_ptr<MemorySource> sample_vm(const TestVm& vm) {
    auto source = std::make_shared<MemorySource>();
    *source->layout = sample_schema(vm);
    const SchemaInfo& schema = *source->layout;
    std::uint32_t first = 0;
    for (std::uint32_t m = 0; m < schema.metrics.size(); ++m) {
        const MetricInfo& one = schema.metrics[m];
        for (std::uint32_t i = 0; i < (m == 0 ? vm.counters : 1); ++i) {
            SeriesInfo series{first + i, m, {}, 0};
            if (m == 0) series.label_values = {"disk" + std::to_string(i / 2), i % 2 == 0 ? "read" : "write"};
            if (one.kind == Kind::kInfo) series.label_values = {"1.2"};
            for (std::uint32_t t = 0; t < schema.tiers.size() && one.kind != Kind::kInfo; ++t) {
                source->runs[{series.index, t}] = sample_run(vm, one.kind, i, schema.tiers[t]);
            }
            source->list.push_back(std::move(series));
        }
        first += one.max_series;
    }
    VmInfo& info = source->info;
    info.vm_id = vm.vm_id;
    info.component = vm.component;
    info.epoch.fill(vm.epoch);
    info.state = vm.state;
    info.uid = vm.uid;
    info.writer_pid = 4242;
    info.segment_bytes = 1 << 20;
    info.created_ns = kTestNowNs - 400 * kNsPerS + vm.epoch;
    info.attached_ns = info.created_ns + 1;
    info.last_write_ns = kTestNowNs - kNsPerS;
    info.series_count = static_cast<std::uint32_t>(source->list.size());
    info.rejected_samples = 5;
    return source;
}

TestBackend::TestBackend(std::size_t event_capacity, Budgets budgets)
    : bus(event_capacity, kFirstSequence), catalog(CatalogOptions{.budgets = budgets}, bus) {}

std::string TestBackend::add(const TestVm& vm) {
    auto made = sample_vm(vm);
    Candidate candidate;
    candidate.info = made->info;
    candidate.file = vm_key(made->info) + ".seg";
    candidate.stamp = {1, next_inode_++, made->info.segment_bytes, 1};
    candidate.source = made;
    candidate.layout = *catalog.layouts().intern(made->layout, made->list);
    const std::string key = vm_key(made->info);
    {
        const std::lock_guard lock(mutex_);
        sources_[key] = made;
    }
    if (vm.state == VmState::kDrained) {
        catalog.add_drained(made);
    } else if (auto refused = catalog.add(std::move(candidate), kTestNowNs)) {
        catalog.quarantine(std::move(*refused), &made->info, kTestNowNs);
    }
    return key;
}

void TestBackend::exit(const std::string& key, ExitCause cause, std::int32_t code, const std::string& text) {
    VmInfo& info = source(key)->info;  // What the writer itself left in its segment, and what the agent found.
    info.close_code = code;
    info.close_text = text;
    VmInfo ended = info;
    ended.state = VmState::kExited;
    ended.exit_cause = cause;
    ended.ended_ns = kTestNowNs;
    catalog.set_exited(key, ended, kTestNowNs);
}

void TestBackend::quarantine(const std::string& file, std::uint32_t uid) {
    QuarantinedFile bad;
    bad.file = file;
    bad.reason = "bad-checksum";
    bad.detail = "the checksum of " + file + " does not match";
    bad.uid = uid;
    bad.since_ns = kTestNowNs;
    bad.stamp = {1, next_inode_++, 4096, 1};
    VmInfo info;
    info.vm_id = file.substr(0, file.find('.'));
    info.uid = uid;
    catalog.quarantine(std::move(bad), &info, kTestNowNs);
}

void TestBackend::push(const std::string& key, std::uint64_t window_end_ns) {
    Event event = event_of(EventKind::kPushed, source(key)->info, kTestNowNs);
    event.upstream = "central";
    event.window_end_ns = window_end_ns;
    event.samples = 7;
    bus.publish(std::move(event));
}

std::shared_ptr<MemorySource> TestBackend::source(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    return sources_.at(key);
}

CatalogVmPtr TestBackend::find(const std::string& key) const { return catalog.find(key); }

VmExtras TestBackend::extras(const CatalogVm& vm) const {
    VmExtras extras;
    if (vm.state() == VmState::kDrained) extras.archive_bytes = 777;
    extras.upstreams.push_back({"central", kTestNowNs - 300 * kNsPerS, 300 * kNsPerS, false});
    return extras;
}

Result<VmAudit> TestBackend::audit(const CatalogVm& vm) const {
    Result<VmAudit> audit = audit_vm(*vm.source());
    if (audit.ok() && vm.state() == VmState::kDrained) audit->archive = "";
    return audit;
}

Result<CatalogVmPtr> TestBackend::drain(const std::string& key) {
    ++calls;
    if (on_drain) on_drain(key);
    const CatalogVmPtr vm = catalog.find(key);
    if (!vm) return error(Code::kNotFound, "there is no VM " + key);
    if (vm->state() == VmState::kDrained) return vm;
    if (is_live(vm->state())) {
        return error(Code::kPrecondition,
                     "VM " + key + " has a writer; stop the VM first, it is drained by itself then");
    }
    if (drain_error) return *drain_error;
    auto archived = std::make_shared<MemorySource>(*source(key));
    archived->info = vm->known();
    archived->info.state = VmState::kDrained;
    catalog.set_drained(key, archived);
    catalog.segment_removed(key, kTestNowNs);
    const std::lock_guard lock(mutex_);
    sources_[key] = std::move(archived);
    return catalog.find(key);
}

Result<std::variant<Admission, AdmitRefusal>> TestBackend::admit(const std::string& vm_id, std::uint32_t uid,
                                                                 const Demand& demand, bool dry_run) {
    ++calls;
    Admission made;
    if (auto refusal = catalog.admit(vm_id, uid, demand, dry_run, kTestNowNs, &made)) return {*refusal};
    return {made};
}

Result<Admission> TestBackend::release(const std::string& vm_id) {
    ++calls;
    auto released = catalog.release(vm_id);
    if (!released) return error(Code::kNotFound, "VM " + vm_id + " has no admission");
    return *released;
}

std::vector<Admission> TestBackend::admissions() const {
    std::vector<Admission> all;
    const AdmissionTable table = catalog.admissions();
    for (const auto& [vm_id, admission] : table.all()) all.push_back(admission);
    return all;
}

AgentReport TestBackend::report() const {
    AgentReport report;
    report.version = "1.2.3";
    report.started_ns = kTestNowNs - 60 * kNsPerS;
    report.directory = "/dev/shm/test";
    report.quarantined = catalog.quarantined();
    report.quarantine_overflowed = catalog.quarantine_overflowed();
    report.budgets = catalog.budgets();
    report.usage = catalog.usage();
    report.archive.emplace();
    report.archive->directory = "/var/lib/test";
    report.archive->bytes = 777;
    report.archive->limit_bytes = 1000;
    report.archive->vms = 1;
    UpstreamReport upstream;
    upstream.name = "central";
    upstream.url = "http://central/api/v1/write";
    upstream.lag_ns = 300 * kNsPerS;
    upstream.backlog_windows = 4;
    upstream.pushed_samples = 100;
    upstream.losses = {{"samples", "http_400", 3}, {"windows", "too_old", 2}};
    upstream.last_error = "connection refused";
    report.upstreams = {upstream};
    report.last_scan_ns = kTestNowNs - kNsPerS;
    report.last_scan_span_ns = 1000;
    return report;
}

}  // namespace ringside::agent
