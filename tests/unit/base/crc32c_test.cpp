#include "agent/base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace ringside::agent {
namespace {

// RFC 3720, appendix B.4.
TEST(Crc32c, MatchesThePublishedVectors) {
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
    EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
    std::string rising, falling;
    for (int i = 0; i < 32; ++i) {
        rising += static_cast<char>(i);
        falling += static_cast<char>(31 - i);
    }
    EXPECT_EQ(crc32c(rising), 0x46dd794eu);
    EXPECT_EQ(crc32c(falling), 0x113fdb5cu);
    EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
}

TEST(Crc32c, OfNothingIsZero) { EXPECT_EQ(crc32c(""), 0u); }

TEST(Crc32c, ContinuesAtAnySplit) {
    std::string bytes;
    for (int i = 0; i < 67; ++i) bytes += static_cast<char>(i * 37);
    for (std::size_t at = 0; at <= bytes.size(); ++at) {
        std::uint32_t head = crc32c(0, bytes.data(), at);
        EXPECT_EQ(crc32c(head, bytes.data() + at, bytes.size() - at), crc32c(bytes)) << at;
    }
}

}  // namespace
}  // namespace ringside::agent
