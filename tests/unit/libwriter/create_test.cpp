// Creating and provisioning: what stands afterwards, and that each failure is an error with nothing left behind.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <fstream>

#include "tests/support/child.h"
#include "tests/support/private_tmpfs.h"
#include "tests/support/sanitizer.h"
#include "writer.h"

namespace ringside {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;

SchemaSpec every_kind() {
    SchemaSpec spec("every_kind");
    spec.tier(1, 16).tier(4, 8);
    spec.metric("counter_total", RSIDE_COUNTER, 2, {"device"}).describe("", "Requests.");
    spec.metric("shared_total", RSIDE_COUNTER, 1, {}, RSIDE_METRIC_SHARED);
    spec.metric("seconds_total", RSIDE_COUNTER_F64).describe("seconds", "");
    spec.metric("delay_seconds", RSIDE_GAUGE).metric("memory_bytes", RSIDE_LEVEL);
    spec.histogram("request_seconds", 0, 0.5, 64.0);
    return spec.metric("info", RSIDE_INFO, 1, {"version"});
}

struct Attempt {
    int code = 0;
    rside_error error = {};
    rside_segment* segment = nullptr;
};

Attempt try_create(const rside_options& options) {
    Attempt attempt;
    attempt.code = rside_segment_create(&options, &attempt.segment, &attempt.error);
    return attempt;
}

// "" when the attempt failed with `code`, said `mention`, and gave nothing.
std::string refusal(const Attempt& attempt, int code, const std::string& mention) {
    std::string said = attempt.error.text;
    if (attempt.code != code) return "code " + std::to_string(attempt.code) + ": " + said;
    if (attempt.error.code != code) return "error.code " + std::to_string(attempt.error.code);
    if (attempt.segment) return "a segment came out all the same";
    if (said.find(mention) == std::string::npos) return "'" + said + "' does not mention '" + mention + "'";
    return "";
}

TEST(SegmentCreate, WritesAWholeHeader) {
    Writer writer(every_kind());
    plain::Segment segment = writer.decoded();
    EXPECT_EQ(segment.vm_id, "vm-1");
    EXPECT_EQ(segment.component, "");
    EXPECT_EQ(segment.schema_name, "every_kind");
    EXPECT_EQ(segment.schema_version, 1u);
    EXPECT_EQ(segment.schema_hash, rside_schema_hash(writer.schema()));
    EXPECT_EQ(segment.state, 1u);
    EXPECT_EQ(segment.clock_mode, 1u);
    EXPECT_EQ(segment.series_count, 0u);
    EXPECT_GE(segment.attached_ns, segment.created_ns);
    EXPECT_GT(segment.created_boottime_ns, 0u);
    EXPECT_EQ(segment.metrics.at(0).name, "counter_total");
    EXPECT_EQ(segment.metrics.at(0).help, "Requests.");
    EXPECT_THAT(segment.metrics.at(0).labels, testing::ElementsAre("device"));
    EXPECT_EQ(segment.metrics.at(2).unit, "seconds");
    EXPECT_EQ(segment.metrics.at(5).bucket_first, -1);  // (0.25, 0.5] holds 0.5
    EXPECT_EQ(segment.metrics.at(5).bucket_count, 8u);  // up to (32, 64]
    EXPECT_EQ(segment.label_arena_bytes, 3u * 64u);     // two series with labels and the info
}

TEST(SegmentCreate, TellsPeopleWhatTheFileIs) {
    Writer writer(every_kind());
    std::string head = writer.decoded().text;
    EXPECT_THAT(head, StartsWith("RINGSIDE SEGMENT v1\nvm_id: vm-1\ncomponent: -\nepoch: "));
    EXPECT_THAT(head,
                HasSubstr("\nschema: every_kind v1\nbytes: " + std::to_string(rside_segment_bytes(writer.segment()))));
    EXPECT_THAT(head, HasSubstr("\ntiers: 1s x 16 4s x 8\n"));
}

TEST(SegmentCreate, NamesTheFileAfterVmEpochAndComponent) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    rside_options options = plain_options(folder.path(), spec.get());
    options.vm_id = "a.B:c_d-9";
    options.component = "block-0_x";
    Attempt made = try_create(options);
    ASSERT_EQ(made.code, 0) << made.error.text;
    EXPECT_THAT(rside_segment_path(made.segment), MatchesRegex(".*/a\\.B:c_d-9\\.[0-9a-f]{32}\\.block-0_x\\.seg"));
    EXPECT_STREQ(rside_segment_vm_id(made.segment), "a.B:c_d-9");
    std::string error;
    plain::Segment segment = plain::decode_file(rside_segment_path(made.segment), &error);
    EXPECT_EQ(segment.component, "block-0_x");
    std::string epoch;
    for (std::uint8_t byte : segment.epoch) {
        char pair[3];
        std::snprintf(pair, sizeof pair, "%02x", byte);
        epoch += pair;
    }
    EXPECT_THAT(rside_segment_path(made.segment), HasSubstr("." + epoch + "."));
    rside_segment_close(made.segment, 0, nullptr);
}

