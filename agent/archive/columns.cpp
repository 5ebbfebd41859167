#include "agent/archive/columns.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>
#include <utility>

#include "agent/archive/integers.h"
#include "agent/base/bytes.h"

namespace ringside::agent {

namespace {

Error corrupt(const char* what) { return error(Code::kCorrupt, what); }

constexpr std::uint64_t kExponentOne = std::uint64_t{1} << 52;  // the least bits of a float that is not subnormal

// 10^0 ... 10^18: all exact.
constexpr std::array<double, kDecimalsMax + 1> kPowersOfTen = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                                               1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
constexpr double kExactMax = 9007199254740992.0;  // 2^53

double float_of(std::uint64_t bits) { return std::bit_cast<double>(bits); }

// The float nearest to integer / 10^decimals, as bits.
std::uint64_t decimal_bits(std::uint64_t integer, unsigned decimals) {
    return std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(integer)) /
                                        kPowersOfTen[decimals]);
}

// The integer n for which n / 10^decimals comes nearest to the float, where floats hold such an n exactly.
std::optional<std::uint64_t> decimal_integer(std::uint64_t bits, unsigned decimals) {
    double product = float_of(bits) * kPowersOfTen[decimals];
    if (!(std::fabs(product) <= kExactMax)) return std::nullopt;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(std::nearbyint(product)));
}

// What the digits leave of the value, and how many bits both take from one value to the next; judged by some pairs of
// neighbours.
std::uint64_t decimal_cost(std::span<const std::uint64_t> values, unsigned decimals) {
    constexpr std::size_t kPairs = 24;
    const std::size_t step = std::max<std::size_t>(1, values.size() / kPairs);
    std::uint64_t cost = 0;
    for (std::size_t i = 1; i < values.size(); i += step) {
        std::uint64_t integers[2], rests[2];
        for (std::size_t j = 0; j < 2; ++j) {
            integers[j] = decimal_integer(values[i - 1 + j], decimals).value_or(0);
            rests[j] = values[i - 1 + j] - decimal_bits(integers[j], decimals);
        }
        cost += static_cast<std::uint64_t>(std::bit_width(zigzag(integers[1] - integers[0])) +
                                           std::bit_width(zigzag(rests[1] - rests[0])));
    }
    return cost;
}

PackedColumn plain(std::span<const std::uint64_t> values) {
    ByteWriter writer;
    writer.u64s(values);
    return {Encoding::kPlain, writer.take()};
}

void keep_smaller(PackedColumn other, PackedColumn* best) {
    if (other.bytes.size() < best->bytes.size()) *best = std::move(other);
}

// Two lists, of which the first says how long it is.
std::string two_lists(std::span<const std::uint64_t> first, std::span<const std::uint64_t> second) {
    ByteWriter writer;
    std::string bytes = encode_integers(first);
    writer.varint(bytes.size());
    writer.raw(bytes);
    if (!second.empty()) writer.raw(encode_integers(second));
    return writer.take();
}

PackedColumn pack_decimals(std::span<const std::uint64_t> values) {
    unsigned decimals = 0;
    std::uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i <= kDecimalsMax; ++i) {
        std::uint64_t cost = decimal_cost(values, i);
        if (cost < least) {
            least = cost;
            decimals = i;
        }
    }
    std::vector<std::uint64_t> integers, rests;
    integers.reserve(values.size());
    rests.reserve(values.size());
    std::uint64_t before = 0;
    for (std::uint64_t value : values) {
        // What has no digits (a NaN, an infinity, a huge number) is all rest, and does not disturb the integers.
        before = decimal_integer(value, decimals).value_or(before);
        integers.push_back(before);
        rests.push_back(value - decimal_bits(before, decimals));
    }
    std::string bytes(1, static_cast<char>(decimals));
    bytes += two_lists(integers, rests);
    return {Encoding::kDecimals, std::move(bytes)};
}

using Values = Result<std::vector<std::uint64_t>>;

// As two_lists() wrote them; the second is not there when its count is 0.
Result<std::pair<std::vector<std::uint64_t>, std::vector<std::uint64_t>>> unpack_two(std::string_view bytes,
                                                                                     std::size_t first_count,
                                                                                     std::size_t second_count) {
    ByteReader reader(bytes);
    std::uint64_t first_bytes = reader.varint();
    std::string_view first_list = reader.raw(first_bytes);
    if (reader.failed()) return corrupt("a column is shorter than its lists");
    Values first = decode_integers(first_list, first_count);
    if (!first.ok()) return first.error();
    std::vector<std::uint64_t> second;
    if (second_count > 0) {
        Values decoded = decode_integers(reader.raw(reader.remaining()), second_count);
        if (!decoded.ok()) return decoded.error();
        second = std::move(*decoded);
    }
    if (!reader.finished()) return corrupt("a column is longer than its lists");
    return std::pair(std::move(*first), std::move(second));
}

