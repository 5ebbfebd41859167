#include "agent/catalog/quarantine.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

QuarantinedFile bad_file(std::string name, std::string reason, Retry retry = Retry::kNever) {
    QuarantinedFile file;
    file.file = std::move(name);
    file.reason = std::move(reason);
    file.stamp = {1, 2, 3, 4};
    file.retry = retry;
    file.rules_version = 7;
    file.since_ns = 100;
    return file;
}

TEST(Quarantine, IsNewsOncePerReasonAndFile) {
    Quarantine quarantine(10);
    EXPECT_TRUE(quarantine.put(bad_file("a", "bad-magic")));
    QuarantinedFile again = bad_file("a", "bad-magic");
    again.since_ns = 200;
    EXPECT_FALSE(quarantine.put(again));
    EXPECT_EQ(quarantine.find("a")->since_ns, 100u);
    EXPECT_TRUE(quarantine.put(bad_file("a", "bad-checksum")));
    QuarantinedFile other_inode = bad_file("a", "bad-checksum");
    other_inode.stamp.inode = 99;
    EXPECT_TRUE(quarantine.put(other_inode));
}

TEST(Quarantine, OpensABadFileAgainOnlyWhenItChanged) {
    Quarantine quarantine(10);
    quarantine.put(bad_file("a", "bad-magic"));
    EXPECT_FALSE(quarantine.worth_opening("a", {1, 2, 3, 4}, 8, true));
    EXPECT_TRUE(quarantine.worth_opening("a", {1, 2, 3, 5}, 7, true));
    EXPECT_TRUE(quarantine.worth_opening("a", {1, 2, 5, 4}, 7, true));
    EXPECT_TRUE(quarantine.worth_opening("a", {1, 9, 3, 4}, 7, false));  // another file
    EXPECT_TRUE(quarantine.worth_opening("b", {1, 2, 3, 4}, 7, false));
}

TEST(Quarantine, OpensABadFileThatIsTouchedAllTheTimeInSweepsOnly) {
    Quarantine quarantine(10);
    quarantine.put(bad_file("a", "bad-magic"));
    quarantine.put(bad_file("b", "over-budget", Retry::kOnRules));
    EXPECT_FALSE(quarantine.worth_opening("a", {1, 2, 3, 5}, 7, false));
    EXPECT_FALSE(quarantine.worth_opening("b", {1, 2, 3, 5}, 8, false));
}

TEST(Quarantine, OpensARefusedFileAgainWhenTheRulesChanged) {
    Quarantine quarantine(10);
    quarantine.put(bad_file("a", "over-budget", Retry::kOnRules));
    EXPECT_FALSE(quarantine.worth_opening("a", {1, 2, 3, 4}, 7, false));
    EXPECT_TRUE(quarantine.worth_opening("a", {1, 2, 3, 4}, 8, false));
}

TEST(Quarantine, OpensABusyFileAgainAtEachSweep) {
    Quarantine quarantine(10);
    quarantine.put(bad_file("a", "busy", Retry::kAlways));
    EXPECT_TRUE(quarantine.worth_opening("a", {1, 2, 3, 4}, 7, true));
    EXPECT_FALSE(quarantine.worth_opening("a", {1, 2, 3, 4}, 7, false));
}

TEST(Quarantine, IsBoundedAndCountsWhatItCannotHold) {
    Quarantine quarantine(2);
    EXPECT_TRUE(quarantine.put(bad_file("a", "bad-magic")));
    EXPECT_TRUE(quarantine.put(bad_file("b", "bad-magic")));
    EXPECT_FALSE(quarantine.put(bad_file("c", "bad-magic")));
    EXPECT_EQ(quarantine.overflowed(), 1u);
    EXPECT_TRUE(quarantine.put(bad_file("a", "bad-schema")));
    EXPECT_EQ(quarantine.count_by_reason(),
              (std::map<std::string, std::uint64_t>{{"bad-magic", 1}, {"bad-schema", 1}}));
    EXPECT_TRUE(quarantine.erase("b"));
    EXPECT_TRUE(quarantine.put(bad_file("c", "bad-magic")));
}

}  // namespace
}  // namespace ringside::agent
