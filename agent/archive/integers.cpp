#include "agent/archive/integers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "agent/archive/bits.h"
#include "agent/base/bytes.h"

namespace ringside::agent {

namespace {

// The head of a list: how a value follows from those before it, and how residuals are written.
constexpr std::uint8_t kOrderMask = 3;     // 0: near the base; 1: near the one before; 2: on the line of the two before
constexpr std::uint8_t kScaled = 4;        // values are multiples of a number that follows the base
constexpr std::uint8_t kNoResiduals = 8;   // all are zero: each value is just what was predicted
constexpr std::uint8_t kNonNegative = 16;  // residuals are written as they are; else with the sign in the lowest bit
constexpr std::uint8_t kHeadMask = 31;

// Codes of a group.
constexpr unsigned kCodeBits = 7;
constexpr unsigned kZeros = 0;  // this group and the following ones, as many as a gamma code says, are zero
constexpr unsigned kRice = 1;   // kRice + k: v >> k in unary, then the low k bits of v
constexpr unsigned kGamma =
    65;  // kGamma + k: v >> k by its length in unary and its bits below the top, then the low k bits
constexpr unsigned kRiceMax = 63, kGammaMax = 62;

unsigned length_of(std::uint64_t value) { return static_cast<unsigned>(std::bit_width(value)); }

std::uint64_t magnitude(std::uint64_t difference) {
    return static_cast<std::int64_t>(difference) < 0 ? 0 - difference : difference;
}

// How values are predicted.
struct Prediction {
    std::uint8_t order = 0;
    std::uint64_t base = 0;
    std::uint64_t scale = 1;
};

// The number that divides all differences from `base`; 1 where there is no such.
std::uint64_t scale_of(std::span<const std::uint64_t> values, std::uint64_t base) {
    std::uint64_t scale = 0;
    for (std::uint64_t value : values) {
        std::uint64_t step = magnitude(value - base);
        if (scale == 0 || step % scale != 0) scale = std::gcd(scale, step);
        if (scale == 1) break;
    }
    return scale == 0 || scale > INT64_MAX ? 1 : scale;
}

std::uint64_t scaled(std::uint64_t difference, std::uint64_t scale) {
    if (scale == 1) return difference;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(difference) / static_cast<std::int64_t>(scale));
}

// The prediction that leaves the fewest bits, judged by the lengths of the residuals.
Prediction choose(std::span<const std::uint64_t> values) {
    const std::uint64_t first = values.front();
    const std::uint64_t scale = scale_of(values, first);
    const std::uint64_t plain_scale = scale_of(values, 0);
    std::array<std::uint64_t, 4> bits{};
    std::uint64_t before = 0, step = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::uint64_t y = scaled(values[i] - first, scale);
        bits[0] += length_of(zigzag(scaled(values[i], plain_scale)));
        bits[1] += length_of(zigzag(y));
        if (i >= 1) bits[2] += length_of(zigzag(y - before));
        if (i >= 2) bits[3] += length_of(zigzag(y - before - step));
        step = y - before;
        before = y;
    }
    // What is saved has to pay for the step in the head.
    bits[3] += 8;
    switch (std::min_element(bits.begin(), bits.end()) - bits.begin()) {
        case 0: return {0, 0, plain_scale};
        case 1: return {0, first, scale};
        case 2: return {1, first, scale};
        default: return {2, first, scale};
    }
}

struct Residuals {
    std::uint64_t step = 0;  // of order 2
    std::vector<std::uint64_t> values;
};

Residuals residuals_of(std::span<const std::uint64_t> values, const Prediction& prediction) {
    Residuals residuals;
    residuals.values.reserve(values.size());
    std::uint64_t before = 0, step = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::uint64_t y = scaled(values[i] - prediction.base, prediction.scale);
        if (prediction.order == 0) {
            residuals.values.push_back(y);
        } else if (prediction.order == 1) {
            if (i >= 1) residuals.values.push_back(y - before);
        } else {
            if (i == 1) residuals.step = y - before;
            if (i >= 2) residuals.values.push_back(y - before - step);
        }
        step = y - before;
        before = y;
    }
    return residuals;
}

std::size_t residual_count(std::uint8_t order, std::size_t values) {
    return values - std::min<std::size_t>(order, values);
}

std::uint64_t rice_bits(std::span<const std::uint64_t> group, unsigned k) {
    std::uint64_t bits = group.size() * (k + 1);
    for (std::uint64_t value : group) {
        // A longer one never wins, and its sum could overflow.
        if (value >> k > 4096) return UINT64_MAX;
        bits += value >> k;
    }
    return bits;
}

std::uint64_t gamma_bits(std::span<const std::uint64_t> group, unsigned k) {
    std::uint64_t bits = group.size() * (k + 1);
    for (std::uint64_t value : group) {
        unsigned length = length_of(value >> k);
        bits += length == 0 ? 0 : 2 * length - 1;
    }
    return bits;
}

// The code of a group that takes the fewest bits.
unsigned choose_code(std::span<const std::uint64_t> group) {
    std::uint64_t lengths = 0;
    for (std::uint64_t value : group) lengths += length_of(value);
    const auto middle = static_cast<unsigned>(lengths / group.size());
    unsigned best = kGamma;
    std::uint64_t best_bits = UINT64_MAX;
    auto offer = [&](unsigned code, std::uint64_t bits) {
        if (bits < best_bits) {
            best = code;
            best_bits = bits;
        }
    };
    for (unsigned k = middle > 2 ? middle - 2 : 0; k <= std::min(middle + 1, kRiceMax); ++k) {
        offer(kRice + k, rice_bits(group, k));
    }
    offer(kGamma, gamma_bits(group, 0));
    for (unsigned k = middle > 3 ? middle - 3 : 1; k <= std::min(middle, kGammaMax); ++k) {
        offer(kGamma + k, gamma_bits(group, k));
    }
    return best;
}

