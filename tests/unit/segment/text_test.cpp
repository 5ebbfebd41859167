#include "agent/segment/text.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

TEST(SegmentText, TellsIdentifiers) {
    for (const char* good : {"a", "_", "Ab9_", "vmm_exits_total"}) EXPECT_TRUE(valid_identifier(good)) << good;
    for (const char* bad : {"", "9a", "a-b", "a b", "a:b", "\xc3\xa4"}) EXPECT_FALSE(valid_identifier(bad)) << bad;
    EXPECT_TRUE(valid_identifier(std::string(127, 'a')));
    EXPECT_FALSE(valid_identifier(std::string(128, 'a')));
}

TEST(SegmentText, ReservesWhatTheAgentOwns) {
    for (const char* name : {"vm_id", "instance", "job", "component", "epoch", "le", "quantile", "__name__", "__x"}) {
        EXPECT_TRUE(reserved_label(name)) << name;
    }
    for (const char* name : {"vm", "_x", "path", "leg", "jobs"}) EXPECT_FALSE(reserved_label(name)) << name;
}

TEST(SegmentText, MakesForeignBytesPrintable) {
    EXPECT_EQ(printable("guest shut down"), "guest shut down");
    EXPECT_EQ(printable("\x1b[31mred\x7f\n"), "?[31mred??");
    EXPECT_EQ(printable("caf\xc3\xa9 \xff"), "caf\xc3\xa9 ?");
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m"),
              "?31m");  // the one-character form of ESC [
    EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a");
}

}  // namespace
}  // namespace ringside::agent
