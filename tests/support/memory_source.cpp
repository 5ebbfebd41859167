#include "tests/support/memory_source.h"

#include <bit>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>

namespace ringside::agent {

namespace {

using Random = std::mt19937_64;

constexpr std::uint64_t kNsPerS = 1'000'000'000;

// Not std::uniform_int_distribution: its values differ between libraries.
std::uint64_t below(Random& random, std::uint64_t bound) { return random() % bound; }

std::uint64_t any_u64(Random& random) {
    switch (below(random, 5)) {
        case 0: return 0;
        case 1: return UINT64_MAX;
        case 2: return below(random, 1000);
        default: return random();
    }
}

double any_double(Random& random) {
    switch (below(random, 8)) {
        case 0: return 0.0;
        case 1: return -0.0;
        case 2: return std::numeric_limits<double>::infinity();
        case 3: return std::bit_cast<double>(UINT64_C(0x7ff8000000000000) | below(random, 1 << 20));
        case 4: return std::bit_cast<double>(UINT64_C(0x7ff0000000000002));  // a signalling NaN
        case 5: return std::numeric_limits<double>::denorm_min();
        case 6: return std::bit_cast<double>(random());
        default: return static_cast<double>(below(random, 1'000'000)) / 7;
    }
}

std::string any_text(Random& random, std::size_t max) {
    std::string text(below(random, max + 1), '\0');
    for (char& c : text) c = static_cast<char>(1 + below(random, 255));
    return text;
}

MetricInfo random_metric(Random& random, std::uint32_t number) {
    MetricInfo metric;
    metric.kind = static_cast<Kind>(1 + number % 6);
    metric.name = std::string(kind_name(metric.kind)) + "_" + std::to_string(number);
    metric.unit = number % 2 == 0 ? "seconds" : "";
    metric.help = any_text(random, 40);
    metric.flags = static_cast<std::uint8_t>(below(random, 2));
    metric.max_series = 4;
    for (std::uint64_t i = below(random, 3); i > 0; --i) metric.label_names.push_back("label" + std::to_string(i));
    if (metric.kind == Kind::kHistogram) {
        metric.histogram_scale = static_cast<std::int8_t>(-4 + static_cast<int>(below(random, 12)));
        metric.bucket_first = -static_cast<std::int32_t>(below(random, 50));
        metric.bucket_count = 1 + static_cast<std::uint32_t>(below(random, 9));
    }
    return metric;
}

std::uint32_t columns_of(Kind kind) {
    switch (kind) {
        case Kind::kCounter:
        case Kind::kCounterF64: return kColumnValue;
        case Kind::kGauge:
        case Kind::kLevel: return kColumnCount | kColumnSum | kColumnMin | kColumnMax | kColumnLast;
        case Kind::kHistogram: return kColumnCount | kColumnSum | kColumnBuckets;
        case Kind::kInfo: return 0;
    }
    return 0;
}

SeriesData random_run(Random& random, const MetricInfo& metric, const TierInfo& tier, std::uint32_t windows) {
    SeriesData data;
    std::uint32_t columns = columns_of(metric.kind) & tier.columns;
    if (columns == 0) return data;
    std::uint64_t end_ns = 1'700'000'000 * kNsPerS;
    std::uint64_t points = below(random, windows + 1);
    for (std::uint64_t i = 0; i < points; ++i) {
        bool last = i + 1 == points;
        end_ns += tier.resolution_s * kNsPerS * (1 + below(random, 3));
        data.end_ns.push_back(last ? end_ns - 1 - below(random, kNsPerS / 2) : end_ns);
        data.flags.push_back(static_cast<std::uint8_t>(below(random, last ? 16 : 2) & ~std::uint64_t{last ? 0u : 1u}));
        if (columns & kColumnCount) data.count.push_back(any_u64(random));
        if (columns & kColumnSum) data.sum.push_back(any_double(random));
        if (columns & kColumnMin) data.min.push_back(any_double(random));
        if (columns & kColumnMax) data.max.push_back(any_double(random));
        if (columns & kColumnLast) data.last.push_back(any_double(random));
        if (columns & kColumnValue) data.value.push_back(any_u64(random));
        if (columns & kColumnBuckets) {
            for (std::uint32_t b = 0; b <= metric.bucket_count; ++b) data.buckets.push_back(any_u64(random));
        }
    }
    return data;
}

void random_info(Random& random, std::uint64_t seed, VmInfo* vm) {
    vm->vm_id = "vm-" + std::to_string(seed);
    vm->component = seed % 3 == 0 ? "net" : "";
    for (std::uint8_t& byte : vm->epoch) byte = static_cast<std::uint8_t>(random());
    vm->state = VmState::kDrained;
    vm->exit_cause = static_cast<ExitCause>(1 + below(random, kExitCauses - 1));
    vm->close_code = static_cast<std::int32_t>(random());
    vm->exit_signal = static_cast<std::uint8_t>(vm->close_code);
    vm->close_text = any_text(random, 127);
    vm->uid = static_cast<std::uint32_t>(random());
    vm->writer_pid = static_cast<std::uint32_t>(random());
    vm->segment_bytes = any_u64(random);
    vm->created_ns = 1'700'000'000 * kNsPerS + below(random, kNsPerS);
    vm->attached_ns = vm->created_ns + 1;
    vm->closed_ns = any_u64(random);
    vm->last_write_ns = vm->created_ns + 100 * kNsPerS;
    vm->ended_ns = vm->last_write_ns + below(random, kNsPerS);
    vm->rejected_samples = any_u64(random);
    vm->refused_series = any_u64(random);
    vm->clock_steps_back = any_u64(random);
    vm->rebases = any_u64(random);
    vm->recorded_hash = random();
}

}  // namespace

Result<SeriesData> MemorySource::read(std::uint32_t series_index, const ReadRequest& request) const {
    bool known = false;
    for (const SeriesInfo& one : list) known = known || one.index == series_index;
    if (!known || request.tier >= layout->tiers.size()) return error(Code::kInvalid, "no such series or tier");
    auto failing = errors.find({series_index, request.tier});
    if (failing != errors.end()) return failing->second;
    auto found = runs.find({series_index, request.tier});
    SeriesData picked;
    if (found == runs.end()) return picked;
    const SeriesData& all = found->second;
    std::size_t stride = all.size() == 0 ? 0 : all.buckets.size() / all.size();
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all.end_ns[i] <= request.begin_ns || all.end_ns[i] > request.end_ns) continue;
        if (!request.open_window && (all.flags[i] & kPointOpen) != 0) continue;
        auto take = [&](std::uint32_t column, const auto& from, auto* to) {
            if ((request.columns & column) != 0 && !from.empty()) to->push_back(from[i]);
        };
        picked.end_ns.push_back(all.end_ns[i]);
        picked.flags.push_back(all.flags[i]);
        take(kColumnCount, all.count, &picked.count);
        take(kColumnSum, all.sum, &picked.sum);
        take(kColumnMin, all.min, &picked.min);
        take(kColumnMax, all.max, &picked.max);
        take(kColumnLast, all.last, &picked.last);
        take(kColumnValue, all.value, &picked.value);
        if ((request.columns & kColumnBuckets) == 0 || all.buckets.empty()) continue;
        for (std::size_t b = 0; b < stride; ++b) picked.buckets.push_back(all.buckets[i * stride + b]);
    }
    return picked;
}

