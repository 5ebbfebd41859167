#include "agent/segment/name.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

const std::string kEpochText = "00112233445566778899aabbccddeeff";

TEST(SegmentName, ReadsVmIdAndEpoch) {
    std::optional<SegmentName> name = SegmentName::parse("vm-7." + kEpochText + ".seg");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->vm_id, "vm-7");
    EXPECT_EQ(epoch_text(name->epoch), kEpochText);
    EXPECT_EQ(name->component, "");
}

TEST(SegmentName, ReadsTheComponent) {
    std::optional<SegmentName> name = SegmentName::parse("vm-7." + kEpochText + ".vhost_net-0.seg");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->vm_id, "vm-7");
    EXPECT_EQ(name->component, "vhost_net-0");
}

TEST(SegmentName, TakesDotsIntoTheVmId) {
    std::optional<SegmentName> name = SegmentName::parse("a.b:c.example." + kEpochText + ".seg");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->vm_id, "a.b:c.example");
}

TEST(SegmentName, TakesTheLastEpochOfSeveral) {
    std::string other = "ffeeddccbbaa99887766554433221100";
    std::optional<SegmentName> name = SegmentName::parse("vm." + other + "." + kEpochText + ".seg");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->vm_id, "vm." + other);
    EXPECT_EQ(epoch_text(name->epoch), kEpochText);
}

TEST(SegmentName, GivesBackTheFileName) {
    for (const std::string& text : {"vm-7." + kEpochText + ".seg", "x.y." + kEpochText + ".host.seg"}) {
        std::optional<SegmentName> name = SegmentName::parse(text);
        ASSERT_TRUE(name) << text;
        EXPECT_EQ(name->text(), text);
    }
}

TEST(SegmentName, AcceptsTheLongestParts) {
    std::string vm_id(63, 'v');
    std::string component(31, 'c');
    std::optional<SegmentName> name = SegmentName::parse(vm_id + "." + kEpochText + "." + component + ".seg");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->vm_id, vm_id);
    EXPECT_EQ(name->component, component);
}

class SegmentNameRejects : public testing::TestWithParam<std::string> {};

TEST_P(SegmentNameRejects, WhatIsNotAName) { EXPECT_FALSE(SegmentName::parse(GetParam())) << GetParam(); }

INSTANTIATE_TEST_SUITE_P(All, SegmentNameRejects,
                         testing::Values("", ".seg", "seg", "vm", "vm.seg", kEpochText + ".seg",
                                         "." + kEpochText + ".seg", "vm." + kEpochText, "vm." + kEpochText + ".seg.",
                                         "vm." + kEpochText + ".SEG", "vm." + kEpochText + "..seg",
                                         "vm.." + kEpochText + ".UPPER.seg", "vm.00112233445566778899AABBCCDDEEFF.seg",
                                         "vm." + kEpochText.substr(1) + ".seg", "vm." + kEpochText + "0.seg",
                                         "-vm." + kEpochText + ".seg", "v m." + kEpochText + ".seg",
                                         "v\xc3\xa4." + kEpochText + ".seg",
                                         std::string("v\0m.", 4) + kEpochText + ".seg",
                                         std::string(64, 'v') + "." + kEpochText + ".seg",
                                         "vm." + kEpochText + "." + std::string(32, 'x') + ".seg",
                                         "vm." + kEpochText + ".a.b.seg", "vm." + kEpochText + ".sp ace.seg"));

}  // namespace
}  // namespace ringside::agent
