#include "agent/audit/tiers.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <utility>

#include "agent/base/clock.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
// Windows of the coarser tier that are read and compared at once: a day and a half of 5 minutes.
constexpr std::uint64_t kWindowsAtOnce = 512;
// Sums of doubles in another order: an error of 2^-53 for each of so many additions, and room.
constexpr double kSumTolerance = 1e-9;

double sum_at(const SeriesData& data, std::size_t at) { return data.sum.empty() ? 0 : data.sum[at]; }
std::uint64_t count_at(const SeriesData& data, std::size_t at) { return data.count.empty() ? 0 : data.count[at]; }

// What the windows of a gauge in (begin, end] come to.
struct Summary {
    std::uint64_t count = 0;
    double sum = 0, min = INFINITY, max = -INFINITY, last = 0;
};

Summary summary_of(const SeriesData& data, std::size_t first, std::size_t end) {
    Summary all;
    for (std::size_t at = first; at < end; ++at) {
        // A window in which nothing was held or observed has no values.
        if (!data.count.empty() && data.count[at] == 0) continue;
        all.count += count_at(data, at);
        all.sum += sum_at(data, at);
        if (!data.min.empty()) all.min = std::min(all.min, data.min[at]);
        if (!data.max.empty()) all.max = std::max(all.max, data.max[at]);
        if (!data.last.empty()) all.last = data.last[at];
    }
    return all;
}

template <typename T>
std::string unlike(const char* column, T fine, T coarse) {
    return std::string(column) + ": " + std::to_string(fine) + " in the finer windows, " + std::to_string(coarse) +
           " in this one";
}

bool close(double a, double b) {
    return a == b || std::isnan(a) || std::isnan(b) || std::isinf(a) || std::isinf(b) ||
           std::abs(a - b) <= kSumTolerance * (std::abs(a) + std::abs(b));
}

// One tier of a series, as far as it was read.
struct Tier {
    const TierInfo* info = nullptr;
    SeriesData data;
    std::uint64_t resolution_ns() const { return info->resolution_s * kSecond; }
};

class Comparison {
  public:
    // `reach_ns`: finer windows that begin before this may be missing.
    Comparison(Kind kind, const Tier& fine, const Tier& coarse, std::uint64_t reach_ns, SeriesAudit* audit)
        : kind_(kind), fine_(fine), coarse_(coarse), reach_ns_(reach_ns), audit_(audit) {}

    void run() {
        for (std::size_t at = 0; at < coarse_.data.size(); ++at) {
            if ((coarse_.data.flags[at] & kPointOpen) == 0 && fine_.data.size() > 0) compare(at);
        }
    }

  private:
    void compare(std::size_t at) {
        const auto& ends = fine_.data.end_ns;
        const std::uint64_t end_ns = coarse_.data.end_ns[at];
        const auto last = std::upper_bound(ends.begin(), ends.end(), end_ns);
        const auto end = static_cast<std::size_t>(last - ends.begin());
        std::string wrong;
        if (is_gauge(kind_)) {
            const std::uint64_t begin_ns = (end_ns - 1) / coarse_.resolution_ns() * coarse_.resolution_ns();
            if (begin_ns < reach_ns_ || ends.back() < end_ns) return;
            const auto first = std::upper_bound(ends.begin(), last, begin_ns);
            wrong = gauge_difference(at, static_cast<std::size_t>(first - ends.begin()), end);
        } else {
            if (end == 0 || ends[end - 1] != end_ns) return;
            wrong = cumulative_difference(at, end - 1);
        }
        ++audit_->compared;
        if (wrong.empty()) return;
        ++audit_->differing;
        if (audit_->differences.size() == kDifferencesKept) return;
        audit_->differences.push_back({fine_.info->resolution_s, coarse_.info->resolution_s, end_ns, std::move(wrong)});
    }

    std::string cumulative_difference(std::size_t at, std::size_t fine_at) const {
        const SeriesData &fine = fine_.data, &coarse = coarse_.data;
        if (!fine.value.empty() && !coarse.value.empty() && fine.value[fine_at] != coarse.value[at]) {
            if (kind_ == Kind::kCounterF64) {
                return unlike("value", std::bit_cast<double>(fine.value[fine_at]),
                              std::bit_cast<double>(coarse.value[at]));
            }
            return unlike("value", fine.value[fine_at], coarse.value[at]);
        }
        if (!fine.count.empty() && !coarse.count.empty() && fine.count[fine_at] != coarse.count[at]) {
            return unlike("count", fine.count[fine_at], coarse.count[at]);
        }
        if (!fine.sum.empty() && !coarse.sum.empty() &&
            std::bit_cast<std::uint64_t>(fine.sum[fine_at]) != std::bit_cast<std::uint64_t>(coarse.sum[at])) {
            return unlike("sum", fine.sum[fine_at], coarse.sum[at]);
        }
        if (fine.buckets.empty() || coarse.buckets.empty()) return "";
        const std::size_t stride = coarse.buckets.size() / coarse.size();
        for (std::size_t i = 0; i < stride; ++i) {
            const std::uint64_t one = fine.buckets[fine_at * stride + i], other = coarse.buckets[at * stride + i];
            if (one != other) return unlike(("bucket " + std::to_string(i)).c_str(), one, other);
        }
        return "";
    }

