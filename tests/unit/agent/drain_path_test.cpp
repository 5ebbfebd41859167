// Scanner, drain and archive together: what main wires, without its threads.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <ringside/format.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>

#include "agent/base/clock.h"
#include "agent/drain/drain.h"
#include "agent/folder.h"
#include "agent/log.h"
#include "agent/segment_drain.h"
#include "tests/support/faulty_files.h"
#include "tests/support/live_writer.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

class DrainPath : public testing::Test {
  protected:
    DrainPath() {
        set_log_level("off");
        EXPECT_TRUE(archive.open().ok());
    }

    void sweep() { ASSERT_TRUE(scanner.sweep(realtime_ns()).ok()); }
    void tick() { drain.tick({realtime_ns(), monotonic_ns()}); }
    std::vector<std::string> segments() {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(memory.path()))
            names.push_back(entry.path().filename());
        return names;
    }
    // The value of the writer's counter at its end.
    std::uint64_t counter(const std::string& key) {
        auto entry = catalog.find(key);
        if (!entry) return 0;
        auto data = entry->source()->read(
            0, {.tier = 1, .begin_ns = 0, .end_ns = UINT64_MAX, .columns = kColumnValue, .open_window = true});
        return data && data->size() > 0 ? data->value.back() : 0;
    }

    TemporaryFolder memory{"/dev/shm"};
    TemporaryFolder disk;
    EventBus events{100};
    Catalog catalog{CatalogOptions{}, events};
    Metrics metrics;
    ArchiveStore archive{FileSystem::real(), {disk / "archive", UINT64_MAX, 3600}};
    Scanner scanner{*prepare_segment_folder(memory.path()), catalog, ScanLimits{}, metrics,
                    [this](const std::string& key) { drain.submit(key); }};
    int handed_over = 0;
    std::function<void()> at_hand_over;  // between archiving and removing
    FaultyFiles black_box_files;
    BlackBox black_box{black_box_files, disk / "archive/blackbox", {}, {}};
    SegmentDrain host{scanner, catalog, black_box, [this] {
                          ++handed_over;
                          if (at_hand_over) at_hand_over();
                      }};
    Drain drain{DrainOptions{}, archive, host};
};

TEST_F(DrainPath, EndsWithTheVmInTheArchiveAndTheSegmentGone) {
    ChildWriter writer(memory.path(), "vm-1", 42);
    sweep();
    const std::string key = catalog.view()->vms[0]->key();
    EXPECT_EQ(counter(key), 42u);
    writer.kill();
    sweep();
    EXPECT_EQ(counter(key), 42u);
    tick();
    EXPECT_EQ(catalog.find(key)->state(), VmState::kDrained);
    EXPECT_EQ(catalog.find(key)->known().exit_cause, ExitCause::kKilled);
    EXPECT_EQ(counter(key), 42u);
    EXPECT_TRUE(segments().empty());
    EXPECT_FALSE(scanner.find(key));  // no descriptor is kept
    EXPECT_EQ(handed_over, 1);
    ASSERT_EQ(black_box.list().size(), 1u) << "it was killed";
    EXPECT_EQ(vm_key(black_box.list()[0]->info()), key);
    EXPECT_EQ(catalog.usage().segment_count, 0u);
}

TEST_F(DrainPath, GoesOnAfterAnEndBetweenArchivingAndRemoving) {
    { ChildWriter writer(memory.path(), "vm-1", 42); }
    sweep();
    const std::string key = catalog.view()->vms[0]->key();
    // As if the agent had been killed right after the archive had it.
    auto finalised = host.finalise(key);
    ASSERT_TRUE(finalised.ok());
    VmInfo info = finalised->source->vm();
    info.state = VmState::kDrained;
    ASSERT_TRUE(archive.add(*finalised->source, info, realtime_ns()).ok());

    Catalog next_catalog{CatalogOptions{}, events};
    for (const auto& vm : archive.list()) next_catalog.add_drained(vm);
    std::vector<std::string> dead;
    Metrics next_metrics;
    Scanner next_scanner(*prepare_segment_folder(memory.path()), next_catalog, ScanLimits{}, next_metrics,
                         [&](const std::string& one) { dead.push_back(one); });
    SegmentDrain next_host(next_scanner, next_catalog, black_box, [] {});
    Drain next_drain(DrainOptions{}, archive, next_host);
    ASSERT_TRUE(next_scanner.sweep(realtime_ns()).ok());
    ASSERT_EQ(dead, std::vector<std::string>{key});
    next_drain.submit(key);
    next_drain.tick({realtime_ns(), monotonic_ns()});
    EXPECT_TRUE(segments().empty());
    EXPECT_EQ(archive.status().files, 1u);
    EXPECT_EQ(black_box.status().files, 1u);
    EXPECT_EQ(next_catalog.find(key)->state(), VmState::kDrained);
}

TEST_F(DrainPath, KeepsTheSegmentUntilTheBlackBoxIsWritten) {
    { ChildWriter writer(memory.path(), "vm-1", 42); }
    sweep();
    const std::string key = catalog.view()->vms[0]->key();
    black_box_files.fail_when([](const std::string& call, const std::string&) { return call == "fsync" ? EIO : 0; });
    tick();
    EXPECT_EQ(catalog.find(key)->state(), VmState::kDrained) << "the archive is read meanwhile";
    EXPECT_EQ(handed_over, 1) << "and upstreams go on";
    EXPECT_EQ(segments().size(), 1u) << "another run of the agent would find it again";
    EXPECT_EQ(drain.status().failures[static_cast<std::size_t>(DrainStep::kBlackBox)], 1u);
    black_box_files.fail_when({});
    ASSERT_TRUE(drain.drain_now(key, {realtime_ns(), monotonic_ns()}).ok());
    ASSERT_EQ(black_box.list().size(), 1u);
    EXPECT_EQ(vm_key(black_box.list()[0]->info()), key);
    EXPECT_TRUE(segments().empty());
    EXPECT_EQ(archive.status().written_files, 1u);
}

