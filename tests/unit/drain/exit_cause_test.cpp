#include "agent/drain/exit_cause.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

constexpr BootId kThis = {1};
constexpr BootId kEarlier = {2};
constexpr BootId kNotKnown = {};

VmInfo attached() {
    VmInfo vm;
    vm.attached_ns = 5;
    return vm;
}

TEST(ExitCause, IsClosedWhenTheWriterSaidSo) {
    VmInfo vm = attached();
    vm.closed_ns = 7;
    EXPECT_EQ(exit_cause(vm, kThis, kThis), ExitCause::kClosed);
    EXPECT_EQ(exit_cause(vm, kEarlier, kThis), ExitCause::kClosed) << "it had finished before the reboot";
}

TEST(ExitCause, IsClosedEvenWhenTheWritersClockSaidZero) {
    VmInfo vm = attached();
    vm.exit_cause = ExitCause::kClosed;
    EXPECT_EQ(exit_cause(vm, kThis, kThis), ExitCause::kClosed);
}

TEST(ExitCause, IsKilledWhenAWriterAttachedAndDidNotClose) {
    EXPECT_EQ(exit_cause(attached(), kThis, kThis), ExitCause::kKilled);
}

TEST(ExitCause, IsARebootWhenTheBootDiffers) {
    EXPECT_EQ(exit_cause(attached(), kEarlier, kThis), ExitCause::kHostRebooted);
    EXPECT_EQ(exit_cause(VmInfo{}, kEarlier, kThis), ExitCause::kHostRebooted) << "provisioned, never attached";
}

TEST(ExitCause, IsARebootWhenTheSegmentSawOne) {
    VmInfo vm = attached();
    vm.exit_cause = ExitCause::kHostRebooted;
    EXPECT_EQ(exit_cause(vm, kNotKnown, kNotKnown), ExitCause::kHostRebooted);
}

TEST(ExitCause, IsNotARebootWhenABootIsNotKnown) {
    EXPECT_EQ(exit_cause(attached(), kNotKnown, kThis), ExitCause::kKilled);
    EXPECT_EQ(exit_cause(attached(), kEarlier, kNotKnown), ExitCause::kKilled);
}

TEST(ExitCause, IsUnknownWithoutAnyHint) { EXPECT_EQ(exit_cause(VmInfo{}, kThis, kThis), ExitCause::kUnknown); }

}  // namespace
}  // namespace ringside::agent
