// Remote read: the samples of a time, for another Prometheus to query. Protobuf, in snappy or in frames.
#include <snappy.h>

#include <algorithm>
#include <bit>

#include "agent/base/crc32c.h"
#include "agent/base/text.h"
#include "agent/prometheus/api.h"
#include "agent/prometheus/chunks.h"
#include "agent/prometheus/remote_read_request.h"
#include "agent/prometheus/reply.h"
#include "agent/prometheus/selection.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kFrameBytes = 1024 * 1024;  // after which a frame is full

constexpr std::uint32_t varint_field(std::uint32_t number) { return number << 3; }
constexpr std::uint32_t fixed64_field(std::uint32_t number) { return number << 3 | 1; }
constexpr std::uint32_t bytes_field(std::uint32_t number) { return number << 3 | 2; }

void append_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}
void append_number(std::string& out, std::uint32_t number, std::uint64_t value) {
    append_varint(out, varint_field(number));
    append_varint(out, value);
}
void append_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
    append_varint(out, bytes_field(number));
    append_varint(out, bytes.size());
    out += bytes;
}
void append_bits(std::string& out, double value) {
    auto bits = std::bit_cast<std::uint64_t>(value);
    for (int byte = 0; byte < 8; ++byte, bits >>= 8) out += static_cast<char>(bits & 0xff);
}
void append_double(std::string& out, std::uint32_t number, double value) {
    append_varint(out, fixed64_field(number));
    append_bits(out, value);
}
std::uint64_t zigzag(std::int64_t value) {
    return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}

std::string labels_fields(const promql::Labels& labels) {
    std::string out;
    for (const Label& label : labels.set()) {
        std::string pair;
        append_bytes(pair, 1, clean_utf8(label.name));
        append_bytes(pair, 2, clean_utf8(label.value));
        append_bytes(out, 1, pair);
    }
    return out;
}

// The side's spans and counts, as two fields of a prometheus.Histogram.
void append_side(std::string& out, const promql::BucketCounts& buckets, std::uint32_t spans, std::uint32_t counts) {
    for (const promql::BucketSpan& span : promql::bucket_spans(buckets)) {
        std::string message;
        append_number(message, 1, zigzag(span.offset));
        append_number(message, 2, span.length);
        append_bytes(out, spans, message);
    }
    std::string packed;
    for (const promql::BucketCount& bucket : buckets) append_bits(packed, bucket.count);
    if (!packed.empty()) append_bytes(out, counts, packed);
}

// A prometheus.Histogram with fractional counts.
std::string histogram_message(const promql::FloatHistogram& histogram, std::int64_t time_ms) {
    std::string out;
    append_double(out, 2, histogram.count);
    append_double(out, 3, histogram.sum);
    append_number(out, 4, zigzag(histogram.schema));
    append_double(out, 5, histogram.zero_threshold);
    append_double(out, 7, histogram.zero_count);
    append_side(out, histogram.negative, 8, 10);
    append_side(out, histogram.positive, 11, 13);
    append_number(out, 14, static_cast<std::uint64_t>(histogram.reset_hint));
    append_number(out, 15, static_cast<std::uint64_t>(time_ms));
    std::string bounds;
    for (const double bound : histogram.custom_bounds) append_bits(bounds, bound);
    if (!bounds.empty()) append_bytes(out, 16, bounds);
    return out;
}

// A prometheus.TimeSeries.
std::string series_message(const promql::Labels& labels, const promql::SampleSpan& samples) {
    std::string out = labels_fields(labels);
    for (std::size_t i = 0; i < samples.floats.count; ++i) {
        std::string sample;
        append_double(sample, 1, samples.floats.values[i]);
        append_number(sample, 2, static_cast<std::uint64_t>(samples.floats.times_ms[i]));
        append_bytes(out, 2, sample);
    }
    for (std::size_t i = 0; i < samples.histograms.count; ++i) {
        append_bytes(out, 4, histogram_message(*samples.histograms.values[i], samples.histograms.times_ms[i]));
    }
    return out;
}