MemorySource random_vm(std::uint64_t seed, std::uint32_t series, std::uint32_t windows) {
    Random random(seed);
    MemorySource source;
    random_info(random, seed, &source.info);
    SchemaInfo& schema = *source.layout;
    schema.name = "schema_" + std::to_string(seed % 4);
    schema.version = static_cast<std::uint32_t>(seed % 4);
    schema.hash = random();
    schema.label_arena_bytes = static_cast<std::uint32_t>(random());
    schema.tiers = {{1, windows, kColumnsAll}, {10, windows, kColumnsAll}, {60, windows, kColumnSum | kColumnValue}};
    std::uint32_t metrics = series < 6 ? series : 6;
    for (std::uint32_t i = 0; i < metrics; ++i) {
        MetricInfo metric = random_metric(random, i);
        if (series > 24) metric.max_series = series / metrics + 1;
        schema.series_capacity += metric.max_series;
        schema.metrics.push_back(metric);
    }
    std::uint32_t first = 0;
    for (std::uint32_t m = 0; m < metrics; ++m) {
        const MetricInfo& metric = schema.metrics[m];
        std::uint32_t count = series / metrics + (m < series % metrics ? 1 : 0);
        for (std::uint32_t i = 0; i < count && i < metric.max_series; ++i) {
            SeriesInfo one{first + i, m, {}, any_u64(random)};
            for (std::size_t l = 0; l < metric.label_names.size(); ++l)
                one.label_values.push_back(any_text(random, 20));
            for (std::uint32_t t = 0; t < schema.tiers.size(); ++t) {
                source.runs[{one.index, t}] = random_run(random, metric, schema.tiers[t], windows);
            }
            source.list.push_back(std::move(one));
        }
        first += metric.max_series;
    }
    source.info.series_count = static_cast<std::uint32_t>(source.list.size());
    return source;
}

namespace {

template <typename T>
void compare(const char* name, const std::vector<T>& a, const std::vector<T>& b, std::string* found) {
    if (!found->empty()) return;
    if (a.size() != b.size()) {
        *found = std::string(name) + " has " + std::to_string(a.size()) + " entries, and " + std::to_string(b.size());
    } else if (!a.empty() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) != 0) {
        *found = std::string(name) + " differs";
    }
}

}  // namespace

