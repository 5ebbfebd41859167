// The agent's core on real folders, stepped by calls.
#include "agent/core.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "agent/base/clock.h"
#include "agent/folder.h"
#include "agent/log.h"
#include "tests/support/faulty_files.h"
#include "tests/support/live_writer.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

TEST(Core, AVmThatIsEvictedBeforeItsSegmentWentIsReadFromThereAndArchivedAgain) {
    set_log_level("off");
    TemporaryFolder memory{"/dev/shm"}, disk;
    Config config = default_config({});
    config.directory = memory.path();
    config.state_directory = disk / "state";
    config.archive_directory = disk / "archive";
    config.archive_max_bytes = 1;
    ASSERT_TRUE(make_directories(FileSystem::real(), config.state_directory).ok());
    FaultyFiles files;
    files.fail_when([](const std::string& call, const std::string& path) {
        return call == "open" && path.find("/blackbox/") != std::string::npos ? EIO : 0;
    });
    Core core(config, ScanLimits{}, *prepare_segment_folder(memory.path()), [] {}, {.files = files});
    ASSERT_TRUE(core.open().ok());
    { ChildWriter writer(memory.path(), "vm-1", 42); }
    ASSERT_TRUE(core.scanner.sweep(realtime_ns()).ok());
    const std::string key = core.catalog.view()->vms.at(0)->key();

    EXPECT_EQ(core.drain_dead(), 1u);
    EXPECT_EQ(core.archive.find(key), nullptr) << "the archive has no room";
    ASSERT_NE(core.catalog.find(key), nullptr);
    EXPECT_EQ(core.catalog.find(key)->state(), VmState::kExited);
    EXPECT_TRUE(core.catalog.find(key)->source()->series().ok());

    files.fail_when({});
    config.archive_max_bytes = 0;
    core.reload(config, ScanLimits{});
    ASSERT_TRUE(core.drain.drain_now(key, {realtime_ns(), monotonic_ns()}).ok());
    core.maintain_archive();
    EXPECT_EQ(core.catalog.find(key)->state(), VmState::kDrained);
    EXPECT_EQ(core.catalog.usage().segment_count, 0u);
    EXPECT_EQ(core.black_box.list().size(), 1u);
}

}  // namespace
}  // namespace ringside::agent
