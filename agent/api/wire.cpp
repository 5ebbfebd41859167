#include "agent/api/wire.h"

#include <algorithm>
#include <bit>
#include <cstdio>

namespace ringside::agent {
namespace {

constexpr struct {
    std::uint32_t bit;
    v1::Column column;
} kColumns[] = {
    {kColumnCount, v1::COLUMN_COUNT},     {kColumnSum, v1::COLUMN_SUM},   {kColumnMin, v1::COLUMN_MIN},
    {kColumnMax, v1::COLUMN_MAX},         {kColumnLast, v1::COLUMN_LAST}, {kColumnValue, v1::COLUMN_VALUE},
    {kColumnBuckets, v1::COLUMN_BUCKETS},
};

constexpr std::uint8_t kMetricShared = 1;  // rside's flag of the same name

void set_histogram(const MetricInfo& metric, v1::HistogramLayout* out) {
    out->set_scale(metric.histogram_scale);
    out->set_bucket_first(metric.bucket_first);
    out->set_bucket_count(metric.bucket_count);
}

void to_wire(const MetricInfo& metric, v1::Metric* out) {
    out->set_name(metric.name);
    out->set_kind(agent::to_wire(metric.kind));
    out->set_unit(metric.unit);
    out->set_help(metric.help);
    for (const std::string& label : metric.label_names) out->add_label_names(label);
    out->set_max_series(metric.max_series);
    out->set_shared((metric.flags & kMetricShared) != 0);
    if (metric.kind == Kind::kHistogram) set_histogram(metric, out->mutable_histogram());
}

template <typename From, typename To>
void copy_all(const From& from, To* to) {
    to->Add(from.begin(), from.end());
}

}  // namespace

v1::VmState to_wire(VmState state) {
    switch (state) {
        case VmState::kProvisioned: return v1::VM_STATE_PROVISIONED;
        case VmState::kRunning: return v1::VM_STATE_RUNNING;
        case VmState::kExited: return v1::VM_STATE_EXITED;
        case VmState::kDrained: return v1::VM_STATE_DRAINED;
    }
    return v1::VM_STATE_UNSPECIFIED;
}

std::optional<VmState> from_wire(v1::VmState state) {
    for (VmState ours : {VmState::kProvisioned, VmState::kRunning, VmState::kExited, VmState::kDrained}) {
        if (to_wire(ours) == state) return ours;
    }
    return std::nullopt;
}

v1::ExitCause to_wire(ExitCause cause) {
    switch (cause) {
        case ExitCause::kNone: return v1::EXIT_CAUSE_UNSPECIFIED;
        case ExitCause::kClosed: return v1::EXIT_CAUSE_CLOSED;
        case ExitCause::kKilled: return v1::EXIT_CAUSE_KILLED;
        case ExitCause::kHostRebooted: return v1::EXIT_CAUSE_HOST_REBOOTED;
        case ExitCause::kUnknown: return v1::EXIT_CAUSE_UNKNOWN;
        case ExitCause::kOom: return v1::EXIT_CAUSE_OOM;
        case ExitCause::kExited: return v1::EXIT_CAUSE_EXITED;
    }
    return v1::EXIT_CAUSE_UNSPECIFIED;
}

v1::MetricKind to_wire(Kind kind) {
    switch (kind) {
        case Kind::kCounter: return v1::METRIC_KIND_COUNTER;
        case Kind::kCounterF64: return v1::METRIC_KIND_COUNTER_F64;
        case Kind::kGauge: return v1::METRIC_KIND_GAUGE;
        case Kind::kLevel: return v1::METRIC_KIND_LEVEL;
        case Kind::kHistogram: return v1::METRIC_KIND_HISTOGRAM;
        case Kind::kInfo: return v1::METRIC_KIND_INFO;
    }
    return v1::METRIC_KIND_UNSPECIFIED;
}

v1::EventKind to_wire(EventKind kind) {
    switch (kind) {
        case EventKind::kAppeared: return v1::EVENT_KIND_APPEARED;
        case EventKind::kExited: return v1::EVENT_KIND_EXITED;
        case EventKind::kDrained: return v1::EVENT_KIND_DRAINED;
        case EventKind::kQuarantined: return v1::EVENT_KIND_QUARANTINED;
        case EventKind::kPushed: return v1::EVENT_KIND_PUSHED;
    }
    return v1::EVENT_KIND_UNSPECIFIED;
}

std::optional<EventKind> from_wire(v1::EventKind kind) {
    for (EventKind ours :
         {EventKind::kAppeared, EventKind::kExited, EventKind::kDrained, EventKind::kQuarantined, EventKind::kPushed}) {
        if (to_wire(ours) == kind) return ours;
    }
    return std::nullopt;
}

std::optional<std::uint32_t> from_wire(v1::Column column) {
    for (const auto& [bit, wire] : kColumns) {
        if (wire == column) return bit;
    }
    return std::nullopt;
}

void to_wire(const SchemaInfo& schema, v1::Schema* out) {
    char hash[17];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(schema.hash));
    out->set_name(schema.name);
    out->set_version(schema.version);
    out->set_hash(hash);
    for (const TierInfo& tier : schema.tiers) {
        v1::Tier* wire = out->add_tiers();
        wire->set_resolution_s(tier.resolution_s);
        wire->set_slots(tier.slots);
        for (const auto& [bit, column] : kColumns) {
            if (tier.columns & bit) wire->add_columns(column);
        }
    }
    out->set_series_capacity(schema.series_capacity);
    out->set_metric_count(static_cast<std::uint32_t>(schema.metrics.size()));
    out->set_label_arena_bytes(schema.label_arena_bytes);
}

