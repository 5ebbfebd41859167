#include "agent/base/bytes.h"

#include <bit>
#include <cstring>

namespace ringside::agent {

static_assert(std::endian::native == std::endian::little, "runs of 64-bit values are copied as they stand");
static_assert(sizeof(double) == 8);

std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
    std::uint64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
    return sum;
}

std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b) {
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
    return product;
}

void ByteWriter::f64(double value) { u64(std::bit_cast<std::uint64_t>(value)); }

void ByteWriter::varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) u8(static_cast<std::uint8_t>(value | 0x80));
    u8(static_cast<std::uint8_t>(value));
}

void ByteWriter::text(std::string_view value) {
    u32(static_cast<std::uint32_t>(value.size()));
    raw(value);
}

void ByteWriter::u64s(std::span<const std::uint64_t> values) {
    if (values.empty()) return;
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * 8);
}

void ByteWriter::f64s(std::span<const double> values) {
    if (values.empty()) return;
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * 8);
}

void ByteWriter::little_endian(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) u8(static_cast<std::uint8_t>(value >> (8 * i)));
}

double ByteReader::f64() { return std::bit_cast<double>(u64()); }

std::uint64_t ByteReader::varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !failed_; shift += 7) {
        std::uint8_t byte = u8();
        // The tenth byte has room for one bit.
        if (shift == 63 && byte > 1) break;
        value |= std::uint64_t{byte & 0x7fu} << shift;
        if (byte < 0x80) return value;
    }
    fail();
    return 0;
}

std::string_view ByteReader::raw(std::size_t size) {
    if (size > rest_.size()) {
        fail();
        return {};
    }
    std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
}

std::string ByteReader::text(std::size_t max_bytes) {
    std::size_t size = u32();
    if (size > max_bytes) {
        fail();
        return {};
    }
    return std::string(raw(size));
}

std::vector<std::uint64_t> ByteReader::u64s(std::size_t count) {
    if (count > rest_.size() / 8) {
        fail();
        return {};
    }
    std::vector<std::uint64_t> values(count);
    std::string_view bytes = raw(count * 8);
    if (count > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

std::vector<double> ByteReader::f64s(std::size_t count) {
    if (count > rest_.size() / 8) {
        fail();
        return {};
    }
    std::vector<double> values(count);
    std::string_view bytes = raw(count * 8);
    if (count > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

void ByteReader::fail() {
    failed_ = true;
    rest_ = {};
}

std::uint64_t ByteReader::little_endian(int count) {
    std::string_view bytes = raw(static_cast<std::size_t>(count));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    return value;
}

}  // namespace ringside::agent
