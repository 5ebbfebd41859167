#include "agent/scanner.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <ringside/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <utility>

#include "tests/support/fake_source.h"
#include "tests/support/live_writer.h"
#include "tests/unit/agent/scanner_fixture.h"

namespace ringside::agent {
namespace {

FileStamp stamp_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return {status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
            static_cast<std::uint64_t>(status.st_ctim.tv_sec) * 1'000'000'000u +
                static_cast<std::uint64_t>(status.st_ctim.tv_nsec)};
}

// Keeps everybody from opening a file, for a while.
class Lease {
  public:
    explicit Lease(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
        ::signal(SIGIO, SIG_IGN);  // what the kernel says when somebody wants to open it
        EXPECT_EQ(::fcntl(fd_, F_SETLEASE, F_WRLCK), 0) << path;
    }
    Lease(Lease&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~Lease() {
        if (fd_ >= 0) ::close(fd_);
    }

  private:
    int fd_;
};

TEST_F(ScannerTest, TakesASegmentInAndSeesItsWriterClose) {
    Segment segment = make_segment(folder.path(), "vm-1");
    sweep();
    ASSERT_TRUE(vm());
    EXPECT_EQ(vm()->state(), VmState::kRunning);
    EXPECT_TRUE(dead.empty());

    segment.close(5, "bye");
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kExited);
    EXPECT_EQ(vm()->known().exit_cause, ExitCause::kClosed);
    EXPECT_EQ(vm()->known().close_code, 5);
    EXPECT_NE(vm()->vm().ended_ns, 0u);
    EXPECT_EQ(dead, std::vector<std::string>{vm()->key()});
    sweep();
    EXPECT_EQ(dead.size(), 1u);
}

TEST_F(ScannerTest, SeesThatAWriterWasKilled) {
    ChildWriter writer(folder.path(), "vm-1", 3);
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kRunning);
    writer.kill();
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kExited);
    EXPECT_EQ(vm()->known().exit_cause, ExitCause::kKilled);
}

TEST_F(ScannerTest, SeesTheEndOfALifeBeforeThatOfALaterOne) {
    Segment first = make_segment(folder.path(), "vm"), other = make_segment(folder.path(), "vm.other");
    const std::filesystem::path one = first.path();
    sweep();
    first.close(0, "");
    Segment second = make_segment(folder.path(), "vm");
    const std::filesystem::path two = second.path();
    second.close(0, "");
    ASSERT_TRUE(scanner.discover(realtime_ns()).ok());  // looks at what is new, no more
    EXPECT_EQ(dead, (std::vector<std::string>{one.stem(), two.stem()}));
}

TEST_F(ScannerTest, LetsGoOfTheProcessOfAVmThatHasEndedNotOnlyWhenItIsDrained) {
    Segment segment = make_segment(folder.path(), "vm-1");
    sweep();
    EXPECT_EQ(processes_held(), 1u);
    segment.close(0, "");
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kExited);
    EXPECT_EQ(processes_held(), 0u);
}

TEST_F(ScannerTest, SeesThatAWriterWasKilledWhileItAttached) {
    const std::string path = provision_segment(folder.path(), "vm-1");
    sweep();
    // All that such a writer leaves.
    const std::uint32_t attached = RSIDE_STATE_ATTACHED;
    std::fstream(path, std::ios::in | std::ios::out | std::ios::binary)
        .seekp(offsetof(rside_header, state))
        .write(reinterpret_cast<const char*>(&attached), sizeof attached);
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kExited);
    EXPECT_EQ(vm()->known().exit_cause, ExitCause::kKilled);
}

TEST_F(ScannerTest, TakesInAVmThatDiedBeforeItWasSeen) {
    { ChildWriter writer(folder.path(), "vm-1", 3); }
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kExited);
    EXPECT_EQ(vm()->known().exit_cause, ExitCause::kKilled);
    EXPECT_EQ(dead.size(), 1u);
}

TEST_F(ScannerTest, WaitsForTheWriterOfAProvisionedSegment) {
    const std::string path = provision_segment(folder.path(), "vm-1");
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kProvisioned);
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kProvisioned);
    Segment segment = Segment::attach(path.c_str());
    ASSERT_TRUE(segment) << segment.error().text;
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kRunning);
    segment.close();
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kExited);
}

