#include "agent/promql/run/json.h"

#include <charconv>
#include <cmath>

#include "agent/base/columns.h"
#include "agent/base/text.h"
#include "agent/promql/value/number.h"

namespace ringside::agent {
namespace {

using promql::QueryValue;

constexpr double kExactIntegers = 9007199254740992;  // 2^53: above it std::to_chars writes digits that mean nothing

void append_escaped(std::string& out, std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte >= 0x20) {
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c == '\r') {
            out += "\\r";
        } else {
            out += "\\u00";
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
        }
    }
}

// Without the quotes.
void append_number(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
        return;
    }
    if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
        return;
    }
    char digits[64];
    const double size = std::abs(value);
    if (size >= kExactIntegers && size < 1e21) {
        out += promql::plain_number(value);
        return;
    }
    const bool fixed = value == 0 || (size >= 1e-6 && size < 1e21);
    const auto form = fixed ? std::chars_format::fixed : std::chars_format::scientific;
    const auto [end, failure] = std::to_chars(digits, digits + sizeof digits, value, form);
    out.append(digits, end);
}

void append_integer(std::string& out, std::int64_t value) {
    char digits[24];
    const auto [end, failure] = std::to_chars(digits, digits + sizeof digits, value);
    out.append(digits, end);
}

void append_point(std::string& out, std::int64_t time_ms, double value) {
    out += '[';
    append_json_time(out, time_ms);
    out += ',';
    append_json_value(out, value);
    out += ']';
}

void append_point(std::string& out, std::int64_t time_ms, const promql::FloatHistogram& value) {
    out += '[';
    append_json_time(out, time_ms);
    out += ',';
    append_json(out, value);
    out += ']';
}

void append_series(std::string& out, const promql::Series& series) {
    out += "{\"metric\":";
    append_json(out, series.labels);
    const char* before = ",\"values\":[";
    for (const promql::Point& point : series.points) {
        out += before;
        append_point(out, point.time_ms, point.value);
        before = ",";
    }
    if (!series.points.empty()) out += ']';
    before = ",\"histograms\":[";
    for (const promql::HistogramPoint& point : series.histograms) {
        out += before;
        append_point(out, point.time_ms, *point.value);
        before = ",";
    }
    if (!series.histograms.empty()) out += ']';
    out += '}';
}

void append_sample(std::string& out, const promql::Sample& sample, std::int64_t time_ms) {
    out += "{\"metric\":";
    append_json(out, sample.labels);
    out += sample.histogram ? ",\"histogram\":" : ",\"value\":";
    sample.histogram ? append_point(out, time_ms, *sample.histogram) : append_point(out, time_ms, sample.value);
    out += '}';
}

using Room = std::function<Result<void>(std::size_t bytes)>;

template <typename List, typename Append>
Result<void> append_list(std::string& out, const char* type, const List& list, const Room& room, Append append) {
    out += std::string("\"resultType\":\"") + type + "\",\"result\":[";
    const char* before = "";
    for (const auto& one : list) {
        out += before;
        append(one);
        before = ",";
        if (auto fits = room(out.size()); !fits) return fits;
    }
    out += ']';
    return {};
}

void append_stats(std::string& out, const QueryAnswer& answer) {
    const std::string seconds = std::to_string(std::chrono::duration<double>(answer.took).count());
    out += ",\"stats\":{\"timings\":{\"evalTotalTime\":" + seconds +
           ",\"resultSortTime\":0,\"queryPreparationTime\":0,\"innerEvalTime\":" + seconds +
           ",\"execQueueTime\":0,\"execTotalTime\":" + seconds +
           "},\"samples\":{\"totalQueryableSamples\":" + std::to_string(answer.stats.samples_read) +
           ",\"peakSamples\":" + std::to_string(answer.stats.samples_peak) + "},\"ringside\":{\"selections\":[";
    const char* before = "{\"selector\":";
    for (const ReadReport& report : answer.reports) {
        out += before;
        append_json(out, std::string_view(report.selector));
        out += ",\"seriesByTierSeconds\":{";
        const char* comma = "";
        for (const auto& [resolution_s, series] : report.series_by_resolution_s) {
            out += comma + ("\"" + std::to_string(resolution_s) + "\":" + std::to_string(series));
            comma = ",";
        }
        out += "},\"windows\":" + std::to_string(report.windows) + ",\"bytes\":" + std::to_string(report.bytes) +
               ",\"columns\":[";
        comma = "\"";
        for (const std::string& column : column_names(report.columns)) {
            out += comma + column + '"';
            comma = ",\"";
        }
        out += "],\"newest\":";
        append_json_time(out, report.newest_ms);
        out += '}';
        before = ",{\"selector\":";
    }
    out += "]}}";
}

}  // namespace

