// What stands in the folder under the name of a segment: anything. None of it is served, none of it makes the agent wait, and
// a sound segment beside it is read all the while.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <thread>

#include "tests/support/segment_builder.h"
#include "tests/support/segment_exercise.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

class SegmentFile : public testing::Test {
  protected:
    SegmentFile() {
        SegmentBuilder sound = SegmentBuilder::example();
        sound.vm_id = "sound";
        sound.lay_out();
        sound_series = sound.add("requests_total", {"/"});
        sound.set_open(sound_series, 1000 * kSecond);
        sound.set_counter(sound_series, 42);
        sound.write(folder.path());
        sound_name = sound.file_name();
        options.now = [] { return 1001 * kSecond + kClosingGraceNs; };
    }

    ~SegmentFile() override { expect_sound(); }

    Opened open(const std::string& name) {
        Result<SegmentDirectory> directory = SegmentDirectory::open(folder.path(), ::geteuid());
        EXPECT_TRUE(directory);
        return open_segment(*directory, name, *layouts, options);
    }
    Opened open() { return open(builder.file_name()); }

    void expect_refused(QuarantineReason reason, const std::string& detail = "") {
        Opened opened = open();
        EXPECT_EQ(opened.verdict, OpenVerdict::kRefused);
        EXPECT_FALSE(opened.segment);
        EXPECT_STREQ(reason_name(opened.refusal.reason), reason_name(reason)) << opened.refusal.message();
        EXPECT_THAT(opened.refusal.message(), HasSubstr(detail));
        EXPECT_EQ(::faccessat(AT_FDCWD, path().c_str(), F_OK, AT_SYMLINK_NOFOLLOW), 0) << "it was removed";
    }

    void expect_sound() {
        Opened opened = open(sound_name);
        ASSERT_TRUE(opened.segment) << opened.refusal.message();
        Result<SeriesData> data = opened.segment->read(sound_series, {});
        ASSERT_TRUE(data);
        EXPECT_THAT(data->value, testing::ElementsAre(42));
    }

    std::string path() const { return folder / builder.file_name(); }

    TemporaryFolder folder{"/dev/shm"};
    SegmentBuilder builder = SegmentBuilder::example();
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    OpenOptions options;
    std::string sound_name;
    std::uint32_t sound_series = 0;
};

TEST_F(SegmentFile, IsRefusedWhenCutAnywhere) {
    builder.write(folder.path());
    std::vector<std::uint64_t> sizes = {0, 1, 511, 512, 519, 520, 528, 1019, 1020, 1023, 1024, 4095, 4096, 4097};
    for (std::uint64_t edge : {builder.at.schema + 160, builder.at.tiers, builder.at.metrics, builder.at.strings,
                               builder.at.directory, builder.at.arena, builder.at.cells, builder.at.accumulators,
                               builder.at.hot_buckets, builder.at.rings, builder.at.bytes}) {
        for (std::uint64_t size : {edge - 1, edge, edge + 1}) sizes.push_back(size);
    }
    for (std::uint64_t size : sizes) {
        if (size == builder.at.bytes) continue;
        ASSERT_EQ(::truncate(path().c_str(), static_cast<off_t>(size)), 0);
        Opened opened = open();
        EXPECT_EQ(opened.verdict, OpenVerdict::kRefused) << size;
        EXPECT_THAT(opened.refusal.reason, AnyOf(QuarantineReason::kWrongSize, QuarantineReason::kHole))
            << size << ": " << opened.refusal.message();
        builder.write(folder.path());
    }
    EXPECT_TRUE(open().segment);
}

TEST_F(SegmentFile, IsRefusedWhenGrown) {
    builder.bytes.resize(builder.bytes.size() + 4096);
    builder.write(folder.path());
    expect_refused(QuarantineReason::kWrongSize);
}

TEST_F(SegmentFile, IsRefusedWhenASymlink) {
    ASSERT_EQ(::symlink(sound_name.c_str(), path().c_str()), 0);
    expect_refused(QuarantineReason::kNotRegular, "symbolic link");
}