std::string difference(const SeriesData& a, const SeriesData& b) {
    std::string found;
    compare("end_ns", a.end_ns, b.end_ns, &found);
    compare("flags", a.flags, b.flags, &found);
    compare("count", a.count, b.count, &found);
    compare("sum", a.sum, b.sum, &found);
    compare("min", a.min, b.min, &found);
    compare("max", a.max, b.max, &found);
    compare("last", a.last, b.last, &found);
    compare("value", a.value, b.value, &found);
    compare("buckets", a.buckets, b.buckets, &found);
    return found;
}

std::string difference(const VmInfo& a, const VmInfo& b) {
    if (vm_key(a) != vm_key(b)) return "key: " + vm_key(a) + " and " + vm_key(b);
    if (a.state != b.state) return "state";
    if (a.exit_cause != b.exit_cause) return "exit_cause";
    if (a.close_code != b.close_code || a.close_text != b.close_text) return "close_code or close_text";
    if (a.exit_signal != b.exit_signal) return "exit_signal";
    if (a.uid != b.uid || a.writer_pid != b.writer_pid) return "uid or writer_pid";
    if (a.segment_bytes != b.segment_bytes) return "segment_bytes";
    if (a.created_ns != b.created_ns || a.attached_ns != b.attached_ns) return "created_ns or attached_ns";
    if (a.closed_ns != b.closed_ns || a.ended_ns != b.ended_ns) return "closed_ns or ended_ns";
    if (a.last_write_ns != b.last_write_ns) return "last_write_ns";
    if (a.series_count != b.series_count) return "series_count";
    if (a.rejected_samples != b.rejected_samples || a.refused_series != b.refused_series) return "rejected or refused";
    if (a.clock_steps_back != b.clock_steps_back || a.rebases != b.rebases) return "steps back or rebases";
    if (a.recorded_hash != b.recorded_hash) return "recorded_hash";
    return "";
}

std::string difference(const std::vector<SeriesInfo>& a, const std::vector<SeriesInfo>& b) {
    if (a.size() != b.size()) return "number of series";
    for (std::size_t i = 0; i < a.size(); ++i) {
        bool same = a[i].index == b[i].index && a[i].metric == b[i].metric && a[i].label_values == b[i].label_values &&
                    a[i].created_ns == b[i].created_ns;
        if (!same) return "series at " + std::to_string(i);
    }
    return "";
}

std::string difference(const SeriesSource& a, const SeriesSource& b) {
    if (std::string found = difference(a.vm(), b.vm()); !found.empty()) return found;
    if (!(*a.schema() == *b.schema())) return "schema";
    auto list_a = a.series();
    auto list_b = b.series();
    if (!list_a.ok() || !list_b.ok()) return "series(): " + (list_a.ok() ? list_b : list_a).error().message();
    if (std::string found = difference(*list_a, *list_b); !found.empty()) return found;
    std::uint32_t tiers = static_cast<std::uint32_t>(a.schema()->tiers.size());
    for (const SeriesInfo& one : *list_a) {
        for (std::uint32_t tier = 0; tier <= tiers; ++tier) {  // one too many
            std::vector<ReadRequest> requests = {{tier, 0, UINT64_MAX, kColumnsAll, true},
                                                 {tier, 0, UINT64_MAX, kColumnsAll, false},
                                                 {tier, 0, UINT64_MAX, 0, true}};
            auto whole = a.read(one.index, requests[0]);
            if (whole.ok() && whole->size() > 2) {
                std::uint64_t begin_ns = whole->end_ns[whole->size() / 3];
                std::uint64_t end_ns = whole->end_ns[whole->size() * 2 / 3];
                requests.push_back({tier, begin_ns, end_ns, kColumnsAll, true});
                requests.push_back({tier, begin_ns + 1, end_ns - 1, kColumnValue | kColumnSum, true});
                requests.push_back({tier, end_ns, begin_ns, kColumnsAll, true});
            }
            for (const ReadRequest& request : requests) {
                auto data_a = a.read(one.index, request);
                auto data_b = b.read(one.index, request);
                std::string where = "series " + std::to_string(one.index) + " tier " + std::to_string(tier) + ": ";
                if (data_a.ok() != data_b.ok()) {
                    return where + (data_a.ok() ? data_b : data_a).error().message() + " on one side";
                }
                if (!data_a.ok() && data_a.error().code != data_b.error().code) return where + "other errors";
                if (!data_a.ok()) continue;
                if (std::string found = difference(*data_a, *data_b); !found.empty()) return where + found;
            }
        }
    }
    return "";
}

}  // namespace ringside::agent