TEST(SegmentCreate, GivesEachSegmentAnEpochOfItsOwn) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    rside_options options = plain_options(folder.path(), spec.get());
    for (int i = 0; i < 50; ++i) ASSERT_EQ(rside_segment_provision(&options, nullptr, 0, nullptr), 0);
    EXPECT_EQ(files_in(folder.path()).size(), 50u);
}

TEST(SegmentCreate, SetsTheModeAgainstTheUmask) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    mode_t umask_before = umask(0077);
    for (mode_t mode : {mode_t{0}, mode_t{0600}, mode_t{0664}}) {
        rside_options options = plain_options(folder.path(), spec.get());
        options.mode = mode;
        char path[256];
        rside_error error = {};
        ASSERT_EQ(rside_segment_provision(&options, path, sizeof path, &error), 0) << error.text;
        struct stat info;
        ASSERT_EQ(::stat(path, &info), 0);
        EXPECT_EQ(info.st_mode & 07777, mode ? mode : 0640);
    }
    umask(umask_before);
}

TEST(SegmentProvision, GivesTheFileToItsOwner) {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    rside_options options = plain_options(folder.path(), spec.get());
    options.owner = 65534;
    options.group = 65533;
    options.mode = 0620;
    char path[256];
    rside_error error = {};
    ASSERT_EQ(rside_segment_provision(&options, path, sizeof path, &error), 0) << error.text;
    struct stat info;
    ASSERT_EQ(::stat(path, &info), 0);
    EXPECT_EQ(info.st_uid, 65534u);
    EXPECT_EQ(info.st_gid, 65533u);
    EXPECT_EQ(info.st_mode & 07777, 0620u);
}

std::string drop_capability(int which) {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (syscall(SYS_capget, &header, data) != 0) return "no capget";
    data[which / 32].effective &= ~(1u << which % 32);
    data[which / 32].permitted &= ~(1u << which % 32);
    return syscall(SYS_capset, &header, data) == 0 ? "" : "no capset";
}

// A launcher that may give files away, but may do nothing with those of others.
class ProvisionWithoutFowner : public testing::Test {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
        ASSERT_EQ(chown(folder_.path().c_str(), 65533, 65533), 0);  // in one's own folder the sticky bit says nothing
    }
    // Hands back the error of provisioning for user 65534, or "".
    std::string provision(mode_t mode_of_folder) {
        return in_child([&]() -> std::string {
            if (chmod(folder_.path().c_str(), mode_of_folder) != 0) return "no chmod";
            std::string trouble = drop_capability(CAP_FOWNER);
            if (!trouble.empty()) return trouble;
            rside_options options = plain_options(folder_.path(), spec_.get());
            options.owner = 65534;
            options.mode = 0620;
            rside_error error = {};
            return rside_segment_provision(&options, nullptr, 0, &error) == 0 ? "" : error.text;
        });
    }

    agent::TemporaryFolder folder_{"/dev/shm"};
    SchemaSpec spec_ = every_kind();
};

TEST_F(ProvisionWithoutFowner, GivesTheFileToItsOwner) {
    ASSERT_EQ(provision(0777), "");
    std::vector<std::string> names = files_in(folder_.path());
    ASSERT_EQ(names.size(), 1u);
    struct stat info;
    ASSERT_EQ(::stat((folder_ / names[0]).c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 65534u);
    EXPECT_EQ(info.st_mode & 07777, 0620u);
}

// The kernel lets it neither rename nor remove what belongs to another then. A temporary file once stayed behind.
TEST_F(ProvisionWithoutFowner, LeavesNothingUnderTheStickyBitAndSaysWhatIsMissing) {
    EXPECT_THAT(provision(03777), HasSubstr("CAP_FOWNER"));
    EXPECT_THAT(files_in(folder_.path()), IsEmpty());
}

TEST(SegmentProvision, RefusesAShortPathBufferAndLeavesNoFile) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    rside_options options = plain_options(folder.path(), spec.get());
    char path[8] = "intact";
    rside_error error = {};
    EXPECT_EQ(rside_segment_provision(&options, path, sizeof path, &error), -ENAMETOOLONG);
    EXPECT_STREQ(path, "intact");
    EXPECT_THAT(error.text, HasSubstr("path of vm-1"));
    EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

// The header promises strlen(directory) + 140 bytes to be enough for the longest names.
TEST(SegmentProvision, NeedsNoMoreThanThePromisedPathBytes) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    rside_options options = plain_options(folder.path(), spec.get());
    std::string vm_id(63, 'v');
    std::string component(31, 'c');
    options.vm_id = vm_id.c_str();
    options.component = component.c_str();
    std::vector<char> path(folder.path().size() + 140);
    rside_error error = {};
    EXPECT_EQ(rside_segment_provision(&options, path.data(), path.size(), &error), 0) << error.text;
    EXPECT_TRUE(std::filesystem::exists(path.data()));
}