void add_metrics(const SchemaInfo& schema, std::size_t bytes_max, v1::Schema* out) {
    std::size_t bytes = 0;
    for (const MetricInfo& metric : schema.metrics) {
        v1::Metric* wire = out->add_metrics();
        to_wire(metric, wire);
        bytes += wire->ByteSizeLong() + 4;  // its tag and length
        if (bytes > bytes_max) return out->mutable_metrics()->RemoveLast();
    }
}

void to_wire(const VmInfo& vm, v1::VmRef* out) {
    out->set_vm_id(vm.vm_id);
    out->set_component(vm.component);
    out->set_epoch(epoch_text(vm.epoch));
}

void to_wire(const CatalogVm& entry, const VmExtras& extras, std::uint64_t now_ns, v1::Vm* out) {
    const VmInfo vm = entry.vm();
    to_wire(vm, out->mutable_ref());
    out->set_state(to_wire(vm.state));
    out->set_exit_cause(to_wire(vm.exit_cause));
    if (has_close_code(vm.exit_cause)) out->set_close_code(vm.close_code);
    if (vm.exit_signal != 0) out->set_exit_signal(vm.exit_signal);
    out->set_close_text(vm.close_text);
    out->set_uid(vm.uid);
    out->set_writer_pid(vm.writer_pid);
    out->set_segment_bytes(vm.segment_bytes);
    if (extras.archive_bytes) out->set_archive_bytes(*extras.archive_bytes);
    to_wire(*entry.source()->schema(), out->mutable_schema());
    out->set_series_count(vm.series_count);
    if (vm.created_ns) out->set_created_ns(vm.created_ns);
    if (vm.attached_ns) out->set_attached_ns(vm.attached_ns);
    if (vm.closed_ns) out->set_closed_ns(vm.closed_ns);
    if (vm.last_write_ns) out->set_last_write_ns(vm.last_write_ns);
    if (vm.ended_ns) out->set_ended_ns(vm.ended_ns);
    if (vm.state == VmState::kRunning && vm.last_write_ns) {
        out->set_lag_ns(now_ns > vm.last_write_ns ? now_ns - vm.last_write_ns : 0);
    }
    v1::WriterCounters* counters = out->mutable_writer_counters();
    counters->set_rejected_samples(vm.rejected_samples);
    counters->set_refused_series(vm.refused_series);
    counters->set_clock_steps_back(vm.clock_steps_back);
    counters->set_rebases(vm.rebases);
    for (const UpstreamPosition& position : extras.upstreams) {
        v1::UpstreamPosition* wire = out->add_upstreams();
        wire->set_upstream(position.upstream);
        if (position.acknowledged_ns) wire->set_acknowledged_ns(position.acknowledged_ns);
        if (position.lag_ns) wire->set_lag_ns(*position.lag_ns);
        wire->set_done(position.done);
    }
}

