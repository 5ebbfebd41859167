// Attaching: by path and by descriptor, and what is refused with the file as it was.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

#include "tests/support/child.h"
#include "tests/support/sanitizer.h"
#include "tests/support/system_call_filter.h"
#include "writer.h"

namespace ringside {
namespace {

using testing::HasSubstr;

SchemaSpec small() {
    SchemaSpec spec("small");
    spec.tier(1, 4).tier(2, 4).metric("requests_total", RSIDE_COUNTER).metric("delay", RSIDE_GAUGE, 2, {"cpu"});
    return spec;
}

class Fd {
  public:
    explicit Fd(int fd) : fd_(fd) {}
    ~Fd() {
        if (fd_ >= 0) close(fd_);
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    operator int() const { return fd_; }

  private:
    int fd_;
};

class Attach : public testing::Test {
  protected:
    Attach() : folder_("/dev/shm"), spec_(small()) {
        rside_options options = plain_options(folder_.path(), spec_.get());
        char path[256];
        rside_error error = {};
        EXPECT_EQ(rside_segment_provision(&options, path, sizeof path, &error), 0) << error.text;
        path_ = path;
    }

    std::vector<std::uint8_t> bytes() const { return plain::read_bytes(path_); }
    void write_bytes(const std::vector<std::uint8_t>& bytes) const {
        std::ofstream file(path_, std::ios::binary | std::ios::trunc);
        file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    // One changed field; the checksum is made right again where `seal` says so.
    template <typename Number>
    void patch(std::size_t at, Number value, bool seal) const {
        std::vector<std::uint8_t> all = bytes();
        std::memcpy(all.data() + at, &value, sizeof value);
        auto* header = reinterpret_cast<rside_header*>(all.data());
        if (seal) {
            std::uint32_t checksum = rside_crc32c(0, all.data(), offsetof(rside_header, checksum));
            header->checksum = rside_crc32c(checksum, all.data() + RSIDE_HEADER_BYTES, header->schema_bytes);
        }
        write_bytes(all);
    }

    // "" when attaching by path and by descriptor fails as told, and leaves the file as it was.
    std::string refusal(int code, const std::string& mention, const rside_schema* schema = nullptr) const {
        std::vector<std::uint8_t> before = bytes();
        rside_error error = {};
        rside_segment* segment = nullptr;
        int got = rside_segment_attach(path_.c_str(), schema, RSIDE_CLOCK_TICK, 0, &segment, &error);
        std::string said = verdict(got, segment, error, code, mention);
        if (said.empty() && std::string(error.text).find(path_) == std::string::npos)
            said = "no path in: " + text(error);
        if (!said.empty()) return "by path: " + said;
        Fd fd(open(path_.c_str(), O_RDWR | O_CLOEXEC));
        got = rside_segment_attach_fd(fd, schema, RSIDE_CLOCK_TICK, 0, &segment, &error);
        said = verdict(got, segment, error, code, mention);
        if (!said.empty()) return "by descriptor: " + said;
        return bytes() == before ? "" : "the file changed";
    }
    static std::string refusal_of(int fd, int code, const std::string& mention) {
        rside_error error = {};
        rside_segment* segment = nullptr;
        int got = rside_segment_attach_fd(fd, nullptr, RSIDE_CLOCK_TICK, 0, &segment, &error);
        std::string said = verdict(got, segment, error, code, mention);
        std::string name = "descriptor " + std::to_string(fd);
        if (said.empty() && text(error).find(name) == std::string::npos) return "no '" + name + "' in: " + text(error);
        return said;
    }
    static std::string refusal_at(const std::string& path, int code, const std::string& mention) {
        rside_error error = {};
        rside_segment* segment = nullptr;
        int got = rside_segment_attach(path.c_str(), nullptr, RSIDE_CLOCK_TICK, 0, &segment, &error);
        return verdict(got, segment, error, code, mention);
    }
    static std::string text(const rside_error& error) { return error.text; }
    static std::string verdict(int got, rside_segment* segment, const rside_error& error, int code,
                               const std::string& mention) {
        if (got != code || error.code != code) return "code " + std::to_string(got) + ": " + error.text;
        if (segment) return "a segment came out all the same";
        if (text(error).find(mention) == std::string::npos) return "no '" + mention + "' in: " + error.text;
        return "";
    }

    agent::TemporaryFolder folder_;
    SchemaSpec spec_;
    std::string path_;
};

TEST_F(Attach, TakesAProvisionedSegmentByPath) {
    rside_segment* segment = nullptr;
    rside_error error = {};
    ASSERT_EQ(rside_segment_attach(path_.c_str(), spec_.get(), RSIDE_CLOCK_TICK, 0, &segment, &error), 0) << error.text;
    EXPECT_STREQ(rside_segment_path(segment), path_.c_str());
    EXPECT_STREQ(rside_segment_vm_id(segment), "vm-1");
    rside_counter_add(rside_counter_register(segment, "requests_total", nullptr, 0, nullptr), 7);
    std::string contradiction;
    plain::Segment read = plain::decode_file(path_, &contradiction);
    ASSERT_EQ(contradiction, "");
    EXPECT_EQ(read.state, 1u);
    EXPECT_EQ(read.find("requests_total")->value, 7u);
    EXPECT_EQ(read.writer_pid, 0u) << "without flags not even the process id is asked for";
    rside_segment_close(segment, 0, nullptr);
}

TEST_F(Attach, TakesAProvisionedSegmentByDescriptorWhichTheCallerMayClose) {
    rside_segment* segment = nullptr;
    rside_error error = {};
    {
        Fd fd(open(path_.c_str(), O_RDWR | O_CLOEXEC));
        ASSERT_EQ(rside_segment_attach_fd(fd, nullptr, RSIDE_CLOCK_COARSE, RSIDE_DEFAULT_FLAGS, &segment, &error), 0)
            << error.text;
        EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC) << "the descriptor is the caller's";
    }
    EXPECT_STREQ(rside_segment_path(segment), "");
    rside_counter_add(rside_counter_register(segment, "requests_total", nullptr, 0, nullptr), 7);
    std::string contradiction;
    plain::Segment read = plain::decode_file(path_, &contradiction);
    EXPECT_EQ(read.find("requests_total")->value, 7u);
    EXPECT_EQ(read.clock_mode, 0u);
    EXPECT_EQ(read.writer_pid, static_cast<std::uint32_t>(getpid()));
    rside_segment_close(segment, 0, nullptr);
}

TEST_F(Attach, TakesACopyInAMemfd) {
    std::vector<std::uint8_t> all = bytes();
    Fd fd(memfd_create("segment", MFD_CLOEXEC));
    ASSERT_EQ(write(fd, all.data(), all.size()), static_cast<ssize_t>(all.size()));
    rside_segment* segment = nullptr;
    rside_error error = {};
    ASSERT_EQ(rside_segment_attach_fd(fd, spec_.get(), RSIDE_CLOCK_TICK, 0, &segment, &error), 0) << error.text;
    rside_segment_close(segment, 0, nullptr);
}

TEST_F(Attach, RefusesASecondWriterWhileTheFirstRecords) {
    rside_segment* first = nullptr;
    ASSERT_EQ(rside_segment_attach(path_.c_str(), nullptr, RSIDE_CLOCK_TICK, 0, &first, nullptr), 0);
    EXPECT_EQ(refusal(-EBUSY, "a writer is or was attached"), "");
    rside_segment_close(first, 0, nullptr);
}

TEST_F(Attach, RefusesASecondWriterAfterTheFirstClosed) {
    rside_segment* first = nullptr;
    ASSERT_EQ(rside_segment_attach(path_.c_str(), nullptr, RSIDE_CLOCK_TICK, 0, &first, nullptr), 0);
    rside_segment_close(first, 0, nullptr);
    EXPECT_EQ(refusal(-EBUSY, "provision a new segment"), "");
}

TEST_F(Attach, RefusesASecondWriterAfterTheFirstWasKilled) {
    EXPECT_EQ(in_child([&]() -> std::string {
                  rside_segment* first = nullptr;
                  int code = rside_segment_attach(path_.c_str(), nullptr, RSIDE_CLOCK_TICK, 0, &first, nullptr);
                  return code == 0 ? "" : "cannot attach";  // and dies without a close
              }),
              "");
    EXPECT_EQ(refusal(-EBUSY, "a writer is or was attached"), "");
}

TEST_F(Attach, RefusesASecondWriterOnACreatedSegment) {
    Writer writer(small());
    EXPECT_EQ(refusal_at(writer.path(), -EBUSY, writer.path()), "");
}

TEST_F(Attach, LetsOneOfManyRacersWin) {
    constexpr int kRacers = 8;
    int gate[2];
    ASSERT_EQ(pipe(gate), 0);
    std::vector<pid_t> racers;
    for (int i = 0; i < kRacers; ++i) {
        pid_t racer = fork();
        if (racer == 0) {
            close(gate[1]);
            char byte;
            (void)!read(gate[0], &byte, 1);  // until the parent closes its end
            rside_segment* segment = nullptr;
            _exit(rside_segment_attach(path_.c_str(), nullptr, RSIDE_CLOCK_TICK, 0, &segment, nullptr) == 0);
        }
        racers.push_back(racer);
    }
    close(gate[0]);
    close(gate[1]);
    int winners = 0;
    for (pid_t racer : racers) {
        int status = 0;
        waitpid(racer, &status, 0);
        winners += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    }
    EXPECT_EQ(winners, 1);
}

TEST_F(Attach, RefusesAnotherFormatVersion) {
    patch(offsetof(rside_header, format_version), std::uint32_t{2}, true);
    EXPECT_EQ(refusal(-EPROTONOSUPPORT, "format version 2"), "");
}

TEST_F(Attach, RefusesAnotherSchema) {
    SchemaSpec other = small().version(2);
    EXPECT_EQ(refusal(-ESTALE, "another schema", other.get()), "");
}

TEST_F(Attach, RefusesABrokenSchema) {
    SchemaSpec broken("broken");
    std::vector<std::uint8_t> before = bytes();
    rside_error error = {};
    rside_segment* segment = nullptr;
    EXPECT_EQ(rside_segment_attach(path_.c_str(), broken.get(), RSIDE_CLOCK_TICK, 0, &segment, &error), -EINVAL);
    EXPECT_THAT(error.text, HasSubstr("tiers"));
    EXPECT_EQ(segment, nullptr);
    EXPECT_EQ(bytes(), before);
}

TEST_F(Attach, RefusesEachFlippedByteOfWhatNeverChanges) {
    std::vector<std::uint8_t> good = bytes();
    const auto* header = reinterpret_cast<const rside_header*>(good.data());
    std::size_t schema_end = RSIDE_HEADER_BYTES + header->schema_bytes;
    for (std::size_t at = 0; at < schema_end;
         at = at == offsetof(rside_header, state) - 1 ? RSIDE_HEADER_BYTES : at + 1) {
        std::vector<std::uint8_t> bad = good;
        bad[at] ^= 0x10;
        write_bytes(bad);
        rside_segment* segment = nullptr;
        ASSERT_LT(rside_segment_attach(path_.c_str(), nullptr, RSIDE_CLOCK_TICK, 0, &segment, nullptr), 0)
            << "byte " << at;
        ASSERT_EQ(segment, nullptr);
    }
    EXPECT_EQ(bytes().size(), good.size());
}

TEST_F(Attach, RefusesACutOrGrownFile) {
    std::vector<std::uint8_t> good = bytes();
    std::vector<std::uint8_t> bad = good;
    bad.resize(good.size() - 4096);
    write_bytes(bad);
    EXPECT_EQ(refusal(-EUCLEAN, "sizes"), "");
    bad.resize(good.size() + 4096);
    write_bytes(bad);
    EXPECT_EQ(refusal(-EUCLEAN, "sizes"), "");
    for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4095}}) {
        bad.resize(size);
        write_bytes(bad);
        EXPECT_EQ(refusal(-EINVAL, "size"), "");
    }
}

