#include "tests/simulation/compare_archive.h"

#include <cmath>
#include <optional>
#include <set>

namespace ringside::simulation {
namespace {

std::optional<SeriesOf> series_of(const agent::SchemaInfo& schema, const agent::SeriesInfo& series) {
    const std::string& name = schema.metrics[series.metric].name;
    if (name == "sim_requests_total")
        return series.label_values[0] == "0" ? SeriesOf::kCounter : SeriesOf::kLateCounter;
    if (name == "sim_depth") return SeriesOf::kGauge;
    if (name == "sim_memory_bytes") return SeriesOf::kLevel;
    if (name == "sim_io_seconds") return SeriesOf::kHistogram;
    return std::nullopt;
}

// "" or the first column that differs.
std::string difference(const agent::SeriesData& data, std::size_t at, const Columns& columns, SeriesOf series) {
    auto differs = [](double a, double b) { return !(a == b || std::abs(a - b) <= 1e-9 * std::abs(b)); };
    auto tell = [](const char* column, double is, double was) {
        return std::string(column) + " is " + std::to_string(is) + ", recorded was " + std::to_string(was);
    };
    if (series == SeriesOf::kCounter || series == SeriesOf::kLateCounter) {
        if (data.value[at] == columns.value) return "";
        return tell("value", static_cast<double>(data.value[at]), static_cast<double>(columns.value));
    }
    if (data.count[at] != columns.count) {
        return tell("count", static_cast<double>(data.count[at]), static_cast<double>(columns.count));
    }
    if (differs(data.sum[at], columns.sum)) return tell("sum", data.sum[at], columns.sum);
    if (series == SeriesOf::kHistogram) return "";
    if (data.min[at] != columns.min) return tell("min", data.min[at], columns.min);
    if (data.max[at] != columns.max) return tell("max", data.max[at], columns.max);
    if (data.last[at] != columns.last) return tell("last", data.last[at], columns.last);
    return "";
}

// The first column that is more than the VM has ever recorded.
std::string excess(const agent::SeriesData& data, std::size_t at, const Columns& most, SeriesOf series) {
    auto tell = [](const char* column) { return std::string(column) + " is more than was ever recorded"; };
    if (series == SeriesOf::kCounter || series == SeriesOf::kLateCounter)
        return data.value[at] > most.value ? tell("value") : "";
    if (data.count[at] > most.count) return tell("count");
    if (data.sum[at] > most.sum * (1 + 1e-9)) return tell("sum");
    if (series == SeriesOf::kHistogram) return "";
    if (data.min[at] < most.min || data.max[at] > most.max) return tell("min or max");
    return data.last[at] < most.min || data.last[at] > most.max ? tell("last") : "";
}

}  // namespace

std::vector<std::string> compare_archive(const agent::SeriesSource& archived, const Life& life,
                                         const SimulatedTime& time) {
    std::vector<std::string> wrong;
    const auto schema = archived.schema();
    const auto list = archived.series();
    const std::string vm = "VM " + life.vm->key();
    if (!list) return {vm + ": " + list.error().message()};
    std::set<SeriesOf> there;
    for (const agent::SeriesInfo& info : *list) {
        const auto series = series_of(*schema, info);
        if (!series || !there.insert(*series).second) {
            wrong.push_back(vm + " has a series that it never registered: " + std::to_string(info.index));
            continue;
        }
        for (std::uint32_t tier = 0; tier < schema->tiers.size(); ++tier) {
            const std::string where = vm + " series " + std::to_string(info.index) + " tier " + std::to_string(tier);
            agent::ReadRequest request;
            request.tier = tier;
            const auto data = archived.read(info.index, request);
            if (!data) {
                wrong.push_back(where + ": " + data.error().message());
                continue;
            }
            const std::uint64_t step_ns = schema->tiers[tier].resolution_s * kSecond;
            std::set<std::uint64_t> ends;
            for (std::size_t i = 0; i < data->size(); ++i) {
                const std::uint64_t end_ns = data->end_ns[i], begin_ns = (end_ns - 1) / step_ns * step_ns;
                ends.insert(begin_ns);
                if (time.twice(begin_ns, end_ns) || life.unsettled(time, end_ns)) {
                    const std::string text = excess(*data, i, life.vm->tally().most(*series), *series);
                    if (!text.empty()) wrong.push_back(where + " at " + std::to_string(end_ns) + ": " + text);
                    continue;
                }
                const auto columns = life.vm->tally().window(*series, begin_ns, end_ns);
                const std::string text = columns ? difference(*data, i, *columns, *series) : "nothing was recorded";
                if (!text.empty()) wrong.push_back(where + " at " + std::to_string(end_ns) + ": " + text);
            }
            // What the ring holds: all of its slots but the one that the open window has taken over. That one may lie after
            // the end, where the clock was set back.
            const std::uint64_t open_ns = std::max(life.end_ns - 1, life.vm->tally().last_ns()) / step_ns * step_ns;
            for (std::uint64_t back = 0; back + 1 < schema->tiers[tier].slots && back * step_ns < open_ns; ++back) {
                const std::uint64_t begin_ns = open_ns - back * step_ns;
                if (begin_ns >= life.end_ns) continue;
                if (begin_ns + step_ns <= life.vm->tally().created_ns(*series)) break;
                if (ends.contains(begin_ns)) continue;
                const std::uint64_t end_ns = std::min(begin_ns + step_ns, life.end_ns);
                if (time.twice(begin_ns, end_ns) || life.unsettled(time, end_ns)) continue;
                if (!life.vm->tally().window(*series, begin_ns, end_ns)) continue;
                wrong.push_back(where + " lacks the window from " + std::to_string(begin_ns));
                break;
            }
        }
    }
    for (std::size_t i = 0; i < kSeries; ++i) {
        const auto series = static_cast<SeriesOf>(i);
        if (life.vm->tally().created_ns(series) != 0 && !there.contains(series)) {
            wrong.push_back(vm + " lacks the series of kind " + std::to_string(i));
        }
    }
    return wrong;
}

}  // namespace ringside::simulation