TEST_F(SegmentFile, IsRefusedWhenADanglingSymlink) {
    ASSERT_EQ(::symlink("nowhere", path().c_str()), 0);
    expect_refused(QuarantineReason::kNotRegular, "symbolic link");
}

TEST_F(SegmentFile, IsRefusedWhenAFifoWithoutWaitingForItsWriter) {
    ASSERT_EQ(::mkfifo(path().c_str(), 0640), 0);
    expect_refused(QuarantineReason::kNotRegular, "a FIFO");
}

TEST_F(SegmentFile, IsRefusedWhenAFolder) {
    ASSERT_EQ(::mkdir(path().c_str(), 0750), 0);
    expect_refused(QuarantineReason::kNotRegular, "a folder");
}

TEST_F(SegmentFile, IsRefusedWhenASocket) {
    int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_GE(fd, 0);
    std::string here =
        "/proc/self/fd/" + std::to_string(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::string name = here + "/" + builder.file_name();
    ASSERT_LT(name.size(), sizeof address.sun_path);
    name.copy(address.sun_path, name.size());
    ASSERT_EQ(::bind(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address), 0);
    expect_refused(QuarantineReason::kNotRegular, "a socket");
    ::close(fd);
    ::close(std::stoi(here.substr(here.rfind('/') + 1)));
}

TEST_F(SegmentFile, IsRefusedWhenADevice) {
    if (::mknod(path().c_str(), S_IFCHR | 0640, makedev(1, 5)) != 0) GTEST_SKIP() << "needs CAP_MKNOD";
    // /dev/zero; where the file system is mounted nodev it cannot even be opened.
    Opened opened = open();
    EXPECT_EQ(opened.verdict, OpenVerdict::kRefused);
    EXPECT_THAT(opened.refusal.reason, AnyOf(QuarantineReason::kNotRegular, QuarantineReason::kUnreadable));
}

TEST_F(SegmentFile, IsRefusedWithASecondLink) {
    builder.write(folder.path());
    ASSERT_EQ(::link(path().c_str(), (folder / "other").c_str()), 0);
    expect_refused(QuarantineReason::kLinks, "2 links");
    ASSERT_EQ(::unlink((folder / "other").c_str()), 0);
    EXPECT_TRUE(open().segment);
}

TEST_F(SegmentFile, IsRefusedWhenRenamed) {
    builder.write_as(folder / ("evil" + builder.file_name().substr(builder.vm_id.size())));
    Opened opened = open("evil" + builder.file_name().substr(builder.vm_id.size()));
    EXPECT_EQ(opened.refusal.reason, QuarantineReason::kNameMismatch);
    std::string other_epoch = "vm-1.ff112233445566778899aabbccddeeff.seg";
    builder.write_as(folder / other_epoch);
    EXPECT_EQ(open(other_epoch).refusal.reason, QuarantineReason::kNameMismatch);
    std::string component = "vm-1.00112233445566778899aabbccddeeff.net.seg";
    builder.write_as(folder / component);
    EXPECT_EQ(open(component).refusal.reason, QuarantineReason::kNameMismatch);
}

TEST_F(SegmentFile, IsRefusedWithAnotherOwner) {
    builder.write(folder.path());
    if (::chown(path().c_str(), 12345, static_cast<gid_t>(-1)) != 0) GTEST_SKIP() << "needs CAP_CHOWN";
    options.owner_allowed = [](const SegmentName&, uid_t owner) { return owner == ::geteuid(); };
    expect_refused(QuarantineReason::kWrongOwner, "12345");
}

TEST_F(SegmentFile, IsRefusedWhenUnreadable) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs to be root to become somebody else";
    builder.write(folder.path());
    ASSERT_EQ(::chmod(path().c_str(), 0600), 0);
    ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
    Result<SegmentDirectory> directory = SegmentDirectory::open_unchecked(folder.path());
    ASSERT_TRUE(directory);
    ASSERT_EQ(::seteuid(65534), 0);
    Opened opened = open_segment(*directory, builder.file_name(), *layouts, options);
    ASSERT_EQ(::seteuid(0), 0);
    EXPECT_EQ(opened.verdict, OpenVerdict::kRefused);
    EXPECT_EQ(opened.refusal.reason, QuarantineReason::kUnreadable);
    ASSERT_EQ(::chmod(folder.path().c_str(), 0700), 0);
}