// A count that the checksum vouches for, but that gives another size.
TEST_F(Attach, RefusesASchemaThatDoesNotFitTheFile) {
    std::size_t metrics_at = RSIDE_HEADER_BYTES + sizeof(rside_schema_block) + 2 * sizeof(rside_tier_record);
    patch(metrics_at + offsetof(rside_metric_record, max_series), std::uint32_t{1000}, true);
    EXPECT_EQ(refusal(-EUCLEAN, "schema does not match"), "");
}

TEST_F(Attach, RefusesASchemaWithCountsWithoutEnd) {
    for (std::size_t field :
         {offsetof(rside_schema_block, tier_count), offsetof(rside_schema_block, metric_count),
          offsetof(rside_schema_block, strings_bytes), offsetof(rside_schema_block, label_arena_bytes)}) {
        std::vector<std::uint8_t> good = bytes();
        patch(RSIDE_HEADER_BYTES + field, std::uint32_t{0xffffffff}, true);
        EXPECT_EQ(refusal(-EUCLEAN, ""), "") << "field at " << field;
        write_bytes(good);
    }
}

TEST_F(Attach, RefusesASchemaLengthBehindTheFile) {
    for (std::uint64_t length : {std::uint64_t{0}, bytes().size() - 4095, ~std::uint64_t{0}}) {
        std::vector<std::uint8_t> good = bytes();
        patch(offsetof(rside_header, schema_bytes), length, false);
        EXPECT_EQ(refusal(-EUCLEAN, "sizes"), "") << length;
        write_bytes(good);
    }
}