    std::string gauge_difference(std::size_t at, std::size_t first, std::size_t end) const {
        const SeriesData &fine = fine_.data, &coarse = coarse_.data;
        const Summary parts = summary_of(fine, first, end);
        const Summary whole = summary_of(coarse, at, at + 1);
        if (!fine.count.empty() && !coarse.count.empty() && parts.count != whole.count) {
            return unlike("count", parts.count, whole.count);
        }
        if (parts.count == 0) return "";
        if (!fine.sum.empty() && !coarse.sum.empty() && !close(parts.sum, whole.sum)) {
            return unlike("sum", parts.sum, whole.sum);
        }
        if (!fine.min.empty() && !coarse.min.empty() && parts.min != whole.min) {
            return unlike("min", parts.min, whole.min);
        }
        if (!fine.max.empty() && !coarse.max.empty() && parts.max != whole.max) {
            return unlike("max", parts.max, whole.max);
        }
        if (!fine.last.empty() && !coarse.last.empty() && parts.last != whole.last) {
            return unlike("last", parts.last, whole.last);
        }
        return "";
    }

    const Kind kind_;
    const Tier &fine_, &coarse_;
    const std::uint64_t reach_ns_;
    SeriesAudit* audit_;
};

// Where the windows begin of which a ring has all, once its newest one ends at `newest_ns`. The oldest may have gone while
// it was read.
std::uint64_t reach_of(const TierInfo& tier, std::uint64_t newest_ns) {
    const std::uint64_t resolution_ns = tier.resolution_s * kSecond;
    const std::uint64_t newest = newest_ns / resolution_ns;
    return newest < tier.slots ? resolution_ns : (newest - tier.slots + 2) * resolution_ns;
}

// The windows of the request in each tier.
Result<std::vector<Tier>> read_tiers(const SeriesSource& source, const SchemaInfo& schema, std::uint32_t series,
                                     ReadRequest request) {
    std::vector<Tier> tiers(schema.tiers.size());
    // From the coarsest on: what a live VM adds meanwhile is in the finer tiers then.
    for (std::size_t tier = tiers.size(); tier-- > 0;) {
        request.tier = static_cast<std::uint32_t>(tier);
        Result<SeriesData> data = source.read(series, request);
        if (!data.ok()) return data.error();
        tiers[tier] = {&schema.tiers[tier], std::move(*data)};
    }
    return tiers;
}

}  // namespace

void add(SeriesTotals* totals, const SeriesTotals& more, Kind kind) {
    if (more.windows == 0) return;
    if (totals->windows == 0) totals->from_ns = more.from_ns;
    totals->windows += more.windows;
    totals->until_ns = more.until_ns;
    totals->count = is_gauge(kind) ? totals->count + more.count : more.count;
    totals->sum = is_gauge(kind) ? totals->sum + more.sum : more.sum;
}

SeriesTotals totals_of(const SeriesData& data, Kind kind, std::uint64_t after_ns, std::uint64_t until_ns) {
    SeriesTotals totals;
    for (std::size_t at = 0; at < data.size(); ++at) {
        if (data.end_ns[at] <= after_ns || data.end_ns[at] > until_ns) continue;
        SeriesTotals window{1, data.end_ns[at], data.end_ns[at], count_at(data, at), sum_at(data, at)};
        if (kind == Kind::kCounter && !data.value.empty()) window.count = data.value[at];
        if (kind == Kind::kCounterF64 && !data.value.empty()) window.sum = std::bit_cast<double>(data.value[at]);
        add(&totals, window, kind);
    }
    return totals;
}

SeriesAudit audit_series(const SeriesSource& source, const SchemaInfo& schema, const VmInfo& vm, SeriesInfo series) {
    SeriesAudit audit;
    audit.series = std::move(series);
    audit.tiers.resize(schema.tiers.size());
    const Kind kind = schema.metrics[audit.series.metric].kind;
    if (kind == Kind::kInfo || schema.tiers.empty()) return audit;
    const std::uint64_t step_ns = schema.tiers.back().resolution_s * kSecond * kWindowsAtOnce;
    const std::uint64_t end_ns = known_until_ns(vm);
    // After a rebase the times before it mean nothing: all at once then.
    const bool in_parts = vm.rebases == 0 && vm.created_ns < end_ns;
    const bool comparable = vm.rebases == 0 || !is_gauge(kind);
    std::vector<std::uint64_t> newest_ns(schema.tiers.size());
    ReadRequest request;
    request.begin_ns = in_parts ? aligned(end_ns - 1, step_ns) : 0;
    // The newest part first: how far back a ring reaches depends on its newest window.
    for (;;) {
        Result<std::vector<Tier>> tiers = read_tiers(source, schema, audit.series.index, request);
        if (!tiers.ok()) {
            audit.unreadable = tiers.error().message();
            return audit;
        }
        for (std::size_t tier = 0; tier < tiers->size(); ++tier) {
            const SeriesData& data = (*tiers)[tier].data;
            if (newest_ns[tier] == 0 && data.size() > 0) newest_ns[tier] = data.end_ns.back();
            const SeriesTotals later = std::exchange(audit.tiers[tier], totals_of(data, kind));
            add(&audit.tiers[tier], later, kind);
            if (tier == 0 || !comparable) continue;
            const std::uint64_t reach_ns = reach_of(schema.tiers[tier - 1], newest_ns[tier - 1]);
            Comparison(kind, (*tiers)[tier - 1], (*tiers)[tier], reach_ns, &audit).run();
        }
        if (request.begin_ns <= vm.created_ns) return audit;
        request.end_ns = request.begin_ns;
        request.begin_ns -= step_ns;
    }
}

}  // namespace ringside::agent