TEST_F(SegmentFile, IsRefusedWithAHole) {
    builder.write(folder.path());
    int fd = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_EQ(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 4096), 0);
    ::close(fd);
    expect_refused(QuarantineReason::kHole, std::to_string(builder.at.bytes - 4096) + " are allocated");
}

TEST_F(SegmentFile, IsRefusedWhenSparseAndHuge) {
    int fd = ::open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    ASSERT_EQ(::ftruncate(fd, INT64_MAX), 0);
    ::close(fd);
    expect_refused(QuarantineReason::kTooLarge);
    ASSERT_EQ(::truncate(path().c_str(), static_cast<off_t>(options.max_segment_bytes)), 0);
    expect_refused(QuarantineReason::kHole);
}

TEST_F(SegmentFile, IsRefusedWhenGarbage) {
    std::mt19937_64 random(1);
    for (auto& byte : builder.bytes) byte = static_cast<std::byte>(random());
    builder.write(folder.path());
    expect_refused(QuarantineReason::kBadMagic);
    std::fill(builder.bytes.begin(), builder.bytes.end(), std::byte{0});
    builder.write(folder.path());
    expect_refused(QuarantineReason::kBadMagic);
}

TEST_F(SegmentFile, IsSkippedButKeptWhenOfAnotherVersion) {
    builder.poke<std::uint32_t>(520, 2);
    builder.write(folder.path());
    expect_refused(QuarantineReason::kOtherVersion, "version 2");
}

TEST_F(SegmentFile, IsGoneWhenItIsGone) { EXPECT_EQ(open().verdict, OpenVerdict::kGone); }

TEST_F(SegmentFile, IsTriedLaterWhenLeased) {
    builder.write(folder.path());
    // The owner's lease would make an open without O_NONBLOCK wait for 45 s; the broken lease sends SIGIO.
    int fd = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::fcntl(fd, F_SETSIG, SIGURG), 0);
    ASSERT_EQ(::fcntl(fd, F_SETLEASE, F_WRLCK), 0);
    Opened opened = open();
    EXPECT_EQ(opened.verdict, OpenVerdict::kLater);
    EXPECT_EQ(opened.refusal.reason, QuarantineReason::kBusy);
    ASSERT_EQ(::fcntl(fd, F_SETLEASE, F_UNLCK), 0);
    ::close(fd);
    EXPECT_TRUE(open().segment);
}

TEST_F(SegmentFile, TurnsBadWhenCutWhileServed) {
    std::uint32_t series = builder.add("requests_total", {"/"});
    builder.set_open(series, 1000 * kSecond);
    for (std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1024}, builder.at.directory, builder.at.cells,
                               builder.at.cells + 1, builder.at.rings}) {
        builder.write(folder.path());
        std::shared_ptr<LiveSegment> segment = open().segment;
        ASSERT_TRUE(segment);
        ASSERT_EQ(segment->series()->size(), 1u);
        ASSERT_EQ(::truncate(path().c_str(), static_cast<off_t>(size)), 0);
        Result<SeriesData> data = segment->read(series, {});
        ASSERT_FALSE(data) << size;
        EXPECT_EQ(data.error().code, Code::kCorrupt);
        ASSERT_TRUE(segment->condition());
        EXPECT_EQ(segment->condition()->reason, QuarantineReason::kShrunk);
        EXPECT_EQ(segment->vm().vm_id, "vm-1");
    }
}

TEST_F(SegmentFile, IsReadToItsEndWhenUnlinked) {
    std::uint32_t series = builder.add("requests_total", {"/"});
    builder.set_open(series, 1000 * kSecond);
    builder.write(folder.path());
    std::shared_ptr<LiveSegment> segment = open().segment;
    ASSERT_TRUE(segment);
    ASSERT_EQ(::unlink(path().c_str()), 0);
    EXPECT_EQ(segment->read(series, {})->size(), 1u);
    EXPECT_TRUE(segment->settle());
}

