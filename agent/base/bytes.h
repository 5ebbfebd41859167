// Little-endian bytes with bounds: what the agent's own files are written and read with. The reader
// takes any bytes: a read past the end gives zeros and sets failed() for good, so that a decoder
// checks once, after its last field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringside::agent {

// The sum or product, or nothing when it does not fit.
std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b);
std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b);

// Numbers near zero of either sign as small unsigned ones: 0, -1, 1, -2 ... become 0, 1, 2, 3 ... Both take and give the
// bits of a two's complement, so any 64 bits come back as they were.
constexpr std::uint64_t zigzag(std::uint64_t value) { return value << 1 ^ (0 - (value >> 63)); }
constexpr std::uint64_t unzigzag(std::uint64_t value) { return value >> 1 ^ (0 - (value & 1)); }

class ByteWriter {
  public:
    void u8(std::uint8_t value) { bytes_.push_back(static_cast<char>(value)); }
    void u16(std::uint16_t value) { little_endian(value, 2); }
    void u32(std::uint32_t value) { little_endian(value, 4); }
    void u64(std::uint64_t value) { little_endian(value, 8); }
    void i8(std::int8_t value) { u8(static_cast<std::uint8_t>(value)); }
    void i32(std::int32_t value) { u32(static_cast<std::uint32_t>(value)); }
    void f64(double value);  // its bits: every NaN comes back as it was
    // LEB128: seven bits a byte, the lowest first, the top bit set on all but the last; 1 to 10 bytes.
    void varint(std::uint64_t value);
    void raw(std::string_view bytes) { bytes_.append(bytes); }
    // u32 length and the bytes.
    void text(std::string_view value);
    void zeros(std::size_t count) { bytes_.append(count, '\0'); }

    void u64s(std::span<const std::uint64_t> values);
    void f64s(std::span<const double> values);

    std::size_t size() const { return bytes_.size(); }
    const std::string& bytes() const { return bytes_; }
    std::string take() { return std::move(bytes_); }

  private:
    void little_endian(std::uint64_t value, int count);
    std::string bytes_;
};

class ByteReader {
  public:
    // Does not own the bytes.
    explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

    std::uint8_t u8() { return static_cast<std::uint8_t>(little_endian(1)); }
    std::uint16_t u16() { return static_cast<std::uint16_t>(little_endian(2)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(little_endian(4)); }
    std::uint64_t u64() { return little_endian(8); }
    std::int8_t i8() { return static_cast<std::int8_t>(u8()); }
    std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
    double f64();
    // Fails on more than 64 bits.
    std::uint64_t varint();
    std::string_view raw(std::size_t size);
    void skip(std::size_t size) { raw(size); }
    // As written by ByteWriter::text; longer than `max_bytes` fails.
    std::string text(std::size_t max_bytes);

    // `count` values; nothing is allocated before it is known that they are there.
    std::vector<std::uint64_t> u64s(std::size_t count);
    std::vector<double> f64s(std::size_t count);

    std::size_t remaining() const { return rest_.size(); }
    bool failed() const { return failed_; }
    // All bytes read and none missing.
    bool finished() const { return !failed_ && rest_.empty(); }
    // For a decoder that finds a value it cannot accept.
    void fail();

  private:
    std::uint64_t little_endian(int count);
    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace ringside::agent
