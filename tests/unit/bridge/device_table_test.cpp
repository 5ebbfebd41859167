#include "tools/bridge/device_table.h"

#include <gtest/gtest.h>

#include <string>

namespace ringside::bridge {
namespace {

class DeviceTableTest : public ::testing::Test {
  protected:
    // The number under which a device was made; -1 when there is no room.
    int find(const char* name) {
        const int* series = table_.find_or_add(name, [this] { return made_++; });
        return series ? *series : -1;
    }

    DeviceTable<int> table_;
    int made_ = 0;
};

TEST_F(DeviceTableTest, FindsDevicesAgainInAnyOrder) {
    table_.begin(3);
    EXPECT_EQ(find("a"), 0);
    EXPECT_EQ(find("b"), 1);
    EXPECT_EQ(find("c"), 2);
    table_.begin(3);
    EXPECT_EQ(find("c"), 2);
    EXPECT_EQ(find("a"), 0);
    EXPECT_EQ(find("b"), 1);
    EXPECT_EQ(made_, 3);
    EXPECT_EQ(table_.left_out(), 0u);
}

TEST_F(DeviceTableTest, CountsDevicesWithoutRoomInEachPass) {
    table_.begin(1);
    EXPECT_EQ(find("a"), 0);
    EXPECT_EQ(find("b"), -1);
    EXPECT_EQ(find("c"), -1);
    EXPECT_EQ(table_.left_out(), 2u);
    table_.begin(1);
    EXPECT_EQ(find("b"), -1);
    EXPECT_EQ(table_.left_out(), 1u);
    EXPECT_EQ(made_, 1);
}

TEST_F(DeviceTableTest, KeepsTheSeriesOfADeviceThatWentAwayAndCameBack) {
    table_.begin(2);
    EXPECT_EQ(find("a"), 0);
    EXPECT_EQ(find("b"), 1);
    table_.begin(2);
    EXPECT_EQ(find("b"), 1);
    table_.begin(2);
    EXPECT_EQ(find("a"), 0);
    EXPECT_EQ(made_, 2);
}

}  // namespace
}  // namespace ringside::bridge
