#include "agent/catalog/admission.h"

#include <gtest/gtest.h>

namespace ringside::agent {
namespace {

AdmissionTable two() {
    AdmissionTable table;
    table.set({"vm-1", 1000, {1 << 20, 100, 4096}, 50, 600});
    table.set({"vm.2:b", 0, {UINT64_MAX, 0, 0}, 51, 0});
    return table;
}

TEST(Admissions, ComeBackFromTheirText) {
    auto back = AdmissionTable::parse(two().text());
    ASSERT_TRUE(back.ok()) << back.error().message();
    EXPECT_EQ(*back, two());
    EXPECT_TRUE(AdmissionTable::parse(AdmissionTable().text()).ok());
}

TEST(Admissions, RefuseATextCutAtAnyByte) {
    const std::string text = two().text();
    for (std::size_t size = 0; size < text.size(); ++size) {
        EXPECT_EQ(AdmissionTable::parse(text.substr(0, size)).error().code, Code::kCorrupt) << size;
    }
}

TEST(Admissions, RefuseATextWithAnyByteChanged) {
    const std::string text = two().text();
    for (std::size_t at = 0; at < text.size(); ++at) {
        std::string changed = text;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_FALSE(AdmissionTable::parse(changed).ok()) << at;
    }
}

TEST(Admissions, ExpireOnlyWhileTheyWait) {
    AdmissionTable table = two();
    EXPECT_TRUE(table.expire(599).empty());
    EXPECT_EQ(table.expire(600), std::vector<std::string>{"vm-1"});
    EXPECT_TRUE(table.expire(UINT64_MAX).empty());  // vm.2:b is there
    EXPECT_TRUE(table.set_present("vm.2:b", false, 1000, 10));
    EXPECT_FALSE(table.set_present("vm.2:b", false, 2000, 10));
    EXPECT_EQ(table.expire(1010), std::vector<std::string>{"vm.2:b"});
}

TEST(Admissions, WaitWithoutAnEndWhenNoneIsSet) {
    for (std::uint64_t ttl_ns : {std::uint64_t{0}, UINT64_MAX, UINT64_MAX - 999}) {
        AdmissionTable table = two();
        EXPECT_TRUE(table.set_present("vm.2:b", false, 1000, ttl_ns));
        EXPECT_FALSE(table.find("vm.2:b")->present());
        EXPECT_EQ(table.expire(UINT64_MAX), std::vector<std::string>{"vm-1"}) << ttl_ns;
        EXPECT_EQ(table.reserved_count(), 1u);
        auto back = AdmissionTable::parse(table.text());
        ASSERT_TRUE(back.ok()) << back.error().message();
        EXPECT_EQ(*back, table);
    }
}

TEST(Admissions, ReserveOnlyWhileTheyWait) {
    AdmissionTable table = two();
    EXPECT_EQ(table.reserved(), (Demand{1 << 20, 100, 4096}));
    EXPECT_EQ(table.reserved_count(), 1u);
    table.set_present("vm-1", true, 60, 10);
    EXPECT_EQ(table.reserved(), Demand{});
    EXPECT_EQ(table.reserved_count(), 0u);
}

TEST(Demand, SumsStayAtTheTop) {
    Demand sum{UINT64_MAX - 1, 0, 0};
    sum += {2, 1, 0};
    EXPECT_EQ(sum, (Demand{UINT64_MAX, 1, 0}));
}

}  // namespace
}  // namespace ringside::agent
