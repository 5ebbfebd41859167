#include "agent/witness/oom_count.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

class OomCount : public testing::Test {
  protected:
    void plant(const std::string& file, const std::string& text) {
        std::filesystem::create_directories(std::filesystem::path(root / file).parent_path());
        std::ofstream(root / file) << text;
    }
    std::string file_of(const std::string& membership) { return oom_count_file(root.path(), membership); }

    TemporaryFolder root;
};

TEST_F(OomCount, IsInTheUnifiedHierarchy) {
    EXPECT_EQ(file_of("0::/machine.slice/vm-1.scope\n"), root / "machine.slice/vm-1.scope/memory.events");
}

TEST_F(OomCount, IsInTheUnifiedHierarchyBesideVersionOneWithoutItsMemory) {
    plant("unified/cgroup.controllers", "memory\n");
    EXPECT_EQ(file_of("3:cpu,cpuacct:/a\n1:name=systemd:/memory\n0::/vm-1\n"), root / "unified/vm-1/memory.events");
}

TEST_F(OomCount, IsInTheMemoryHierarchyOfVersionOne) {
    const std::string membership = "9:name=systemd:/\n4:memory:/vm-1\n1:cpu:/other\n0::/else\n";
    EXPECT_EQ(file_of(membership), root / "memory/vm-1/memory.oom_control");
    EXPECT_EQ(file_of("2:cpu,memory:/both\n"), root / "memory/both/memory.oom_control");
}

TEST_F(OomCount, IsNowhereWithoutAMemoryCgroup) {
    for (const char* text : {"", "\n", "nonsense\n", "4:cpu:/a\n", "0:", "0:memory_not:/a\n", ":::"}) {
        EXPECT_EQ(file_of(text), "") << text;
    }
}

TEST_F(OomCount, IsReadFromBothKindsOfFile) {
    plant("v2", "low 0\nhigh 7\nmax 12\noom 4\noom_kill 3\noom_group_kill 1\n");
    EXPECT_EQ(read_oom_count(root / "v2"), 3u);
    plant("v1", "oom_kill_disable 1\nunder_oom 0\noom_kill 18446744073709551615\n");
    EXPECT_EQ(read_oom_count(root / "v1"), UINT64_MAX);
}

TEST_F(OomCount, IsNothingWhereTheFileDoesNotSayIt) {
    EXPECT_EQ(read_oom_count(root / "none"), std::nullopt);
    EXPECT_EQ(read_oom_count(root.path()), std::nullopt) << "a folder";
    for (const char* text : {"", "oom_kill", "oom_kill \n", "oom_kill x\n", "oom_kill 1x\n", "oom_kill -1\n",
                             "oom_kill 18446744073709551616\n", "oom_killer 5\n"}) {
        plant("bad", text);
        EXPECT_EQ(read_oom_count(root / "bad"), std::nullopt) << text;
    }
    plant("long", std::string(5000, '\n') + "oom_kill 1\n");
    EXPECT_EQ(read_oom_count(root / "long"), std::nullopt);
}

}  // namespace
}  // namespace ringside::agent