TEST_F(ScannerTest, FollowsTheSeriesThatAVmRegisters) {
    Segment segment = make_segment(folder.path(), "vm-1");
    sweep();
    EXPECT_EQ((*vm()->layout())->size(), 0u);
    ASSERT_TRUE(segment.counter("test_requests_total", {"vda"}));
    ASSERT_TRUE(segment.counter("test_requests_total", {"vdb"}));
    sweep();
    EXPECT_EQ((*vm()->layout())->size(), 2u);
    // A last one right before the end.
    ASSERT_TRUE(segment.counter("test_requests_total", {"vdc"}));
    segment.close();
    sweep();
    EXPECT_EQ((*vm()->layout())->size(), 3u);
}

TEST_F(ScannerTest, QuarantinesBadFilesAndServesTheOthers) {
    plant("vm-2", "nonsense");
    std::filesystem::create_directory(folder / "vm-3.00112233445566778899aabbccddeeff.seg");
    Segment segment = make_segment(folder.path(), "vm-1");
    sweep();
    ASSERT_TRUE(vm());
    EXPECT_EQ(refused(), (std::map<std::string, std::uint64_t>{{"not-regular", 1}, {"wrong-size", 1}}));
    const std::uint64_t opened =
        metrics.counter("ringside_scan_files_opened_total", "Files opened to see whether they are segments.").value();
    sweep();
    EXPECT_EQ(
        metrics.counter("ringside_scan_files_opened_total", "Files opened to see whether they are segments.").value(),
        opened);  // none is opened again
    std::filesystem::remove(folder / "vm-2.00112233445566778899aabbccddeeff.seg");
    sweep();
    EXPECT_EQ(refused(), (std::map<std::string, std::uint64_t>{{"not-regular", 1}}));
}

// Its list of series contradicts itself from here on.
void spoil_directory(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    std::uint64_t directory = 0;
    ASSERT_EQ(::pread(fd, &directory, sizeof directory, offsetof(rside_header, directory_offset)), 8);
    constexpr std::size_t after_state = offsetof(rside_series_record, metric);
    const std::string bytes(sizeof(rside_series_record) - after_state, '\xff');
    ASSERT_EQ(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(directory + after_state)),
              static_cast<ssize_t>(bytes.size()));
    ::close(fd);
}

TEST_F(ScannerTest, JudgesASegmentBeforeItReadsItsSeries) {
    Segment good = make_segment(folder.path(), "vm-1"), large = make_segment(folder.path(), "vm-2");
    for (Segment* segment : {&good, &large}) {
        segment->counter("test_requests_total", {"vda"}).add(1);
        spoil_directory(segment->path());
    }
    sweep();
    EXPECT_EQ(refused().count("over-budget"), 0u);
    EXPECT_EQ(refused().size(), 1u) << "a bad list of series";

    Budgets budgets;
    budgets.vm_bytes = 1;
    catalog.set_budgets(budgets);
    Segment late = make_segment(folder.path(), "vm-3");
    late.counter("test_requests_total", {"vda"}).add(1);
    spoil_directory(late.path());
    sweep();
    EXPECT_EQ(refused()["over-budget"], 1u);
}

TEST_F(ScannerTest, LooksAtAFloodOfFilesInSeveralPasses) {
    ScanLimits limits;
    limits.opens_per_pass = 3;
    scanner.set_limits(limits);
    for (int i = 0; i < 8; ++i) plant("a" + std::to_string(i), "nonsense");
    Segment segment = make_segment(folder.path(), "vm-1");
    int passes = 1;
    while (*scanner.discover(realtime_ns())) ++passes;
    EXPECT_EQ(passes, 3);
    EXPECT_EQ(refused().at("wrong-size"), 8u);
    EXPECT_TRUE(vm());
}

TEST_F(ScannerTest, GivesEveryFileItsTurnInAFloodThatNeverEnds) {
    // More bad files than the quarantine holds, each opened anew at each sweep, and a VM whose name comes last.
    CatalogOptions options;
    options.quarantine_max = 2;
    Catalog small{options, events};
    ScanLimits limits;
    limits.opens_per_pass = 3;
    Metrics other;
    Scanner flooded(*prepare_segment_folder(folder.path()), small, limits, other, [](const std::string&) {});
    for (int i = 0; i < 20; ++i) plant("a" + std::to_string(i), "nonsense");
    Segment segment = make_segment(folder.path(), "z-last");
    int passes = 1;
    while (*flooded.sweep(realtime_ns())) ASSERT_LT(++passes, 20);
    EXPECT_EQ(small.view()->vms.size(), 1u);
    EXPECT_FALSE(*flooded.discover(realtime_ns()));  // left to the next sweep
    EXPECT_GT(small.quarantine_overflowed(), 0u);
}

