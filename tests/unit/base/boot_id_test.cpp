#include "agent/base/boot_id.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/faulty_files.h"

namespace ringside::agent {
namespace {

TEST(BootId, HasTheBytesOfItsDigitsInOrder) {
    BootId id = parse_boot_id("00112233-4455-6677-8899-aabbccddeeff\n");
    for (std::size_t i = 0; i < id.size(); ++i) EXPECT_EQ(id[i], i * 0x11);
}

TEST(BootId, OfAnythingElseIsNotKnown) {
    for (const char* text : {"", "00112233-4455-6677-8899-aabbccddeef", "00112233445566778899aabbccddeeff",
                             "00112233-4455-6677-8899-aabbccddeefg", "0011223344455-6677-8899-aabbccddeeff",
                             "00112233-4455-6677-8899-aabbccddeeff0", "00112233-4455-6677-8899-AABBCCDDEEFF"}) {
        EXPECT_EQ(parse_boot_id(text), BootId{}) << text;
    }
}

TEST(BootId, OfTheRunningKernelIsWhatItSays) {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string text;
    ASSERT_TRUE(std::getline(file, text));
    EXPECT_EQ(running_boot_id(FileSystem::real()), parse_boot_id(text));
    EXPECT_NE(running_boot_id(FileSystem::real()), BootId{});
}

TEST(BootId, ThatCannotBeReadIsNotKnown) {
    FaultyFiles files;
    files.fail_at(1, EACCES);
    EXPECT_EQ(running_boot_id(files), BootId{});
    files.fail_at(2, EIO);
    EXPECT_EQ(running_boot_id(files), BootId{});
}

}  // namespace
}  // namespace ringside::agent