Values unpack_decimals(std::string_view bytes, std::size_t count) {
    if (bytes.empty()) return corrupt("a column of decimals is empty");
    const auto decimals = static_cast<unsigned char>(bytes.front());
    if (decimals > kDecimalsMax) return corrupt("a column has more decimals than a float");
    auto lists = unpack_two(bytes.substr(1), count, count);
    if (!lists.ok()) return lists.error();
    auto& [values, rests] = *lists;
    for (std::size_t i = 0; i < count; ++i) values[i] = decimal_bits(values[i], decimals) + rests[i];
    return std::move(values);
}

Values unpack_buckets(std::string_view bytes, std::size_t points, std::size_t stride) {
    auto lists = unpack_two(bytes, stride, stride * (points - 1));
    if (!lists.ok()) return lists.error();
    std::vector<std::uint64_t> values(points * stride);
    auto step = lists->second.begin();
    for (std::size_t bucket = 0; bucket < stride; ++bucket) {
        std::uint64_t value = lists->first[bucket];
        values[bucket] = value;
        for (std::size_t point = 1; point < points; ++point) values[point * stride + bucket] = value += *step++;
    }
    return values;
}

}  // namespace

PackedColumn pack_integers(std::span<const std::uint64_t> values) {
    PackedColumn best{Encoding::kIntegers, encode_integers(values)};
    keep_smaller(plain(values), &best);
    return best;
}

PackedColumn pack_floats(std::span<const std::uint64_t> values) {
    PackedColumn best = pack_integers(values);
    keep_smaller(pack_decimals(values), &best);
    return best;
}

PackedColumn pack_counter(std::span<const std::uint64_t> values) {
    // An integer that large is rare, and then a column of floats packs it, too.
    bool floats = std::any_of(values.begin(), values.end(), [](std::uint64_t value) { return value >= kExponentOne; });
    return floats ? pack_floats(values) : pack_integers(values);
}

PackedColumn pack_buckets(std::span<const std::uint64_t> values, std::size_t stride) {
    std::vector<std::uint64_t> steps;
    steps.reserve(values.size());
    for (std::size_t bucket = 0; bucket < stride; ++bucket) {
        for (std::size_t at = bucket + stride; at < values.size(); at += stride) {
            steps.push_back(values[at] - values[at - stride]);
        }
    }
    PackedColumn best{Encoding::kBuckets, two_lists(values.first(stride), steps)};
    keep_smaller(plain(values), &best);
    return best;
}

Values unpack_column(Encoding encoding, std::string_view bytes, std::size_t points, std::size_t stride) {
    const std::size_t count = points * stride;
    switch (encoding) {
        case Encoding::kPlain: {
            ByteReader reader(bytes);
            std::vector<std::uint64_t> values = reader.u64s(count);
            if (!reader.finished()) return corrupt("a plain column has another length than its block");
            return values;
        }
        case Encoding::kIntegers: return decode_integers(bytes, count);
        case Encoding::kDecimals: return unpack_decimals(bytes, count);
        case Encoding::kBuckets: return unpack_buckets(bytes, points, stride);
        case Encoding::kSame:
        case Encoding::kTimes: return error(Code::kInternal, "not a column of values");
    }
    return error(Code::kUnavailable, "it is packed in a way (encoding " +
                                         std::to_string(static_cast<unsigned>(encoding)) +
                                         ") that is newer than this program: read it with a newer one");
}

std::string pack_times(std::span<const std::uint64_t> end_ns, std::uint64_t resolution_ns, std::uint64_t first_window) {
    std::vector<std::uint64_t> windows, early;
    windows.reserve(end_ns.size());
    early.reserve(end_ns.size());
    for (std::uint64_t end : end_ns) {
        std::uint64_t window = window_of(end, resolution_ns);
        windows.push_back(window - first_window);
        early.push_back(window * resolution_ns - end);
    }
    return two_lists(windows, early);
}

Values unpack_times(std::string_view bytes, std::size_t points, std::uint64_t resolution_ns,
                    std::uint64_t first_window) {
    auto lists = unpack_two(bytes, points, points);
    if (!lists.ok()) return lists.error();
    auto& [windows, early] = *lists;
    for (std::size_t i = 0; i < points; ++i) windows[i] = (windows[i] + first_window) * resolution_ns - early[i];
    return std::move(windows);
}

}  // namespace ringside::agent