void append_json(std::string& out, std::string_view text) {
    out += '"';
    is_utf8(text) ? append_escaped(out, text) : append_escaped(out, clean_utf8(text));
    out += '"';
}

void append_json_value(std::string& out, double value) {
    out += '"';
    append_number(out, value);
    out += '"';
}

void append_json_time(std::string& out, std::int64_t time_ms) {
    if (time_ms < 0) out += '-';
    const std::int64_t size_ms = std::abs(time_ms);
    append_integer(out, size_ms / 1000);
    const int rest = static_cast<int>(size_ms % 1000);
    if (rest == 0) return;
    out += '.';
    for (const int digit : {rest / 100, rest / 10 % 10, rest % 10}) out += static_cast<char>('0' + digit);
}

void append_json(std::string& out, const promql::Labels& labels) {
    out += '{';
    const char* before = "";
    for (const Label& label : labels.set()) {
        out += before;
        append_json(out, std::string_view(label.name));
        out += ':';
        append_json(out, std::string_view(label.value));
        before = ",";
    }
    out += '}';
}

void append_json(std::string& out, const promql::FloatHistogram& histogram) {
    out += "{\"count\":";
    append_json_value(out, histogram.count);
    out += ",\"sum\":";
    append_json_value(out, histogram.sum);
    const char* before = ",\"buckets\":[";
    bool any = false;
    for (const promql::Bucket& bucket : histogram.buckets()) {
        if (bucket.count == 0) continue;
        // Which ends belong to it: 0 the upper one, 1 the lower one, 2 none, 3 both.
        const int rule = bucket.lower_inclusive ? (bucket.upper_inclusive ? 3 : 1) : (bucket.upper_inclusive ? 0 : 2);
        out += before;
        out += '[';
        append_integer(out, rule);
        for (const double value : {bucket.lower, bucket.upper, bucket.count}) {
            out += ',';
            append_json_value(out, value);
        }
        out += ']';
        before = ",";
        any = true;
    }
    out += any ? "]}" : "}";
}

Result<void> append_json(std::string& out, const QueryValue& value, std::int64_t time_ms, const Room& room) {
    if (const auto* matrix = std::get_if<promql::MatrixValue>(&value)) {
        return append_list(out, "matrix", *matrix, room, [&](const auto& series) { append_series(out, series); });
    }
    if (const auto* vector = std::get_if<promql::VectorValue>(&value)) {
        return append_list(out, "vector", *vector, room,
                           [&](const auto& sample) { append_sample(out, sample, time_ms); });
    }
    if (const auto* scalar = std::get_if<promql::ScalarValue>(&value)) {
        out += "\"resultType\":\"scalar\",\"result\":";
        append_point(out, time_ms, scalar->value);
        return {};
    }
    out += "\"resultType\":\"string\",\"result\":[";
    append_json_time(out, time_ms);
    out += ',';
    append_json(out, std::string_view(std::get<promql::StringValue>(value).value));
    out += ']';
    return {};
}

Result<void> append_json(std::string& out, const QueryAnswer& answer, std::int64_t time_ms, bool stats,
                         const Room& room) {
    out += '{';
    if (auto written = append_json(out, answer.value, time_ms, room); !written) return written;
    if (stats) append_stats(out, answer);
    out += '}';
    return {};
}

}  // namespace ringside::agent