// Files that come and go, so that the quarantine never fills and each is news.
TEST_F(ScannerTest, AFloodOfBadFilesLeavesTheEventsOfOtherVms) {
    const std::uint64_t now_ns = realtime_ns();
    EventBus bus{300};
    Catalog flooded{CatalogOptions{}, bus};
    Metrics other;
    Scanner flooded_scanner(*prepare_segment_folder(folder.path()), flooded, ScanLimits{}, other,
                            [](const std::string&) {});
    Segment segment = make_segment(folder.path(), "vm-1");
    ASSERT_TRUE(flooded_scanner.sweep(now_ns).ok());
    segment.close();
    ASSERT_TRUE(flooded_scanner.sweep(now_ns).ok());
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 100; ++i) plant("a" + std::to_string(i), "");
        ASSERT_TRUE(flooded_scanner.sweep(now_ns).ok());
        for (int i = 0; i < 100; ++i) {
            std::filesystem::remove(folder / ("a" + std::to_string(i) + ".00112233445566778899aabbccddeeff.seg"));
        }
    }
    EXPECT_EQ(flooded.quarantine_untold(), 900u);
    std::map<EventKind, int> kinds;
    for (const Event& event : bus.wait(0, 1000, std::chrono::milliseconds(0)).events) ++kinds[event.kind];
    EXPECT_EQ(kinds, (std::map<EventKind, int>{
                         {EventKind::kAppeared, 1}, {EventKind::kExited, 1}, {EventKind::kQuarantined, 100}}));
}

TEST_F(ScannerTest, LeavesAFloodOfBadFilesToTheSweep) {
    CatalogOptions options;
    options.quarantine_news = {2, 1'000'000'000, 10};
    Catalog flooded{options, events};
    Metrics other;
    Scanner flooded_scanner(*prepare_segment_folder(folder.path()), flooded, ScanLimits{}, other,
                            [](const std::string&) {});
    const std::uint64_t now_ns = realtime_ns();
    for (const char* name : {"a1", "a2", "a3"}) plant(name, "");
    ASSERT_TRUE(flooded_scanner.discover(now_ns).ok());
    EXPECT_EQ(flooded.quarantined().size(), 3u);
    plant("a4", "");
    ASSERT_TRUE(flooded_scanner.discover(now_ns).ok());
    EXPECT_EQ(flooded.quarantined().size(), 3u);
    ASSERT_TRUE(flooded_scanner.sweep(now_ns + 60'000'000'000).ok());
    EXPECT_EQ(flooded.quarantined().size(), 4u);
    plant("a5", "");
    ASSERT_TRUE(flooded_scanner.discover(now_ns + 60'000'000'000).ok());  // The flood is over.
    EXPECT_EQ(flooded.quarantined().size(), 5u);
}

TEST_F(ScannerTest, RetriesEachFileInTurnWhateverIsDiscoveredInBetween) {
    // More files that nobody can open than one pass opens, all worth another try, and one of them can be opened: the
    // last.
    ScanLimits limits;
    limits.opens_per_pass = 3;
    scanner.set_limits(limits);
    Segment segment = make_segment(folder.path(), "z-last");
    for (int i = 0; i < 8; ++i) plant("a" + std::to_string(i), "nonsense");
    std::vector<Lease> leases;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        QuarantinedFile file;
        file.file = entry.path().filename();
        file.stamp = stamp_of(entry.path());
        file.retry = Retry::kAlways;
        if (file.file[0] == 'a') leases.emplace_back(entry.path());
        catalog.quarantine(std::move(file), nullptr, realtime_ns());
    }
    for (int i = 0; i < 3; ++i) {
        sweep();
        while (*scanner.discover(realtime_ns())) continue;
    }
    EXPECT_TRUE(vm());
}

TEST_F(ScannerTest, SeesThatItsFolderWasMovedAway) {
    ChildWriter writer(folder.path(), "vm-1", 7);
    sweep();
    const TemporaryFolder elsewhere{"/dev/shm"};
    std::filesystem::rename(folder.path(), elsewhere / "away");
    std::filesystem::create_directory(folder.path());
    std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all);
    auto swept = scanner.sweep(realtime_ns());
    ASSERT_FALSE(swept.ok());
    EXPECT_EQ(swept.error().code, Code::kNotFound);
    scanner.set_folder(*prepare_segment_folder(folder.path()));
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kRunning);  // read on through its descriptor
}

TEST_F(ScannerTest, GoesOnWithAVmWhoseNameAnotherFileTakes) {
    ChildWriter writer(folder.path(), "vm-1", 7);
    sweep();
    const std::string key = vm()->key();
    const std::string path = folder / (key + ".seg");
    std::filesystem::copy_file(path, folder / "copy");
    std::filesystem::rename(folder / "copy", path);
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kRunning);
    EXPECT_EQ(refused(), (std::map<std::string, std::uint64_t>{{kReasonEpochSeen, 1}}));
    writer.kill();
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kExited);
    // What is not the file that was opened is not removed.
    auto tracked = scanner.find(key);
    ASSERT_TRUE(tracked);
    EXPECT_TRUE(scanner.unlink(tracked->file, tracked->segment->file().device, tracked->segment->file().inode).ok());
    EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(ScannerTest, GivesASegmentThatIsCutUpAndKeepsTheFile) {
    ChildWriter writer(folder.path(), "vm-1", 7);
    sweep();
    const std::string path = folder / (vm()->key() + ".seg");
    std::filesystem::resize_file(path, 0);
    sweep();
    EXPECT_TRUE(catalog.view()->vms.empty());
    EXPECT_EQ(refused(), (std::map<std::string, std::uint64_t>{{"shrunk", 1}}));
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_EQ(events.wait(0, 100, std::chrono::milliseconds(0)).events.back().kind, EventKind::kQuarantined);
}

TEST_F(ScannerTest, HandsALeftoverOfAnEarlierDrainToTheDrainAgain) {
    { ChildWriter writer(folder.path(), "vm-1", 7); }
    const std::string file = std::filesystem::directory_iterator(folder.path())->path().filename();
    auto name = SegmentName::parse(file);
    ASSERT_TRUE(name);
    VmInfo archived = fake_vm(name->vm_id);
    archived.epoch = name->epoch;
    catalog.add_drained(std::make_shared<FakeSource>(archived, fake_schema({})));
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kDrained);
    EXPECT_EQ(dead, std::vector<std::string>{vm_key(archived)});
    EXPECT_TRUE(scanner.find(vm_key(archived)));
    EXPECT_TRUE(refused().empty());
    sweep();
    EXPECT_EQ(dead.size(), 1u);
}

