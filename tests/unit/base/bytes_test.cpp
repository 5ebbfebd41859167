#include "agent/base/bytes.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace ringside::agent {
namespace {

TEST(Bytes, ComeBackAsWritten) {
    ByteWriter writer;
    writer.u8(0xfe);
    writer.u16(0x1234);
    writer.u32(0xdeadbeef);
    writer.u64(UINT64_MAX - 1);
    writer.i8(-4);
    writer.i32(-5);
    writer.f64(-0.0);
    writer.text("a label");
    writer.raw("xyz");
    ByteReader reader(writer.bytes());
    EXPECT_EQ(reader.u8(), 0xfe);
    EXPECT_EQ(reader.u16(), 0x1234);
    EXPECT_EQ(reader.u32(), 0xdeadbeefu);
    EXPECT_EQ(reader.u64(), UINT64_MAX - 1);
    EXPECT_EQ(reader.i8(), -4);
    EXPECT_EQ(reader.i32(), -5);
    EXPECT_TRUE(std::signbit(reader.f64()));
    EXPECT_EQ(reader.text(7), "a label");
    EXPECT_EQ(reader.raw(3), "xyz");
    EXPECT_TRUE(reader.finished());
}

TEST(Bytes, VarintsOfEveryLengthComeBack) {
    for (int bits = 0; bits <= 64; ++bits) {
        const std::uint64_t top = bits == 0 ? 0 : std::uint64_t{1} << (bits - 1);
        for (std::uint64_t value : {top, top | (top - 1), top | 1}) {
            ByteWriter writer;
            writer.varint(value);
            EXPECT_EQ(writer.size(),
                      bits == 0 && value == 0 ? 1u : static_cast<unsigned>(std::bit_width(value) + 6) / 7);
            ByteReader reader(writer.bytes());
            EXPECT_EQ(reader.varint(), value);
            EXPECT_TRUE(reader.finished());
            ByteReader cut(std::string_view(writer.bytes()).substr(0, writer.size() - 1));
            cut.varint();
            EXPECT_TRUE(cut.failed());
        }
    }
}

TEST(Bytes, AVarintOfMoreThan64BitsFails) {
    for (const char* bytes :
         {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"}) {
        ByteReader reader(bytes);
        reader.varint();
        EXPECT_TRUE(reader.failed());
    }
}

TEST(Bytes, ZigzagPutsSmallNumbersOfBothSignsFirst) {
    EXPECT_EQ(zigzag(0), 0u);
    EXPECT_EQ(zigzag(UINT64_MAX), 1u);  // -1
    EXPECT_EQ(zigzag(1), 2u);
    EXPECT_EQ(zigzag(std::uint64_t{1} << 63), UINT64_MAX);
    for (std::uint64_t value : {std::uint64_t{0}, UINT64_MAX, std::uint64_t{1} << 63, std::uint64_t{INT64_MAX}}) {
        EXPECT_EQ(unzigzag(zigzag(value)), value);
    }
}

TEST(Bytes, AreLittleEndian) {
    ByteWriter writer;
    writer.u32(0x04030201);
    EXPECT_EQ(writer.bytes(), "\x01\x02\x03\x04");
}

TEST(Bytes, KeepThePayloadOfANan) {
    auto bits = UINT64_C(0x7ff8000000000002);  // another NaN than the usual one
    ByteWriter writer;
    writer.f64(std::bit_cast<double>(bits));
    writer.f64s(std::vector<double>{std::bit_cast<double>(bits)});
    ByteReader reader(writer.bytes());
    EXPECT_EQ(std::bit_cast<std::uint64_t>(reader.f64()), bits);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(reader.f64s(1)[0]), bits);
}

TEST(Bytes, RunsComeBackAsWritten) {
    ByteWriter writer;
    writer.u64s(std::vector<std::uint64_t>{1, UINT64_MAX, 0});
    writer.u64s({});
    writer.f64s(std::vector<double>{std::numeric_limits<double>::infinity(), -1.5});
    ByteReader reader(writer.bytes());
    EXPECT_EQ(reader.u64s(3), (std::vector<std::uint64_t>{1, UINT64_MAX, 0}));
    EXPECT_TRUE(reader.u64s(0).empty());
    EXPECT_EQ(reader.f64s(2), (std::vector<double>{std::numeric_limits<double>::infinity(), -1.5}));
    EXPECT_TRUE(reader.finished());
}

TEST(Bytes, PastTheEndIsAFailureThatStays) {
    ByteReader reader("abc");
    EXPECT_EQ(reader.u32(), 0u);
    EXPECT_TRUE(reader.failed());
    EXPECT_EQ(reader.u8(), 0u);
    EXPECT_EQ(reader.remaining(), 0u);
    EXPECT_FALSE(reader.finished());
}

TEST(Bytes, AHugeCountAllocatesNothingAndFails) {
    ByteReader reader("12345678");
    EXPECT_TRUE(reader.u64s(SIZE_MAX / 8 + 2).empty());
    EXPECT_TRUE(reader.failed());
    ByteReader other("12345678");
    EXPECT_TRUE(other.f64s(2).empty());
    EXPECT_TRUE(other.failed());
}

TEST(Bytes, ATextLongerThanAllowedFails) {
    ByteWriter writer;
    writer.text("12345");
    ByteReader reader(writer.bytes());
    EXPECT_EQ(reader.text(4), "");
    EXPECT_TRUE(reader.failed());
}

TEST(Bytes, ATextLongerThanTheRestFails) {
    ByteWriter writer;
    writer.u32(UINT32_MAX);
    writer.raw("abc");
    ByteReader reader(writer.bytes());
    EXPECT_EQ(reader.text(SIZE_MAX), "");
    EXPECT_TRUE(reader.failed());
}

TEST(Bytes, LeftOverBytesAreNotFinished) {
    ByteReader reader("ab");
    reader.u8();
    EXPECT_FALSE(reader.failed());
    EXPECT_FALSE(reader.finished());
}

TEST(CheckedArithmetic, SaysWhenItDoesNotFit) {
    EXPECT_EQ(checked_add(UINT64_MAX - 1, 1), UINT64_MAX);
    EXPECT_EQ(checked_add(UINT64_MAX, 1), std::nullopt);
    EXPECT_EQ(checked_multiply(UINT64_C(1) << 32, (UINT64_C(1) << 32) - 1), UINT64_MAX - UINT32_MAX);
    EXPECT_EQ(checked_multiply(UINT64_C(1) << 32, UINT64_C(1) << 32), std::nullopt);
}

}  // namespace
}  // namespace ringside::agent
