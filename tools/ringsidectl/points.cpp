#include "tools/ringsidectl/points.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

using agent::kColumnNames;
using agent::Kind;
using agent::SeriesData;

constexpr std::uint64_t kNsPerS = 1'000'000'000;

std::uint32_t columns_of(const SeriesData& data) {
    std::uint32_t columns = 0;
    if (!data.count.empty()) columns |= agent::kColumnCount;
    if (!data.sum.empty()) columns |= agent::kColumnSum;
    if (!data.min.empty()) columns |= agent::kColumnMin;
    if (!data.max.empty()) columns |= agent::kColumnMax;
    if (!data.last.empty()) columns |= agent::kColumnLast;
    if (!data.value.empty()) columns |= agent::kColumnValue;
    if (!data.buckets.empty()) columns |= agent::kColumnBuckets;
    return columns;
}

// Unknown where the series has no such column.
Value value_at(const SeriesOfPoints& series, std::uint32_t column, std::size_t i) {
    const SeriesData& data = series.data;
    const auto real = [i](const std::vector<double>& values) { return i < values.size() ? Value(values[i]) : Value(); };
    switch (column) {
        case agent::kColumnCount: return i < data.count.size() ? Value(data.count[i]) : Value();
        case agent::kColumnSum: return real(data.sum);
        case agent::kColumnMin: return real(data.min);
        case agent::kColumnMax: return real(data.max);
        case agent::kColumnLast: return real(data.last);
        case agent::kColumnValue:
            if (i >= data.value.size()) return {};
            if (series.kind == Kind::kCounterF64) return std::bit_cast<double>(data.value[i]);
            return data.value[i];
        case agent::kColumnBuckets: {
            const std::size_t stride = series.bucket_count + std::size_t{1};
            if ((i + 1) * stride > data.buckets.size()) return {};
            const auto begin = data.buckets.begin() + static_cast<std::ptrdiff_t>(i * stride);
            return Counts(begin, begin + static_cast<std::ptrdiff_t>(stride));
        }
        default: return {};
    }
}

// The unit of a column in a table: a level's count is the time that it held a value.
Unit unit_of(const SeriesOfPoints& series, std::uint32_t column) {
    if (column == agent::kColumnBuckets) return Unit::kText;
    if (column == agent::kColumnCount) return series.kind == Kind::kLevel ? Unit::kDuration : Unit::kNumber;
    const bool in_unit = column != agent::kColumnSum || series.kind != Kind::kLevel;  // else value x seconds
    return series.unit == "bytes" && in_unit ? Unit::kBytes : Unit::kNumber;
}

std::string title_of(const SeriesOfPoints& series) {
    std::string title = series.metric + labels_text(series.labels) + "  ";
    if (!series.component.empty()) title += "component " + series.component + ", ";
    title += std::string(agent::kind_name(series.kind));
    if (!series.unit.empty()) title += " in " + series.unit;
    return title + ", windows of " + duration_text(static_cast<double>(series.resolution_s * kNsPerS));
}

}  // namespace

const std::vector<std::string>& column_words() {
    static const std::vector<std::string> words = column_names(agent::kColumnsAll);
    return words;
}

std::uint32_t column_bits(const std::vector<std::string>& words) {
    if (words.empty()) return agent::kColumnsAll;
    std::uint32_t bits = 0;
    for (const auto& [bit, name] : kColumnNames) {
        if (std::find(words.begin(), words.end(), name) != words.end()) bits |= bit;
    }
    return bits;
}

Texts flag_names(std::uint32_t flags) {
    static constexpr std::array<std::pair<std::uint32_t, const char*>, 3> kFlags{
        {{agent::kPointOpen, "open"}, {agent::kPointCarried, "carried"}, {agent::kPointPartial, "partial"}}};
    Texts names;
    for (const auto& [bit, name] : kFlags) {
        if (flags & bit) names.emplace_back(name);
    }
    return names;
}

Section points_section(const std::vector<SeriesOfPoints>& series, std::uint32_t columns) {
    Section section{.name = "points",
                    .columns = {{"vm_id"},
                                {"component"},
                                {"epoch"},
                                {"metric"},
                                {"labels"},
                                {"kind"},
                                {"unit"},
                                {"resolution_ns", Unit::kDuration},
                                {"end_ns", Unit::kTime},
                                {"flags"}}};
    for (const auto& [bit, name] : kColumnNames) {
        if (columns & bit) section.columns.push_back({name, Unit::kNumber});
    }
    for (const SeriesOfPoints& one : series) {
        for (std::size_t i = 0; i < one.data.size(); ++i) {
            std::vector<Value>& row = section.rows.emplace_back();
            row = {one.vm_id,          one.component,
                   one.epoch,          one.metric,
                   one.labels,         std::string(agent::kind_name(one.kind)),
                   one.unit,           one.resolution_s * kNsPerS,
                   one.data.end_ns[i], flag_names(one.data.flags[i])};
            for (const auto& [bit, name] : kColumnNames) {
                if (columns & bit) row.push_back(value_at(one, bit, i));
            }
        }
    }
    return section;
}

std::vector<Section> series_sections(const std::vector<SeriesOfPoints>& series, std::uint32_t columns) {
    std::vector<Section> sections;
    for (const SeriesOfPoints& one : series) {
        std::uint32_t shown = columns_of(one.data) & columns;
        if (columns == agent::kColumnsAll) shown &= ~agent::kColumnBuckets;  // dozens of numbers a line
        // Partial windows end anywhere, and two ends may lie within one second.
        const bool whole = std::all_of(one.data.end_ns.begin(), one.data.end_ns.end(),
                                       [](std::uint64_t end_ns) { return end_ns % kNsPerS == 0; });
        Section section{.name = "points",
                        .title = title_of(one),
                        .columns = {{"end_ns", whole ? Unit::kTime : Unit::kTimeMs, "TIME"}}};
        for (const auto& [bit, name] : kColumnNames) {
            const int spare = bit == agent::kColumnSum ? 1 : 0;  // people look at the others
            if (shown & bit) section.columns.push_back({.name = name, .unit = unit_of(one, bit), .spare = spare});
        }
        section.columns.push_back({"flags"});
        for (std::size_t i = 0; i < one.data.size(); ++i) {
            std::vector<Value>& row = section.rows.emplace_back();
            row.emplace_back(one.data.end_ns[i]);
            for (const auto& [bit, name] : kColumnNames) {
                if (shown & bit) row.push_back(value_at(one, bit, i));
            }
            row.emplace_back(flag_names(one.data.flags[i]));
        }
        sections.push_back(std::move(section));
    }
    return sections;
}

}  // namespace ringside::ctl