TEST(SegmentCreate, RefusesBadNames) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    std::string too_long_id(64, 'v');
    std::string too_long_component(32, 'c');
    const struct {
        const char *vm_id, *component, *mention;
    } cases[] = {
        {nullptr, nullptr, "vm_id '(null)'"},
        {"", nullptr, "vm_id ''"},
        {"../x", nullptr, "vm_id '../x'"},
        {"a/b", nullptr, "vm_id 'a/b'"},
        {".hidden", nullptr, "vm_id '.hidden'"},
        {"-flag", nullptr, "vm_id '-flag'"},
        {"sp ace", nullptr, "vm_id 'sp ace'"},
        {"\xc3\xa9", nullptr, "vm_id"},
        {too_long_id.c_str(), nullptr, "1 to 63"},
        {"vm", "Upper", "component 'Upper'"},
        {"vm", "a.b", "component 'a.b'"},
        {"vm", "a/b", "component 'a/b'"},
        {"vm", too_long_component.c_str(), "at most 31"},
    };
    for (const auto& one : cases) {
        rside_options options = plain_options(folder.path(), spec.get());
        options.vm_id = one.vm_id;
        options.component = one.component;
        EXPECT_EQ(refusal(try_create(options), -EINVAL, one.mention), "");
    }
    EXPECT_EQ(rside_segment_create(nullptr, nullptr, nullptr), -EINVAL);
    EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

TEST(SegmentCreate, RefusesADirectoryThatIsMissing) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    std::string missing = folder / "missing";
    EXPECT_EQ(refusal(try_create(plain_options(missing, spec.get())), -ENOENT, missing), "");
    EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

TEST(SegmentCreate, RefusesADirectoryThatIsAFile) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    std::string file = folder / "file";
    std::ofstream(file) << "x";
    EXPECT_EQ(refusal(try_create(plain_options(file, spec.get())), -ENOTDIR, file), "");
}

// An empty name once stood for the root of the file system, which is a tmpfs in many containers.
TEST(SegmentCreate, RefusesADirectoryWithoutAName) {
    SchemaSpec spec = every_kind();
    EXPECT_EQ(refusal(try_create(plain_options("", spec.get())), -ENOENT, "directory"), "");
}

TEST(SegmentCreate, RefusesAPathThatIsTooLong) {
    SchemaSpec spec = every_kind();
    for (std::size_t size : {PATH_MAX - 60, PATH_MAX - 20, PATH_MAX + 100}) {
        std::string directory = "/dev/shm/" + std::string(size - 9, 'd');
        Attempt attempt = try_create(plain_options(directory, spec.get()));
        EXPECT_EQ(attempt.code, -ENAMETOOLONG) << attempt.error.text;
    }
}

