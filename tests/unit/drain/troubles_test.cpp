#include "agent/drain/troubles.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace ringside::agent {
namespace {

const Error kFull = errno_error(ENOSPC, "cannot write /archive/x");
const Error kReadOnly = errno_error(EROFS, "cannot create /archive/x");

TEST(Troubles, AreToldOnceHoweverManyVmsHaveThem) {
    Troubles troubles;
    auto line = troubles.failed("vm-1", DrainStep::kArchive, kFull);
    ASSERT_TRUE(line);
    EXPECT_NE(line->find("drain of VM vm-1 failed at step archive: cannot write /archive/x"), std::string::npos)
        << *line;
    for (int attempt = 0; attempt < 3; ++attempt) {
        for (int vm = 1; vm < 500; ++vm) {
            EXPECT_FALSE(troubles.failed("vm-" + std::to_string(vm), DrainStep::kArchive, kFull));
        }
    }
}

TEST(Troubles, AreToldWhenTheyHavePassed) {
    Troubles troubles;
    EXPECT_TRUE(troubles.failed("vm-1", DrainStep::kArchive, kFull));
    EXPECT_FALSE(troubles.failed("vm-2", DrainStep::kArchive, kFull));
    EXPECT_FALSE(troubles.failed("vm-2", DrainStep::kArchive, kFull));
    EXPECT_FALSE(troubles.ended("vm-1"));
    EXPECT_EQ(troubles.ended("vm-2"), "drains have passed step archive again: 3 attempts failed, of 2 VMs");
    EXPECT_FALSE(troubles.ended("vm-2"));
    EXPECT_FALSE(troubles.ended("never-failed"));
    EXPECT_TRUE(troubles.failed("vm-3", DrainStep::kArchive, kFull)) << "it is news again";
}

TEST(Troubles, OfDifferentKindsAreToldApart) {
    Troubles troubles;
    EXPECT_TRUE(troubles.failed("vm-1", DrainStep::kArchive, kFull));
    EXPECT_TRUE(troubles.failed("vm-2", DrainStep::kArchive, kReadOnly));
    EXPECT_TRUE(troubles.failed("vm-3", DrainStep::kUnlink, kReadOnly));
    // One that has other trouble now has the old no more.
    EXPECT_FALSE(troubles.failed("vm-1", DrainStep::kArchive, kReadOnly));
    EXPECT_TRUE(troubles.failed("vm-4", DrainStep::kArchive, kFull));
}

}  // namespace
}  // namespace ringside::agent
