#include "agent/prometheus/remote_read_request.h"

#include <google/protobuf/io/coded_stream.h>
#include <snappy.h>

#include <algorithm>

namespace ringside::agent {
namespace {

using google::protobuf::io::CodedInputStream;

constexpr std::size_t kRequestBytesMax = 1024 * 1024;  // unpacked
constexpr std::size_t kQueriesMax = 100;
constexpr std::uint64_t kStreamedXorChunks = 1;  // of prometheus.ReadRequest.ResponseType; 0 is SAMPLES

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

bool read_matcher(CodedInputStream& input, ReadQuery& query, std::size_t& patterns_cost) {
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
    patterns_cost += matcher->cost();
    query.selector.matchers.push_back(std::move(*matcher));
    return patterns_cost <= kPatternsMaxCost && query.selector.matchers.size() <= kSelectorMaxMatchers;
}

// All the time there is may be asked for.
std::int64_t clamped_time(std::uint64_t time_ms) {
    return std::clamp(static_cast<std::int64_t>(time_ms), -kAllTimeMs, kAllTimeMs);
}

bool read_hints(CodedInputStream& input, ReadQuery& query) {
    return each_field(input, [&](std::uint32_t tag, bool& ok) {
        std::uint64_t value = 0;
        if (tag != varint_field(1) && tag != varint_field(7)) return false;
        ok = input.ReadVarint64(&value);
        (tag == varint_field(1) ? query.step_ms : query.range_ms) =
            std::clamp(static_cast<std::int64_t>(value), std::int64_t{0}, kAllTimeMs);
        return true;
    });
}

bool read_query(CodedInputStream& input, ReadQuery& query, std::size_t& patterns_cost) {
    std::uint64_t begin = 0, end = 0;
    const bool whole = each_field(input, [&](std::uint32_t tag, bool& ok) {
        if (tag == varint_field(1)) return ok = input.ReadVarint64(&begin), true;
        if (tag == varint_field(2)) return ok = input.ReadVarint64(&end), true;
        if (tag != bytes_field(3) && tag != bytes_field(4)) return false;
        ok = read_message(input, [&](CodedInputStream& inner) {
            return tag == bytes_field(3) ? read_matcher(inner, query, patterns_cost) : read_hints(inner, query);
        });
        return true;
    });
    query.period = {clamped_time(begin), clamped_time(end)};
    return whole;
}

bool read_number(CodedInputStream& input, std::vector<std::uint64_t>& numbers) {
    std::uint64_t number = 0;
    if (!input.ReadVarint64(&number)) return false;
    numbers.push_back(number);
    return true;
}

// Packed: one behind the other.
bool read_numbers(CodedInputStream& input, std::vector<std::uint64_t>& numbers) {
    while (!input.ExpectAtEnd()) {
        if (!read_number(input, numbers)) return false;
    }
    return true;
}

}  // namespace

Result<RemoteReadRequest> read_remote_read_request(const std::string& packed) {
    std::size_t size = 0;
    std::string bytes;
    if (!snappy::GetUncompressedLength(packed.data(), packed.size(), &size) || size > kRequestBytesMax ||
        !snappy::Uncompress(packed.data(), packed.size(), &bytes)) {
        return error(Code::kInvalid, "the body is no snappy block of at most 1 MiB");
    }
    RemoteReadRequest request;
    std::vector<std::uint64_t> accepted;
    std::size_t patterns_cost = 0;
    CodedInputStream input(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
    const bool whole = each_field(input, [&](std::uint32_t tag, bool& ok) {
        if (tag == varint_field(2)) return ok = read_number(input, accepted), true;
        if (tag != bytes_field(1) && tag != bytes_field(2)) return false;
        ok = read_message(input, [&](CodedInputStream& inner) {
            if (tag == bytes_field(2)) return read_numbers(inner, accepted);
            request.queries.emplace_back();
            return request.queries.size() <= kQueriesMax && read_query(inner, request.queries.back(), patterns_cost);
        });
        return true;
    });
    if (!whole)
        return error(Code::kInvalid,
                     "the body is no prometheus.ReadRequest, or one with more than 100 queries or too large regular "
                     "expressions");
    for (const std::uint64_t type : accepted) {
        if (type > kStreamedXorChunks) continue;
        request.wants_chunks = type == kStreamedXorChunks;
        return request;
    }
    if (accepted.empty()) return request;
    return error(Code::kInvalid,
                 "none of the accepted response types is known; ask for SAMPLES or STREAMED_XOR_CHUNKS");
}

}  // namespace ringside::agent