TEST(SegmentCreate, RefusesADirectoryThatIsNotWritable) {
    agent::TemporaryFolder folder("/dev/shm");
    ASSERT_EQ(chmod(folder.path().c_str(), 0555), 0);
    SchemaSpec spec = every_kind();
    std::string said = in_child([&]() -> std::string {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return "cannot drop privileges";
        return refusal(try_create(plain_options(folder.path(), spec.get())), -EACCES, folder.path());
    });
    EXPECT_EQ(said, "");
    EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

// Zeroed options name user 0 and group 0 as owners: only provisioning gives files away, so a VMM of any user may
// leave the fields alone.
TEST(SegmentCreate, TakesZeroedOptionsFromAnyUser) {
    agent::TemporaryFolder folder("/dev/shm");
    ASSERT_EQ(chmod(folder.path().c_str(), 01777), 0);
    SchemaSpec spec = every_kind();
    std::string said = in_child([&]() -> std::string {
        if (geteuid() == 0 && (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)) {
            return "cannot drop privileges";
        }
        rside_options options = {};
        options.vm_id = "vm-1";
        options.directory = folder.path().c_str();
        options.schema = spec.get();
        Attempt attempt = try_create(options);
        return attempt.code == 0 ? "" : attempt.error.text;
    });
    EXPECT_EQ(said, "");
    EXPECT_EQ(files_in(folder.path()).size(), 1u);
}

TEST(SegmentCreate, RefusesAFileSystemOnDisk) {
    std::string on_disk;
    const char* build = std::getenv("RINGSIDE_BUILD_DIR");
    for (std::string candidate : {std::string(build ? build : "."), std::string("/var/tmp"), std::string("/")}) {
        struct statfs info;
        if (statfs(candidate.c_str(), &info) != 0 || access(candidate.c_str(), W_OK) != 0) continue;
        auto type = static_cast<unsigned long>(info.f_type);
        if (type == TMPFS_MAGIC || type == RAMFS_MAGIC) continue;
        on_disk = candidate;
        break;
    }
    if (on_disk.empty()) GTEST_SKIP() << "all of this machine's writable folders are in memory";
    agent::TemporaryFolder folder(on_disk);
    SchemaSpec spec = every_kind();
    EXPECT_EQ(refusal(try_create(plain_options(folder.path(), spec.get())), -EMEDIUMTYPE, "not on a tmpfs"), "");
    EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

// --- limits of the process and of the file system ---------------------------------------------------------------------

TEST(SegmentCreate, RefusesWhenTheFileSystemHasNoMoreFiles) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    EXPECT_EQ(in_child([&]() -> std::string {
                  std::string trouble = mount_private_tmpfs(folder.path(), "size=1m,nr_inodes=1");
                  if (!trouble.empty()) return trouble;
                  return refusal(try_create(plain_options(folder.path(), spec.get())), -ENOSPC, folder.path());
              }),
              "");
}

TEST(SegmentCreate, RefusesAFileSystemThatIsReadOnly) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    EXPECT_EQ(in_child([&]() -> std::string {
                  std::string trouble = mount_private_tmpfs(folder.path(), "size=1m", MS_RDONLY);
                  if (!trouble.empty()) return trouble;
                  return refusal(try_create(plain_options(folder.path(), spec.get())), -EROFS, folder.path());
              }),
              "");
}

TEST(SegmentCreate, RefusesWhenAddressSpaceEnds) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec("large");
    spec.tier(1, 100000).metric("gauge", RSIDE_GAUGE, 64);  // 280 MiB
    EXPECT_EQ(in_child([&]() -> std::string {
                  struct rlimit limit = {std::uint64_t{200} << 20, std::uint64_t{200} << 20};
                  if (setrlimit(RLIMIT_AS, &limit) != 0) return "cannot limit the address space";
                  return refusal(try_create(plain_options(folder.path(), spec.get())), -ENOMEM, folder.path());
              }),
              "");
    EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

// A launcher may limit the size of files (the Firecracker jailer has an option for it), and the kernel answers a file
// over the limit with SIGXFSZ, which ends the process.
TEST(SegmentCreate, RefusesWhenFilesMayNotBeThatLarge) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    EXPECT_EQ(in_child([&]() -> std::string {
                  struct rlimit limit = {4096, 4096};
                  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return "cannot limit the size of files";
                  return refusal(try_create(plain_options(folder.path(), spec.get())), -EFBIG, folder.path());
              }),
              "");
    EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

TEST(SegmentCreate, RefusesWhenDescriptorsEnd) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    EXPECT_EQ(in_child([&]() -> std::string {
                  struct rlimit limit = {3, 3};
                  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return "cannot limit descriptors";
                  return refusal(try_create(plain_options(folder.path(), spec.get())), -EMFILE, folder.path());
              }),
              "");
    EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

void ignore_alarm(int) {}

// A process with a fast timer once could not create a large segment: each signal cut the reservation short with EINTR.
TEST(SegmentCreate, ReservesThroughASteadyRainOfSignals) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec("large");
    spec.tier(1, 100000).metric("gauge", RSIDE_GAUGE, 16);  // 70 MiB
    EXPECT_EQ(in_child([&]() -> std::string {
                  struct sigaction action = {};
                  action.sa_handler = ignore_alarm;  // without SA_RESTART
                  sigaction(SIGALRM, &action, nullptr);
                  struct itimerval timer = {{0, 500}, {0, 500}};
                  setitimer(ITIMER_REAL, &timer, nullptr);
                  Attempt attempt = try_create(plain_options(folder.path(), spec.get()));
                  return attempt.code == 0 ? "" : attempt.error.text;
              }),
              "");
    EXPECT_EQ(files_in(folder.path()).size(), 1u);
}

}  // namespace
}  // namespace ringside
