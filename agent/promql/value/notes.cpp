#include "agent/promql/value/notes.h"

#include <algorithm>
#include <cstdio>

#include "agent/base/text.h"
#include "agent/promql/value/labels.h"
#include "agent/promql/value/number.h"

namespace ringside::agent::promql {
namespace {

std::string for_metric(std::string text, std::string_view metric) {
    if (!metric.empty()) text += " for metric name " + quote(metric);
    return text;
}

// 1970-01-01T00:00:00Z. By hand: gmtime is not everywhere reentrant, and years beyond 9999 are no error here.
std::string utc_text(std::int64_t time_ms) {
    std::int64_t seconds = time_ms / 1000;
    std::int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        --days;
    }
    // Days from 0000-03-01 in eras of 400 years.
    std::int64_t z = days + 719468;
    std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    std::int64_t day_of_era = z - era * 146097;
    std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
    std::int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    std::int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    char text[64];
    std::snprintf(text, sizeof text, "%04lld-%02lld-%02lldT%02lld:%02lld:%02lldZ", static_cast<long long>(year),
                  static_cast<long long>(month), static_cast<long long>(day), static_cast<long long>(rest / 3600),
                  static_cast<long long>(rest / 60 % 60), static_cast<long long>(rest % 60));
    return text;
}

std::string two_digits(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2g", value);
    return text;
}

}  // namespace

Notes::Entry& Notes::add(NoteLevel level, std::uint32_t position, std::string_view text) {
    std::string_view prefix = level == NoteLevel::kWarning ? "PromQL warning: " : "PromQL info: ";
    for (Entry& entry : entries_) {
        std::string_view message = entry.note.message;
        if (message.size() == prefix.size() + text.size() && message.starts_with(prefix) && message.ends_with(text)) {
            return entry;
        }
    }
    entries_.push_back({});
    entries_.back().note = {level, std::string(prefix) + std::string(text), position, ""};
    return entries_.back();
}

void Notes::forced_monotonicity(std::uint32_t position, std::string_view metric, const ForcedMonotonicity& what) {
    Entry& entry = add(NoteLevel::kInfo, position,
                       for_metric("input to histogram_quantile needed to be fixed for monotonicity (see "
                                  "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                                  "#histogram_quantile)",
                                  metric));
    ++entry.samples;
    if (!entry.has_range) {
        entry.has_range = true;
        entry.widest = what;
        entry.last_time_ms = what.time_ms;
        return;
    }
    entry.widest.time_ms = std::min(entry.widest.time_ms, what.time_ms);
    entry.last_time_ms = std::max(entry.last_time_ms, what.time_ms);
    entry.widest.lowest_bound = std::min(entry.widest.lowest_bound, what.lowest_bound);
    entry.widest.highest_bound = std::max(entry.widest.highest_bound, what.highest_bound);
    entry.widest.largest_lift = std::max(entry.widest.largest_lift, what.largest_lift);
}

std::vector<Note> Notes::list() const {
    std::vector<Note> notes;
    for (const Entry& entry : entries_) {
        notes.push_back(entry.note);
        if (!entry.has_range) continue;
        notes.back().detail = ", from buckets " + short_number(entry.widest.lowest_bound) + " to " +
                              short_number(entry.widest.highest_bound) + ", with a max diff of " +
                              two_digits(entry.widest.largest_lift) + ", over " + std::to_string(entry.samples) +
                              " samples from " + utc_text(entry.widest.time_ms) + " to " + utc_text(entry.last_time_ms);
    }
    return notes;
}

std::string note_text(const Note& note, std::string_view query) {
    std::string_view before = query.substr(0, std::min<std::size_t>(note.position, query.size()));
    auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
    std::size_t newline = before.rfind('\n');
    std::size_t column = before.size() - (newline == before.npos ? 0 : newline + 1) + 1;
    return note.message + note.detail + " (" + std::to_string(line) + ":" + std::to_string(column) + ")";
}

namespace note {

std::string mixed_floats_histograms(std::string_view metric) {
    return "encountered a mix of histograms and floats for metric name " + quote(metric);
}
std::string mixed_classic_native(std::string_view metric) {
    return for_metric("vector contains a mix of classic and native histograms", metric);
}
std::string not_a_counter(std::string_view metric) {
    return "this native histogram metric is not a counter: " + quote(metric);
}
std::string not_a_gauge(std::string_view metric) {
    return "this native histogram metric is not a gauge: " + quote(metric);
}
std::string mixed_buckets(std::string_view metric) {
    return "vector contains a mix of histograms with exponential and custom buckets schemas for metric name " +
           quote(metric);
}
std::string start_overlap(std::string_view metric) {
    return "sample has start time that overlaps with previous sample timestamp for metric " + quote(metric);
}
std::string ignored_in_mixed_range(std::string_view metric) {
    return "ignored histograms in a range containing both floats and histograms for metric name " + quote(metric);
}
std::string ignored_in_aggregation(std::string_view aggregation) {
    return "ignored histogram in " + std::string(aggregation) + " aggregation";
}
std::string bad_bucket_label(std::string_view metric, std::string_view label) {
    return for_metric("bucket label \"le\" is missing or has a malformed value of " + quote(label), metric);
}
std::string invalid_quantile(double q) { return "quantile value should be between 0 and 1, got " + short_number(q); }
std::string invalid_ratio(double ratio, double cap) {
    return "ratio value should be between -1 and 1, got " + short_number(ratio) + ", capping to " + short_number(cap);
}
std::string possible_non_counter(std::string_view metric) {
    return "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " + quote(metric);
}
std::string possible_non_counter_label(std::string_view metric, std::string_view type) {
    return "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got " +
           quote(type) + ": " + quote(metric);
}
std::string incompatible_types(std::string_view left, std::string_view op, std::string_view right) {
    std::string text = "incompatible sample types encountered for binary operator " + quote(op) + ": ";
    text.append(left).append(" ").append(op).append(" ").append(right);
    return text;
}
std::string incompatible_layout(std::string_view op) {
    return "incompatible bucket layout encountered for binary operator " + std::string(op);
}
std::string quantile_is_nan(std::string_view metric) {
    return for_metric("input to histogram_quantile has NaN observations, result is NaN", metric);
}
std::string quantile_is_skewed(std::string_view metric) {
    return for_metric("input to histogram_quantile has NaN observations, result is skewed higher", metric);
}
std::string fraction_excludes_nan(std::string_view metric) {
    return for_metric("input to histogram_fraction has NaN observations, which are excluded from all fractions",
                      metric);
}
std::string reset_collision(std::string_view operation) {
    return "conflicting counter resets during histogram " + std::string(operation);
}
std::string bounds_reconciled(std::string_view operation) {
    return "mismatched custom buckets were reconciled during " + std::string(operation);
}

}  // namespace note

}  // namespace ringside::agent::promql