void to_wire(const Event& event, v1::Event* out) {
    out->set_sequence(event.sequence);
    out->set_time_ns(event.time_ns);
    out->set_kind(to_wire(event.kind));
    if (!event.vm_id.empty()) {
        out->mutable_vm()->set_vm_id(event.vm_id);
        out->mutable_vm()->set_component(event.component);
        out->mutable_vm()->set_epoch(epoch_text(event.epoch));
    }
    out->set_uid(event.uid);
    switch (event.kind) {
        case EventKind::kAppeared: break;
        case EventKind::kExited:
        case EventKind::kDrained:
            out->set_exit_cause(to_wire(event.cause));
            if (has_close_code(event.cause)) out->set_close_code(event.close_code);
            if (event.exit_signal != 0) out->set_exit_signal(event.exit_signal);
            out->set_text(event.close_text);
            break;
        case EventKind::kQuarantined:
            out->set_file(event.file);
            out->set_reason(event.reason);
            out->set_text(event.detail);
            break;
        case EventKind::kPushed:
            out->set_upstream(event.upstream);
            out->set_window_end_ns(event.window_end_ns);
            out->set_samples(event.samples);
            break;
    }
}

namespace {

// All but the values of the labels.
void to_wire(const MetricInfo& metric, std::uint32_t index, std::uint64_t created_ns, v1::Series* out) {
    out->set_index(index);
    out->set_metric(metric.name);
    out->set_kind(to_wire(metric.kind));
    out->set_unit(metric.unit);
    for (const std::string& name : metric.label_names) out->add_labels()->set_name(name);
    if (metric.kind == Kind::kHistogram) set_histogram(metric, out->mutable_histogram());
    if (created_ns) out->set_created_ns(created_ns);
}

}  // namespace

void to_wire(const SchemaInfo& schema, const SeriesInfo& series, v1::Series* out) {
    to_wire(schema.metrics[series.metric], series.index, series.created_ns, out);
    for (int i = 0; i < out->labels_size(); ++i) {
        out->mutable_labels(i)->set_value(series.label_values[static_cast<std::size_t>(i)]);
    }
}

void to_wire(const Layout& layout, Row row, std::uint64_t created_ns, v1::Series* out) {
    to_wire(layout.schema().metrics[layout.metric(row)], layout.series_index(row), created_ns, out);
    for (int i = 0; i < out->labels_size(); ++i) {
        const std::string_view value = layout.label_value(row, static_cast<std::size_t>(i));
        out->mutable_labels(i)->set_value(value.data(), value.size());
    }
}

void to_wire(const SeriesData& data, Kind kind, v1::SeriesPoints* out) {
    copy_all(data.end_ns, out->mutable_end_ns());
    copy_all(data.flags, out->mutable_flags());
    copy_all(data.count, out->mutable_count());
    copy_all(data.sum, out->mutable_sum());
    copy_all(data.min, out->mutable_min());
    copy_all(data.max, out->mutable_max());
    copy_all(data.last, out->mutable_last());
    if (kind == Kind::kCounterF64) {
        for (std::uint64_t bits : data.value) out->add_value_f64(std::bit_cast<double>(bits));
    } else {
        copy_all(data.value, out->mutable_value_u64());
    }
    copy_all(data.buckets, out->mutable_buckets());
}

void to_wire(const SeriesData& data, std::size_t point, Kind kind, v1::LatestValue* out) {
    out->set_end_ns(data.end_ns[point]);
    out->set_flags(data.flags[point]);
    if (!data.count.empty()) out->set_count(data.count[point]);
    if (!data.sum.empty()) out->set_sum(data.sum[point]);
    if (!data.min.empty()) out->set_min(data.min[point]);
    if (!data.max.empty()) out->set_max(data.max[point]);
    if (!data.last.empty()) out->set_last(data.last[point]);
    if (!data.value.empty() && kind == Kind::kCounterF64) {
        out->set_value_f64(std::bit_cast<double>(data.value[point]));
    } else if (!data.value.empty()) {
        out->set_value_u64(data.value[point]);
    }
    const std::size_t stride = data.buckets.size() / data.size();
    const auto begin = data.buckets.begin() + static_cast<std::ptrdiff_t>(point * stride);
    out->mutable_buckets()->Add(begin, begin + static_cast<std::ptrdiff_t>(stride));
}

}  // namespace ringside::agent