// A sparse copy (cp --sparse, a restore) has the right bytes, and a SIGBUS in store for the day the tmpfs is full.
TEST_F(Attach, RefusesAFileWithHoles) {
    Fd fd(open(path_.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(bytes().size()) - 4096, 4096), 0);
    EXPECT_EQ(refusal(-EUCLEAN, "holes"), "");
}

TEST_F(Attach, RefusesDescriptorsOfTheWrongKind) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    EXPECT_EQ(refusal_of(ends[0], -EINVAL, "not a regular file"), "");
    close(ends[0]);
    close(ends[1]);
    EXPECT_EQ(refusal_of(ends[0], -EBADF, "not an open descriptor"), "") << "closed";
    EXPECT_EQ(refusal_of(-1, -EBADF, "not an open descriptor"), "");
    EXPECT_EQ(refusal_of(Fd(open(folder_.path().c_str(), O_RDONLY | O_DIRECTORY)), -EINVAL, "not a regular file"), "");
    EXPECT_EQ(refusal_of(Fd(open("/dev/null", O_RDWR)), -EINVAL, "not a regular file"), "");
    EXPECT_EQ(refusal_of(Fd(socket(AF_UNIX, SOCK_STREAM, 0)), -EINVAL, "not a regular file"), "");
    EXPECT_EQ(refusal_of(Fd(open(path_.c_str(), O_RDONLY)), -EBADF, "reading and writing"), "");
    EXPECT_EQ(refusal_of(Fd(open(path_.c_str(), O_WRONLY)), -EBADF, "reading and writing"), "");
    EXPECT_EQ(refusal_of(Fd(open(path_.c_str(), O_PATH)), -EBADF, "reading and writing"), "");
}