std::uint64_t low_bits(std::uint64_t value, unsigned count) { return value & ((std::uint64_t{1} << count) - 1); }

void put_gamma(std::uint64_t value, BitWriter* bits) {
    unsigned length = length_of(value);
    bits->unary(length);
    if (length > 1) bits->put(low_bits(value, length - 1), length - 1);
}

void put_residuals(std::span<const std::uint64_t> residuals, BitWriter* bits) {
    auto group_at = [&](std::size_t at) {
        return residuals.subspan(at, std::min(kGroupResiduals, residuals.size() - at));
    };
    auto zero = [](std::span<const std::uint64_t> group) {
        return std::all_of(group.begin(), group.end(), [](std::uint64_t value) { return value == 0; });
    };
    for (std::size_t at = 0; at < residuals.size();) {
        std::uint64_t zeros = 0;
        for (; at < residuals.size() && zero(group_at(at)); at += kGroupResiduals) ++zeros;
        if (zeros > 0) {
            bits->put(kZeros, kCodeBits);
            put_gamma(zeros, bits);
            continue;
        }
        auto group = group_at(at);
        at += group.size();
        unsigned code = choose_code(group);
        bits->put(code, kCodeBits);
        const bool rice = code < kGamma;
        const unsigned k = code - (rice ? kRice : kGamma);
        for (std::uint64_t value : group) {
            if (rice) {
                bits->unary(value >> k);
            } else {
                put_gamma(value >> k, bits);
            }
            bits->put(low_bits(value, k), k);
        }
    }
}

std::uint64_t get_gamma(BitReader* bits, bool* sound) {
    std::uint64_t length = bits->unary();
    if (length > 64) *sound = false;
    if (length == 0 || length > 64) return 0;
    auto below_top = static_cast<unsigned>(length - 1);
    return std::uint64_t{1} << below_top | bits->get(below_top);
}

// Fills `residuals`, which has its final size and is all zeros. False when the bits say something else.
bool get_residuals(BitReader* bits, std::vector<std::uint64_t>* residuals) {
    bool sound = true;
    for (std::size_t at = 0; at < residuals->size() && sound && !bits->failed();) {
        const std::size_t left = residuals->size() - at;
        const auto code = static_cast<unsigned>(bits->get(kCodeBits));
        if (code == kZeros) {
            std::uint64_t groups = get_gamma(bits, &sound);
            if (groups == 0 || groups > (left + kGroupResiduals - 1) / kGroupResiduals) return false;
            at += std::min(left, static_cast<std::size_t>(groups) * kGroupResiduals);
            continue;
        }
        const bool rice = code < kGamma;
        const unsigned k = code - (rice ? kRice : kGamma);
        for (std::size_t end = at + std::min(left, kGroupResiduals); at < end; ++at) {
            std::uint64_t high = rice ? bits->unary() : get_gamma(bits, &sound);
            if (high > UINT64_MAX >> k || bits->failed()) return false;
            (*residuals)[at] = high << k | bits->get(k);
        }
    }
    return sound && bits->finished();
}

}  // namespace

std::string encode_integers(std::span<const std::uint64_t> values) {
    const Prediction prediction = choose(values);
    Residuals residuals = residuals_of(values, prediction);
    bool none = true, negative = false;
    for (std::uint64_t value : residuals.values) {
        none = none && value == 0;
        negative = negative || static_cast<std::int64_t>(value) < 0;
    }
    std::uint8_t head = prediction.order;
    if (prediction.scale != 1) head |= kScaled;
    if (none) head |= kNoResiduals;
    if (!none && !negative) head |= kNonNegative;
    ByteWriter writer;
    writer.u8(head);
    writer.varint(zigzag(prediction.base));
    if (prediction.scale != 1) writer.varint(prediction.scale);
    if (prediction.order == 2) writer.varint(zigzag(residuals.step));
    if (!none) {
        if (negative) {
            for (std::uint64_t& value : residuals.values) value = zigzag(value);
        }
        BitWriter bits;
        put_residuals(residuals.values, &bits);
        writer.raw(bits.take());
    }
    return writer.take();
}

Result<std::vector<std::uint64_t>> decode_integers(std::string_view bytes, std::size_t count) {
    const Error corrupt = error(Code::kCorrupt, "a list of integers does not decode");
    ByteReader reader(bytes);
    const std::uint8_t head = reader.u8();
    const std::uint8_t order = head & kOrderMask;
    const std::uint64_t base = unzigzag(reader.varint());
    const std::uint64_t scale = (head & kScaled) != 0 ? reader.varint() : 1;
    std::uint64_t step = order == 2 ? unzigzag(reader.varint()) : 0;
    if (reader.failed() || order > 2 || (head & ~kHeadMask) != 0 || count == 0) return corrupt;
    std::vector<std::uint64_t> residuals(residual_count(order, count));
    if ((head & kNoResiduals) != 0) {
        if (!reader.finished()) return corrupt;
    } else {
        BitReader bits(reader.raw(reader.remaining()));
        if (!get_residuals(&bits, &residuals)) return corrupt;
    }
    if ((head & kNonNegative) == 0) {
        for (std::uint64_t& value : residuals) value = unzigzag(value);
    }
    std::vector<std::uint64_t> values(count);
    std::uint64_t y = 0;
    std::size_t next = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (order == 0) {
            y = residuals[next++];
        } else if (i > 0) {
            if (order == 1) step = residuals[next++];
            if (order == 2 && i > 1) step += residuals[next++];
            y += step;
        }
        values[i] = base + scale * y;
    }
    return values;
}

}  // namespace ringside::agent