TEST_F(ScannerTest, RefusesALivingSegmentOfAnEpochThatIsInTheArchive) {
    Segment segment = make_segment(folder.path(), "vm-1");
    auto name = SegmentName::parse(std::filesystem::path(segment.path()).filename().string());
    VmInfo archived = fake_vm(name->vm_id);
    archived.epoch = name->epoch;
    catalog.add_drained(std::make_shared<FakeSource>(archived, fake_schema({})));
    sweep();
    EXPECT_EQ(refused(), (std::map<std::string, std::uint64_t>{{kReasonEpochSeen, 1}}));
    EXPECT_TRUE(dead.empty());
}

TEST_F(ScannerTest, RemovesOldLeftoversOfCreationWithoutAWriter) {
    std::ofstream(folder / ".old") << "x";
    std::ofstream(folder / ".held") << "x";
    std::filesystem::create_directory(folder / ".folder");
    const int held = ::open((folder / ".held").c_str(), O_WRONLY | O_CLOEXEC);
    sweep();
    EXPECT_TRUE(std::filesystem::exists(folder / ".old"));  // young
    ScanLimits limits;
    limits.creating_max_age_ns = 0;
    scanner.set_limits(limits);
    sweep();
    EXPECT_FALSE(std::filesystem::exists(folder / ".old"));
    EXPECT_TRUE(std::filesystem::exists(folder / ".held"));
    EXPECT_TRUE(std::filesystem::exists(folder / ".folder"));
    ::close(held);
}

TEST_F(ScannerTest, SaysThatItsFolderIsGone) {
    ChildWriter writer(folder.path(), "vm-1", 7);
    sweep();
    std::filesystem::remove_all(folder.path());
    auto swept = scanner.sweep(realtime_ns());
    ASSERT_FALSE(swept.ok());
    EXPECT_EQ(swept.error().code, Code::kNotFound);
    scanner.set_folder(*prepare_segment_folder(folder.path()));
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kRunning);
    writer.kill();
    sweep();
    EXPECT_EQ(vm()->state(), VmState::kExited);
}

TEST_F(ScannerTest, AsksItsVmsAlsoWhenTheFolderCannotBeListed) {
    ChildWriter writer(folder.path(), "vm-1", 3);
    sweep();
    writer.kill();
    std::filesystem::remove_all(folder.path());
    EXPECT_FALSE(scanner.sweep(realtime_ns()).ok());
    EXPECT_EQ(vm()->state(), VmState::kExited);
    EXPECT_EQ(dead.size(), 1u);
}

}  // namespace
}  // namespace ringside::agent