// A process of the VM's that does its worst to the file while it is opened and read.
class Tormentor {
  public:
    Tormentor(const std::string& path, std::uint64_t bytes, std::uint64_t seed) {
        pid_ = ::fork();
        if (pid_ != 0) return;
        std::mt19937_64 random(seed);
        int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        while (true) {
            switch (random() % 8) {
                case 0: (void)!::ftruncate(fd, static_cast<off_t>(random() % (bytes + 4096))); break;
                case 1: (void)!::ftruncate(fd, static_cast<off_t>(bytes)); break;
                case 2:
                    (void)!::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                       static_cast<off_t>(random() % bytes / 4096 * 4096), 4096);
                    break;
                case 3: (void)!::fallocate(fd, 0, 0, static_cast<off_t>(bytes)); break;
                default: {
                    std::uint64_t word = random() % 3 == 0 ? random() : random() % 5 - 2;
                    (void)!::pwrite(fd, &word, 8, static_cast<off_t>(random() % bytes / 4 * 4));
                }
            }
        }
    }
    ~Tormentor() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

  private:
    pid_t pid_;
};

constexpr int kRoundsMax = 10'000'000;

int rounds(int usual, int soak) { return std::getenv("RINGSIDE_SOAK") != nullptr ? soak : usual; }

TEST_F(SegmentFile, IsValidOrRefusedWhileItIsTormented) {
    builder.add("requests_total", {"/a"});
    builder.add("memory_bytes", {"heap"});
    builder.add("io_seconds", {"vda"});
    std::string file = builder.write(folder.path());
    Tormentor tormentor(file, builder.at.bytes, 7);
    int accepted = 0, refused = 0, kinds = 0;
    std::set<QuarantineReason> reasons;
    // On a busy machine the tormentor may get no turn for a while: go on until it had its say.
    auto stressed = [&] { return accepted > 10 && refused > 100 && kinds > 3; };
    for (int i = 0; i < rounds(3000, 100000) || (!stressed() && i < kRoundsMax); ++i) {
        if (i % 10 == 0) builder.write(folder.path());  // else it would soon be nothing but garbage
        Opened opened = open();
        if (!opened.segment) {
            ++refused;
            kinds += reasons.insert(opened.refusal.reason).second ? 1 : 0;
            continue;
        }
        ++accepted;
        Exercised result;
        exercise(*opened.segment, options.now(), &result);
        ASSERT_THAT(result.broken, testing::IsEmpty());
    }
    // It was tormented, and not to death.
    EXPECT_GT(accepted, 10);
    EXPECT_GT(refused, 100);
    EXPECT_GT(kinds, 3);
}

TEST_F(SegmentFile, IsNeverTakenFromARacerWhoSwapsIt) {
    // The racer renames a symlink, a FIFO and a sound file of another VM over the name.
    SegmentBuilder other = SegmentBuilder::example();
    other.vm_id = "vm-2";
    other.lay_out();
    std::atomic<bool> stop = false;
    std::atomic<int> swaps = 0;
    std::thread racer([&] {
        for (int i = 0; !stop; ++i) {
            std::string draft = folder / ".draft";
            switch (i % 3) {
                case 0: (void)!::symlink(sound_name.c_str(), draft.c_str()); break;
                case 1: (void)!::mkfifo(draft.c_str(), 0640); break;
                default: other.write_as(draft);
            }
            (void)!::rename(draft.c_str(), path().c_str());
            ++swaps;
        }
    });
    std::set<QuarantineReason> reasons;
    auto stressed = [&] {
        return swaps >= 30 && reasons.contains(QuarantineReason::kNotRegular) &&
               reasons.contains(QuarantineReason::kNameMismatch);
    };
    for (int i = 0; i < rounds(3000, 100000) || (!stressed() && i < kRoundsMax); ++i) {
        Opened opened = open();
        ASSERT_FALSE(opened.segment);
        reasons.insert(opened.refusal.reason);
    }
    stop = true;
    racer.join();
    EXPECT_TRUE(reasons.contains(QuarantineReason::kNotRegular));
    EXPECT_TRUE(reasons.contains(QuarantineReason::kNameMismatch));
}

}  // namespace
}  // namespace ringside::agent::test
