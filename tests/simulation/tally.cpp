#include "tests/simulation/tally.h"

#include <algorithm>

#include "tests/simulation/simulated_time.h"

namespace ringside::simulation {
namespace {

template <typename Record>
auto first_from(const std::vector<Record>& records, std::uint64_t ns) {
    return std::lower_bound(records.begin(), records.end(), ns,
                            [](const Record& record, std::uint64_t at) { return record.ns < at; });
}

// The newest record before `ns`, or null.
template <typename Record>
const Record* before(const std::vector<Record>& records, std::uint64_t ns) {
    auto at = first_from(records, ns);
    return at == records.begin() ? nullptr : &*(at - 1);
}

template <typename Record>
void drop_before(std::vector<Record>& records, std::uint64_t ns) {
    auto at = first_from(records, ns);
    if (at == records.begin()) return;
    records.erase(records.begin(), at - 1);  // the last one before it is what is carried on
}

// From the window of the finest tier in which `ns` lies.
template <typename Record>
void drop_from(std::vector<Record>& records, std::uint64_t ns) {
    records.erase(first_from(records, ns / kSecond * kSecond), records.end());
}

void note(Columns& total, double value) {
    total.min = total.count == 0 ? value : std::min(total.min, value);
    total.max = total.count == 0 ? value : std::max(total.max, value);
    total.sum += value;
    ++total.count;
}

}  // namespace

std::uint64_t Tally::time_of_record(SeriesOf series, std::uint64_t ns) {
    std::uint64_t& newest_ns = newest_ns_[index(series)];
    const std::uint64_t back_s = newest_ns / kSecond > ns / kSecond ? newest_ns / kSecond - ns / kSecond : 0;
    if (back_s > kPushedResolutionS) {
        rebased_ = true;
        go_back(series, ns);
        newest_ns = ns;
    }
    return newest_ns = std::max(newest_ns, ns);
}

// What the series has said of the time from `ns` on is void.
void Tally::go_back(SeriesOf series, std::uint64_t ns) {
    switch (series) {
        case SeriesOf::kCounter:
        case SeriesOf::kLateCounter: drop_from(counters_[index(series)], ns); return;
        case SeriesOf::kGauge: drop_from(gauge_, ns); return;
        case SeriesOf::kLevel: {
            const double value = level_.back().value;  // goes on
            drop_from(level_, ns);
            level_.push_back({ns, value});
            return;
        }
        case SeriesOf::kHistogram: drop_from(histogram_, ns); return;
    }
}

void Tally::count(SeriesOf counter, std::uint64_t ns, std::uint64_t delta) {
    ns = time_of_record(counter, ns);
    counters_[index(counter)].push_back({ns, total_[index(counter)].value += delta});
}

void Tally::gauge(std::uint64_t ns, double value) {
    gauge_.push_back({time_of_record(SeriesOf::kGauge, ns), value});
    note(total_[index(SeriesOf::kGauge)], value);
}

void Tally::level(std::uint64_t ns, double value) {
    ns = time_of_record(SeriesOf::kLevel, ns);
    level_.push_back({ns, value});
    note(total_[index(SeriesOf::kLevel)], value);
}

void Tally::observe(std::uint64_t ns, std::size_t which) {
    ns = time_of_record(SeriesOf::kHistogram, ns);
    Columns& total = total_[index(SeriesOf::kHistogram)];
    ++total.observed[which];
    ++total.count;
    total.sum += kObservations[which];
    histogram_.push_back({ns, total.observed});
}

std::optional<Columns> Tally::window(SeriesOf series, std::uint64_t begin_ns, std::uint64_t end_ns) const {
    const std::uint64_t created_ns = created_ns_[index(series)];
    if (created_ns == 0 || created_ns >= end_ns) return std::nullopt;
    Columns columns;
    switch (series) {
        case SeriesOf::kCounter:
        case SeriesOf::kLateCounter:
            if (const Total* total = before(counters_[index(series)], end_ns)) columns.value = total->value;
            return columns;
        case SeriesOf::kGauge: return gauge_window(begin_ns, end_ns);
        case SeriesOf::kLevel: return level_window(begin_ns, end_ns);
        case SeriesOf::kHistogram:
            if (const Observed* observed = before(histogram_, end_ns)) columns.observed = observed->count;
            for (std::size_t i = 0; i < kObservations.size(); ++i) {
                columns.count += columns.observed[i];
                columns.sum += static_cast<double>(columns.observed[i]) * kObservations[i];
            }
            return columns;
    }
    return std::nullopt;
}

std::optional<Columns> Tally::gauge_window(std::uint64_t begin_ns, std::uint64_t end_ns) const {
    auto begin = first_from(gauge_, begin_ns), end = first_from(gauge_, end_ns);
    if (begin == end) return std::nullopt;
    Columns columns;
    columns.min = columns.max = begin->value;
    for (auto at = begin; at != end; ++at) {
        ++columns.count;
        columns.sum += at->value;
        columns.min = std::min(columns.min, at->value);
        columns.max = std::max(columns.max, at->value);
        columns.last = at->value;
    }
    return columns;
}

std::optional<Columns> Tally::level_window(std::uint64_t begin_ns, std::uint64_t end_ns) const {
    auto next = first_from(level_, begin_ns);
    const Value* held = before(level_, begin_ns);
    if (!held && (next == level_.end() || next->ns >= end_ns)) return std::nullopt;
    Columns columns;
    columns.min = columns.max = held ? held->value : next->value;
    auto hold = [&](std::uint64_t from_ns, std::uint64_t to_ns) {
        columns.count += to_ns - from_ns;
        columns.sum += held->value * (static_cast<double>(to_ns - from_ns) / 1e9);
        columns.min = std::min(columns.min, held->value);
        columns.max = std::max(columns.max, held->value);
        columns.last = held->value;
    };
    // What is replaced in the window's first instant has been its value, too, for no time.
    std::uint64_t from_ns = begin_ns;
    for (; next != level_.end() && next->ns < end_ns; ++next) {
        if (held) hold(from_ns, next->ns);
        held = &*next;
        from_ns = next->ns;
    }
    hold(from_ns, end_ns);
    return columns;
}

Columns Tally::most(SeriesOf series) const {
    Columns most = total_[index(series)];
    most.last = most.max;
    if (series == SeriesOf::kLevel) {
        // A step back moves what the open window holds into another one.
        most.count = 4 * kPushedResolutionS * kSecond;
        most.sum = most.max * 4 * kPushedResolutionS;
    }
    return most;
}

void Tally::forget_before(std::uint64_t ns) {
    for (std::vector<Total>& totals : counters_) drop_before(totals, ns);
    drop_before(gauge_, ns);
    drop_before(level_, ns);
    drop_before(histogram_, ns);
}

void Tally::forget() {
    forget_before(UINT64_MAX);
    forgotten_ = true;
}

}  // namespace ringside::simulation