// Length, checksum, and a prometheus.ChunkedReadResponse of one series.
void append_frame(std::string& out, std::string_view series, std::uint64_t query) {
    std::string message;
    append_bytes(message, 1, series);
    if (query != 0) append_number(message, 2, query);
    append_varint(out, message.size());
    const std::uint32_t checksum = crc32c(message);
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(checksum >> shift & 0xff);
    out += message;
}

void append_frames(std::string& out, const promql::Labels& labels, const promql::SampleSpan& samples,
                   std::uint64_t query) {
    const std::string fields = labels_fields(labels);
    std::string series = fields;
    each_chunk(samples, [&](const Chunk& chunk) {
        std::string message;
        append_number(message, 1, static_cast<std::uint64_t>(chunk.begin_ms));
        append_number(message, 2, static_cast<std::uint64_t>(chunk.end_ms));
        append_number(message, 3, static_cast<std::uint64_t>(chunk.encoding));
        append_bytes(message, 4, chunk.bytes);
        append_bytes(series, 2, message);
        if (series.size() < kFrameBytes) return;
        append_frame(out, series, query);
        series = fields;
    });
    if (series.size() > fields.size()) append_frame(out, series, query);
}

// What a selector is going to be used for tells which tier to read: an instant selector reads a lookback that only stands
// in for what is missing. How long the asker's is, nobody says; so as long as this agent's.
promql::SelectHints hints_of(const ReadQuery& query, std::int64_t lookback_ms) {
    promql::SelectHints hints = hints_of(query.period);
    hints.step_ms = query.step_ms;
    hints.range_ms = query.range_ms;
    if (query.range_ms == 0 && query.step_ms != 0) {
        hints.wanted_ms = std::min(hints.begin_ms + lookback_ms, hints.end_ms);
    }
    return hints;
}

}  // namespace

HttpAnswer PrometheusApi::remote_read(const Call& call) const {
    const auto failed = [](int status, const std::string& why) {
        return HttpAnswer{.status = status, .body = why + "\n"};
    };
    if (!call.request.content_encoding.empty() && call.request.content_encoding != "snappy") {
        return failed(400, "the body has to be a snappy block");
    }
    auto request = read_remote_read_request(call.request.body);
    if (!request) return failed(400, request.error().context);
    const auto session = host_.backend.open(call.request.caller);
    std::string response;
    promql::SampleBuffer buffer;
    std::vector<std::string> warnings;  // The protocol has no place for them.
    std::uint64_t number = 0;
    for (const ReadQuery& query : request->queries) {
        std::string result;
        const auto walked = each_series(
            session->source(), std::span(&query.selector, 1), hints_of(query, host_.limits.lookback_ms), warnings,
            [&](const promql::SeriesSet& set, std::size_t series) -> Result<void> {
                if (auto on = call.go_on(); !on) return on;
                auto span = set.read(series, query.period.begin_ms - 1, query.period.end_ms, buffer);
                if (!span) return span.error();
                if (span->count() > 0 && request->wants_chunks) {
                    append_frames(result, set.labels(series), *span, number);
                } else if (span->count() > 0) {
                    append_bytes(result, 1, series_message(set.labels(series), *span));
                }
                if (response.size() + result.size() <= options_.answer_bytes_max) return {};
                return error(Code::kExhausted, "the answer is too large; ask for fewer series or a shorter time");
            });
        if (!walked) {
            const bool too_large = walked.error().code == Code::kExhausted;
            return failed(too_large ? 400 : error_reply(walked.error()).status, walked.error().message());
        }
        request->wants_chunks ? void(response += result) : append_bytes(response, 1, result);
        ++number;
    }
    if (request->wants_chunks) {
        return {.content_type = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse",
                .body = std::move(response)};
    }
    HttpAnswer answer{.content_type = "application/x-protobuf", .headers = {{"Content-Encoding", "snappy"}}};
    snappy::Compress(response.data(), response.size(), &answer.body);
    return answer;
}

}  // namespace ringside::agent