TEST_F(DrainPath, GoesOnWhenSomethingElseHasThePlaceOfTheBlackBox) {
    { ChildWriter writer(memory.path(), "vm-1", 42); }
    sweep();
    ASSERT_TRUE(make_directories(FileSystem::real(), disk / "archive").ok());
    ASSERT_TRUE(write_file_durably(FileSystem::real(), disk / "archive/blackbox", "in the way").ok());
    tick();
    EXPECT_TRUE(segments().empty());
    EXPECT_TRUE(black_box.list().empty());
}

// Sets the counter of a ChildWriter, as one that was taken for dead too early would.
void write_counter(const std::string& path, std::uint64_t value) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    std::uint64_t cells = 0;
    ASSERT_EQ(::pread(fd, &cells, sizeof cells, offsetof(rside_header, cells_offset)), 8);
    const auto at = static_cast<off_t>(cells + offsetof(rside_cell, u));
    ASSERT_EQ(::pwrite(fd, &value, sizeof value, at), 8);
    ::close(fd);
}

TEST_F(DrainPath, KeepsASegmentWhoseWriterWentOnAfterItWasArchivedAndArchivesItAgain) {
    ChildWriter writer(memory.path(), "vm-1", 42);
    sweep();
    const std::string key = catalog.view()->vms[0]->key();
    writer.kill();
    sweep();
    // It does not stop for three attempts.
    for (std::uint64_t attempt = 1; attempt <= 3; ++attempt) {
        at_hand_over = [&] { write_counter(memory / (key + ".seg"), 42 + attempt); };
        auto drained = drain.drain_now(key, {realtime_ns(), monotonic_ns()});
        ASSERT_FALSE(drained.ok());
        EXPECT_EQ(drained.error().code, Code::kUnavailable);
        EXPECT_EQ(segments().size(), 1u);
        EXPECT_EQ(drain.status().failures[static_cast<std::size_t>(DrainStep::kUnlink)], attempt);
        EXPECT_EQ(archive.status().written_files, attempt);
        EXPECT_EQ(counter(key), 41 + attempt);
    }
    at_hand_over = nullptr;
    auto drained = drain.drain_now(key, {realtime_ns(), monotonic_ns()});
    ASSERT_TRUE(drained.ok()) << drained.error().message();
    EXPECT_TRUE(segments().empty());
    EXPECT_EQ(counter(key), 45u);
    EXPECT_EQ(archive.status().files, 1u);
}

TEST_F(DrainPath, RemovesASegmentThatWasCutAfterItWasArchived) {
    ChildWriter writer(memory.path(), "vm-1", 42);
    sweep();
    const std::string key = catalog.view()->vms[0]->key();
    writer.kill();
    sweep();
    at_hand_over = [&] { std::filesystem::resize_file(memory / (key + ".seg"), 1024); };
    auto drained = drain.drain_now(key, {realtime_ns(), monotonic_ns()});
    ASSERT_TRUE(drained.ok()) << drained.error().message();
    EXPECT_TRUE(segments().empty());
    EXPECT_EQ(counter(key), 42u);
}

TEST_F(DrainPath, PutsASegmentThatWasCutIntoQuarantine) {
    ChildWriter writer(memory.path(), "vm-1", 42);
    sweep();
    const std::string key = catalog.view()->vms[0]->key();
    writer.kill();
    sweep();
    ASSERT_EQ(catalog.find(key)->state(), VmState::kExited);
    std::filesystem::resize_file(memory / (key + ".seg"), 4096);
    tick();
    tick();
    EXPECT_EQ(catalog.quarantined_by_reason().count("shrunk"), 1u);
    EXPECT_EQ(catalog.find(key), nullptr);
    EXPECT_EQ(segments().size(), 1u);  // never deleted
}

TEST_F(DrainPath, ForgetsAVmWhoseSegmentVanishedBeforeItWasArchived) {
    ChildWriter writer(memory.path(), "vm-1", 42);
    sweep();
    const std::string key = catalog.view()->vms[0]->key();
    writer.kill();
    sweep();
    scanner.forget(key);
    tick();
    EXPECT_EQ(drain.status().given_up, 1u);
    EXPECT_EQ(catalog.find(key), nullptr);
}

TEST_F(DrainPath, ReadsOnFromTheSegmentWhileTheArchiveCannotBeWritten) {
    ChildWriter writer(memory.path(), "vm-1", 42);
    sweep();
    const std::string key = catalog.view()->vms[0]->key();
    std::filesystem::rename(disk / "archive", disk / "away");
    std::ofstream(disk / "archive") << "a file in its place";
    writer.kill();
    sweep();
    tick();
    EXPECT_EQ(drain.status().retrying, 1u);
    EXPECT_EQ(catalog.find(key)->state(), VmState::kExited);
    EXPECT_EQ(counter(key), 42u);
    EXPECT_EQ(segments().size(), 1u);
    std::filesystem::remove(disk / "archive");
    std::filesystem::rename(disk / "away", disk / "archive");
    auto drained = drain.drain_now(key, {realtime_ns(), monotonic_ns()});
    ASSERT_TRUE(drained.ok()) << drained.error().message();
    EXPECT_EQ(catalog.find(key)->state(), VmState::kDrained);
    EXPECT_TRUE(segments().empty());
}

}  // namespace
}  // namespace ringside::agent
