// Remote read: the samples of a time, for another Prometheus to query. Protobuf in snappy, both ways.
#include <google/protobuf/io/coded_stream.h>
#include <snappy.h>

#include <algorithm>
#include <bit>

#include "agent/base/text.h"
#include "agent/prometheus/api.h"
#include "agent/prometheus/selection.h"

namespace ringside::agent {
namespace {

using google::protobuf::io::CodedInputStream;

constexpr std::size_t kRequestBytesMax = 1024 * 1024;  // unpacked
constexpr std::size_t kQueriesMax = 100;

// A prometheus.Query: one selection.
struct ReadQuery {
    Period period;
    Selector selector;
};

// Calls `field(number, input)` for each field of the message that `input` is at, up to its end; a field that returns false
// is skipped. False when the bytes are no message.
template <typename Field>
bool each_field(CodedInputStream& input, Field field) {
    while (const std::uint32_t tag = input.ReadTag()) {
        bool ok = true;
        if (field(tag, ok)) {
            if (!ok) return false;
            continue;
        }
        std::uint64_t skipped = 0;
        std::uint32_t length = 0;
        switch (tag & 7) {
            case 0: ok = input.ReadVarint64(&skipped); break;
            case 1: ok = input.ReadLittleEndian64(&skipped); break;
            case 2: ok = input.ReadVarint32(&length) && input.Skip(static_cast<int>(length)); break;
            case 5: ok = input.ReadLittleEndian32(&length); break;
            default: return false;
        }
        if (!ok) return false;
    }
    return input.ConsumedEntireMessage();
}

constexpr std::uint32_t varint_field(std::uint32_t number) { return number << 3; }
constexpr std::uint32_t bytes_field(std::uint32_t number) { return number << 3 | 2; }

bool read_text(CodedInputStream& input, std::string& text) {
    std::uint32_t length = 0;
    return input.ReadVarint32(&length) && length <= kRequestBytesMax &&
           input.ReadString(&text, static_cast<int>(length));
}

// A message inside of another one.
template <typename Read>
bool read_message(CodedInputStream& input, Read read) {
    std::string bytes;
    if (!read_text(input, bytes)) return false;
    CodedInputStream inner(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
    return read(inner);
}

bool read_matcher(CodedInputStream& input, ReadQuery& query) {
    static constexpr MatchOp kOps[] = {MatchOp::kEqual, MatchOp::kNotEqual, MatchOp::kRegex, MatchOp::kNotRegex};
    std::uint64_t type = 0;
    std::string name, value;
    const bool whole = each_field(input, [&](std::uint32_t tag, bool& ok) {
        if (tag == varint_field(1)) return ok = input.ReadVarint64(&type), true;
        if (tag == bytes_field(2)) return ok = read_text(input, name), true;
        if (tag == bytes_field(3)) return ok = read_text(input, value), true;
        return false;
    });
    if (!whole || type >= std::size(kOps)) return false;
    auto matcher = Matcher::make(name, kOps[type], value);
    if (!matcher) return false;
    query.selector.matchers.push_back(std::move(*matcher));
    return query.selector.matchers.size() <= kSelectorMaxMatchers;
}

// All the time there is may be asked for.
std::int64_t clamped_time(std::uint64_t time_ms) {
    return std::clamp(static_cast<std::int64_t>(time_ms), -kAllTimeMs, kAllTimeMs);
}

bool read_query(CodedInputStream& input, ReadQuery& query) {
    std::uint64_t begin = 0, end = 0;
    const bool whole = each_field(input, [&](std::uint32_t tag, bool& ok) {
        if (tag == varint_field(1)) return ok = input.ReadVarint64(&begin), true;
        if (tag == varint_field(2)) return ok = input.ReadVarint64(&end), true;
        if (tag != bytes_field(3)) return false;
        ok = read_message(input, [&](CodedInputStream& inner) { return read_matcher(inner, query); });
        return true;
    });
    query.period = {clamped_time(begin), clamped_time(end)};
    return whole;
}

Result<std::vector<ReadQuery>> read_request(const std::string& packed) {
    std::size_t size = 0;
    std::string bytes;
    if (!snappy::GetUncompressedLength(packed.data(), packed.size(), &size) || size > kRequestBytesMax ||
        !snappy::Uncompress(packed.data(), packed.size(), &bytes)) {
        return error(Code::kInvalid, "the body is no snappy block of at most 1 MiB");
    }
    std::vector<ReadQuery> queries;
    CodedInputStream input(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
    const bool whole = each_field(input, [&](std::uint32_t tag, bool& ok) {
        if (tag != bytes_field(1)) return false;
        queries.emplace_back();
        ok = queries.size() <= kQueriesMax &&
             read_message(input, [&](CodedInputStream& inner) { return read_query(inner, queries.back()); });
        return true;
    });
    if (!whole) return error(Code::kInvalid, "the body is no prometheus.ReadRequest with at most 100 queries");
    return queries;
}

void append_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}
void append_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
    append_varint(out, bytes_field(number));
    append_varint(out, bytes.size());
    out += bytes;
}

std::string series_message(const promql::Labels& labels, const promql::FloatSamples& samples) {
    std::string out;
    for (const Label& label : labels.set()) {
        std::string pair;
        append_bytes(pair, 1, clean_utf8(label.name));
        append_bytes(pair, 2, clean_utf8(label.value));
        append_bytes(out, 1, pair);
    }
    for (std::size_t i = 0; i < samples.count; ++i) {
        std::string sample;
        sample += static_cast<char>(1 << 3 | 1);
        auto bits = std::bit_cast<std::uint64_t>(samples.values[i]);
        for (int byte = 0; byte < 8; ++byte, bits >>= 8) sample += static_cast<char>(bits & 0xff);
        append_varint(sample, varint_field(2));
        append_varint(sample, static_cast<std::uint64_t>(samples.times_ms[i]));
        append_bytes(out, 2, sample);
    }
    return out;
}

}  // namespace

HttpAnswer PrometheusApi::remote_read(const Call& call) const {
    const auto bad = [](const std::string& why) { return HttpAnswer{.status = 400, .body = why + "\n"}; };
    if (!call.request.content_encoding.empty() && call.request.content_encoding != "snappy") {
        return bad("the body has to be a snappy block");
    }
    auto queries = read_request(call.request.body);
    if (!queries) return bad(queries.error().context);
    const auto session = backend_.open(call.request.caller);
    std::string response;
    promql::SampleBuffer buffer;
    std::vector<std::string> warnings;  // The protocol has no place for them.
    for (const ReadQuery& query : *queries) {
        std::string result;
        const auto walked = each_series(
            session->source(), std::span(&query.selector, 1), query.period, warnings,
            [&](const promql::SeriesSet& set, std::size_t series) -> Result<void> {
                if (call.hung_up) return error(Code::kUnavailable, "the client has hung up");
                auto span = set.read(series, query.period.begin_ms - 1, query.period.end_ms, buffer);
                if (!span) return span.error();
                if (span->floats.count > 0) {
                    append_bytes(result, 1, series_message(set.labels(series), span->floats));
                }
                if (response.size() + result.size() <= options_.answer_bytes_max) return {};
                return error(Code::kExhausted, "the answer is too large; ask for fewer series or a shorter time");
            });
        if (!walked)
            return {.status = walked.error().code == Code::kExhausted ? 400 : 500,
                    .body = walked.error().message() + "\n"};
        append_bytes(response, 1, result);
    }
    HttpAnswer answer{.content_type = "application/x-protobuf", .headers = {{"Content-Encoding", "snappy"}}};
    snappy::Compress(response.data(), response.size(), &answer.body);
    return answer;
}

}  // namespace ringside::agent