TEST_F(Attach, RefusesMemfdsThatAreNoSegments) {
    Fd empty(memfd_create("empty", MFD_CLOEXEC));
    EXPECT_EQ(refusal_of(empty, -EINVAL, "size"), "");
    Fd zeros(memfd_create("zeros", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(zeros, 65536), 0);
    ASSERT_EQ(posix_fallocate(zeros, 0, 65536), 0);
    EXPECT_EQ(refusal_of(zeros, -EINVAL, "not a Ringside segment"), "");
    Fd page(memfd_create("page", MFD_CLOEXEC));  // just the header's length
    ASSERT_EQ(posix_fallocate(page, 0, 4096), 0);
    EXPECT_EQ(refusal_of(page, -EINVAL, "not a Ringside segment"), "");
    Fd huge(memfd_create("huge", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(huge, off_t{1} << 50), 0);
    EXPECT_EQ(refusal_of(huge, -EINVAL, "size"), "");
}

TEST_F(Attach, RefusesPathsOfTheWrongKind) {
    EXPECT_EQ(refusal_at("", -ENOENT, "no path"), "");
    EXPECT_EQ(refusal_at(folder_ / "missing", -ENOENT, folder_ / "missing"), "");
    EXPECT_EQ(refusal_at(folder_.path(), -EISDIR, folder_.path()), "");
    EXPECT_EQ(refusal_at(std::string(5000, 'p'), -ENAMETOOLONG, "path"), "");
    ASSERT_EQ(symlink(path_.c_str(), (folder_ / "link").c_str()), 0);
    EXPECT_EQ(refusal_at(folder_ / "link", -ELOOP, folder_ / "link"), "");
    ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
    EXPECT_EQ(refusal_at(folder_ / "fifo", -EINVAL, "not a regular file"), "");
    rside_segment* segment = nullptr;
    EXPECT_EQ(rside_segment_attach(nullptr, nullptr, RSIDE_CLOCK_TICK, 0, &segment, nullptr), -ENOENT);
}

TEST_F(Attach, RefusesAFileOfAnotherUser) {
    EXPECT_EQ(in_child([&]() -> std::string {
                  bool root = geteuid() == 0;
                  if (root && setresuid(65534, 65534, 65534) != 0) return "cannot drop privileges";
                  if (!root && chmod(path_.c_str(), 0) != 0) return "cannot shut the file";
                  return refusal_at(path_, -EACCES, path_);
              }),
              "");
}

// In place of a jail: any system call but those that the header names ends the child.
bool forbid_all_but_attach() {
    std::vector<long> allowed = {SYS_openat, SYS_fstat, SYS_newfstatat, SYS_mmap, SYS_close, SYS_write, SYS_exit_group};
#ifdef SYS_open
    allowed.push_back(SYS_open);
#endif
    return filter_system_calls(allowed, SECCOMP_RET_KILL_PROCESS);
}

// A schema to compare with was once laid out in memory of its own, and munmap is not on the list.
TEST_F(Attach, MakesOnlyThePromisedSystemCalls) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    const rside_schema* schema = spec_.get();
    EXPECT_EQ(in_child([&]() -> std::string {
                  if (!forbid_all_but_attach()) return std::string("no filter: ") + std::strerror(errno);
                  rside_segment* segment = nullptr;
                  rside_error error = {};
                  int code = rside_segment_attach(path_.c_str(), schema, RSIDE_CLOCK_COARSE, 0, &segment, &error);
                  if (code != 0) return error.text;
                  rside_counter counter = rside_counter_register(segment, "requests_total", nullptr, 0, &error);
                  if (!counter.series.cell) return error.text;
                  rside_counter_add(counter, 7);
                  return "";
              }),
              "");
    std::string contradiction;
    plain::Segment read = plain::decode_file(path_, &contradiction);
    ASSERT_TRUE(read.find("requests_total"));
    EXPECT_EQ(read.find("requests_total")->value, 7u);
}

// The agent's probe holds a read lease for about a microsecond; here it is held for good.
TEST_F(Attach, SaysTryAgainWhileALeaseIsHeldAndNeverWaits) {
    ASSERT_NE(signal(SIGIO, SIG_IGN), SIG_ERR);  // how the kernel tells the holder of a lease
    {
        Fd agent(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
        ASSERT_EQ(fcntl(agent, F_SETLEASE, F_RDLCK), 0);
        std::vector<std::uint8_t> before = bytes();
        EXPECT_EQ(refusal_at(path_, -EAGAIN, path_), "");
        EXPECT_EQ(bytes(), before);
        ASSERT_EQ(fcntl(agent, F_SETLEASE, F_UNLCK), 0);
    }
    rside_segment* segment = nullptr;
    rside_error error = {};
    EXPECT_EQ(rside_segment_attach(path_.c_str(), nullptr, RSIDE_CLOCK_TICK, 0, &segment, &error), 0) << error.text;
    rside_segment_close(segment, 0, nullptr);
    (void)signal(SIGIO, SIG_DFL);
}

}  // namespace
}  // namespace ringside
