// Every call to the kernel of create, provision, attach and close fails in turn, once with each errno that it may give.
//
// Each case runs in a process of its own, so that a crash is a failed case and the fork handlers are new every time.
// Whatever fails: the caller learns what and why, nothing is left in the folder, no descriptor, mapping or lock is kept,
// a fork is harmless, and the same call works when it is made again.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "tests/support/child.h"
#include "tests/support/faulty_libc.h"
#include "tests/unit/libwriter/writer.h"

namespace ringside {
namespace {

SchemaSpec small() {
    SchemaSpec spec("small");
    spec.tier(1, 4).tier(2, 4).metric("requests_total", RSIDE_COUNTER).metric("delay", RSIDE_GAUGE, 2, {"cpu"});
    return spec;
}

// A folder, in which a launcher has laid out a segment where the operation is to attach to one.
class World {
  public:
    explicit World(const std::string& folder, bool provisioned) : folder_(folder) {
        options_ = plain_options(folder_, spec_.get());
        if (!provisioned) return;
        char path[256] = {};
        rside_segment_provision(&options_, path, sizeof path, nullptr);
        path_ = path;
        fd_ = open(path, O_RDWR | O_CLOEXEC);
        bytes_ = plain::read_bytes(path_);
    }

    const std::string& folder() const { return folder_; }
    const rside_schema* schema() { return spec_.get(); }
    rside_options& options() { return options_; }
    int fd() const { return fd_; }
    // Of the descriptor, which has a part in the lock.
    void let_go() {
        if (fd_ >= 0) close(fd_);
        fd_ = -1;
    }
    // Of the segment that was laid out, or of what the operation made; "" when there is none.
    std::string path() const {
        if (!path_.empty()) return path_;
        std::vector<std::string> names = files_in(folder_);
        return names.size() == 1 ? folder_ + "/" + names[0] : "";
    }
    // "" when the folder is as it was before.
    std::string change() const {
        std::vector<std::string> names = files_in(folder_);
        if (path_.empty()) return names.empty() ? "" : names[0] + " was left behind";
        if (names.size() != 1) return "a file came or went";
        return plain::read_bytes(path_) == bytes_ ? "" : "the segment was changed";
    }

  private:
    std::string folder_;
    SchemaSpec spec_ = small();
    rside_options options_ = {};
    std::string path_;
    int fd_ = -1;
    std::vector<std::uint8_t> bytes_;
};

struct Attempt {
    int code = 0;
    rside_error error = {};
    rside_segment* segment = nullptr;
};

struct Operation {
    const char* name;
    bool attaches;
    std::uint32_t flags;
    std::function<void(World&, std::uint32_t flags, Attempt*)> run;
};

void PrintTo(const Operation& operation, std::ostream* out) { *out << operation.name; }

void create(World& world, std::uint32_t flags, Attempt* attempt) {
    world.options().flags = flags;
    attempt->code = rside_segment_create(&world.options(), &attempt->segment, &attempt->error);
}

void provision(World& world, std::uint32_t flags, Attempt* attempt) {
    world.options().flags = flags;
    world.options().owner = geteuid();
    world.options().group = getegid();
    attempt->code = rside_segment_provision(&world.options(), nullptr, 0, &attempt->error);
}

void attach(World& world, std::uint32_t flags, Attempt* attempt) {
    attempt->code = rside_segment_attach(world.path().c_str(), world.schema(), RSIDE_CLOCK_TICK, flags,
                                         &attempt->segment, &attempt->error);
}

void attach_fd(World& world, std::uint32_t flags, Attempt* attempt) {
    attempt->code = rside_segment_attach_fd(world.fd(), world.schema(), RSIDE_CLOCK_TICK, flags, &attempt->segment,
                                            &attempt->error);
}

const Operation kOperations[] = {
    {"Create", false, RSIDE_DEFAULT_FLAGS, create},       {"CreateWithoutFlags", false, 0, create},
    {"Provision", false, RSIDE_DEFAULT_FLAGS, provision}, {"ProvisionWithoutFlags", false, 0, provision},
    {"Attach", true, RSIDE_DEFAULT_FLAGS, attach},        {"AttachWithoutFlags", true, 0, attach},
    {"AttachFd", true, RSIDE_DEFAULT_FLAGS, attach_fd},   {"AttachFdWithoutFlags", true, 0, attach_fd},
};

// What the caller is to learn. No code: the operation gets over it.
struct Outcome {
    int code;
    std::string mention;
};

struct Fault {
    int error;
    Outcome outcome;
};

std::vector<Fault> refused(std::initializer_list<int> errors, const std::string& mention) {
    std::vector<Fault> faults;
    for (int error : errors) faults.push_back({error, {-error, mention}});
    return faults;
}

std::vector<Fault> survived(std::initializer_list<int> errors) {
    std::vector<Fault> faults;
    for (int error : errors) faults.push_back({error, {0, ""}});
    return faults;
}

std::vector<Fault> operator+(std::vector<Fault> a, const std::vector<Fault>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

// How a call can fail and what is to come of it. A call that is not listed has no business in set-up.
std::vector<Fault> faults_of(const std::string& call, const Operation& operation, const std::string& folder) {
    using faulty_libc::kShort;
    bool attaches = operation.attaches;
    if (call.starts_with("open /proc/")) return survived({ENOENT, EACCES, EMFILE, EINTR});  // the boot id is not known
    if (call == "read") return survived({EINTR, EIO, kShort});                              // nor here
    if (call == "close") return survived({EINTR, EIO});                                     // it is closed all the same
    if (call == "getrlimit") return refused({EPERM, ENOSYS}, "reserve");  // else SIGXFSZ might end the VM
    if (call.starts_with("open ")) {
        std::vector<Fault> faults =
            refused({EMFILE, ENFILE, ENOMEM, EPERM, EACCES, ENOENT, EROFS, ENXIO}, folder) + survived({EINTR});
        return faults + (attaches ? survived({EAGAIN}) : refused({ENOSPC, EDQUOT, EEXIST, ENOTDIR}, folder));
    }
    if (call == "getrandom") {
        return refused({ENOSYS, EPERM}, "random") + survived({EINTR}) + std::vector<Fault>{{kShort, {-EIO, "random"}}};
    }
    if (call == "fstatfs") return refused({EPERM, ENOMEM, ENOSYS, EIO}, folder);
    if (call == "fstat") return refused({EPERM, ENOMEM, EBADF}, attaches ? "" : folder);
    if (call == "fchown") return refused({EPERM, EINVAL, EDQUOT}, "owner");
    if (call == "fchmod") return refused({EPERM, EROFS}, "mode");
    if (call == "posix_fallocate") {
        return refused({ENOSPC, EDQUOT, EFBIG}, "no room") + refused({ENOMEM, EPERM, ENODEV}, "reserve") +
               survived({EINTR});
    }
    if (call == "mmap file") {
        std::vector<Fault> faults = refused({ENOMEM, EPERM, EAGAIN, ENFILE, ENODEV}, "map");
        if (attaches) faults.push_back({EACCES, {-EBADF, "reading and writing"}});
        return faults;
    }
    if (call == "mmap memory") return refused({ENOMEM}, "no memory");
    if (call == "fcntl") return refused({ENOLCK, EPERM, EINTR, EINVAL, ENOMEM}, "lock");
    if (call == "pthread_atfork") return refused({ENOMEM}, "fork");
    if (call == "madvise") return refused({EPERM, EINVAL, ENOMEM}, "fork");
    if (call == "renameat2") return refused({ENOSYS, EINVAL, EPERM, EEXIST, ENOSPC, ENOENT}, "rename");
    return {};
}

// What the process holds. The names tell which it was.
struct Holdings {
    int opened = faulty_libc::open_descriptors();
    int mapped = faulty_libc::live_mappings();
    std::size_t descriptors = files_in("/proc/self/fd").size();
};

std::string difference(const Holdings& before) {
    Holdings now;
    if (now.opened != before.opened || now.descriptors != before.descriptors) return "a descriptor leaked";
    return now.mapped == before.mapped ? "" : std::to_string(now.mapped - before.mapped) + " mappings leaked";
}

std::string lock_on(const std::string& path) {
    int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    int asked = fcntl(fd, F_OFD_GETLK, &lock);
    close(fd);
    return asked == 0 && lock.l_type == F_UNLCK ? "" : "a lock is held";
}

// The handler of the child runs over all segments that the library believes to be there.
std::string fork_once() {
    return in_child([]() -> std::string { return ""; });
}

// "" when the attempt made a segment that works and that closes without a trace.
std::string check_success(World& world, Attempt& attempt, const Holdings& before) {
    if (attempt.code != 0) return attempt.error.text;
    std::string path = world.path();
    if (path.empty()) return "no file, or several";
    std::string trouble;
    std::uint64_t expected = 0;
    if (attempt.segment) {
        rside_counter_add(rside_counter_register(attempt.segment, "requests_total", nullptr, 0, nullptr), 7);
        expected = 7;
        trouble = fork_once();
        rside_segment_close(attempt.segment, 0, nullptr);
    }
    if (trouble.empty()) trouble = difference(before);
    world.let_go();
    if (trouble.empty()) trouble = lock_on(path);
    if (!trouble.empty()) return trouble;
    plain::Segment read = plain::decode_file(path, &trouble);
    if (!trouble.empty()) return trouble;
    if (expected == 0) return read.state == 0 ? "" : "state " + std::to_string(read.state);
    const plain::Series* series = read.find("requests_total");
    return read.state == 2 && series && series->value == expected ? "" : "the record is not there";
}

std::string check_failure(World& world, const Attempt& attempt, const Outcome& outcome, const Holdings& before) {
    std::string said = attempt.error.text;
    if (attempt.code != outcome.code) return "code " + std::to_string(attempt.code) + ": " + said;
    if (attempt.error.code != outcome.code) return "error.code " + std::to_string(attempt.error.code);
    if (said.find(outcome.mention) == std::string::npos) return "no '" + outcome.mention + "' in: " + said;
    if (attempt.segment) return "a segment came out all the same";
    std::string trouble = world.change();
    if (trouble.empty()) trouble = difference(before);
    if (trouble.empty() && !world.path().empty()) trouble = lock_on(world.path());
    return trouble.empty() ? fork_once() : trouble;
}

std::string run_case(const Operation& operation, const std::string& folder, int at, const Fault& fault) {
    World world(folder, operation.attaches);
    Holdings before;
    Attempt attempt;
    faulty_libc::arm(at, fault.error);
    operation.run(world, operation.flags, &attempt);
    faulty_libc::disarm();
    if (fault.outcome.code == 0) return check_success(world, attempt, before);
    std::string trouble = check_failure(world, attempt, fault.outcome, before);
    if (!trouble.empty()) return trouble;
    Attempt again;
    operation.run(world, operation.flags, &again);
    trouble = check_success(world, again, before);
    return trouble.empty() ? "" : "made again: " + trouble;
}

// The calls of an operation that succeeds.
std::vector<std::string> calls_of(const Operation& operation) {
    agent::TemporaryFolder folder("/dev/shm");
    std::string lines = in_child([&]() -> std::string {
        World world(folder.path(), operation.attaches);
        Attempt attempt;
        faulty_libc::arm(0, 0);
        operation.run(world, operation.flags, &attempt);
        std::string all;
        for (const std::string& call : faulty_libc::disarm()) all += call + "\n";
        return all;
    });
    std::vector<std::string> calls;
    for (std::size_t at = 0, end; (end = lines.find('\n', at)) != std::string::npos; at = end + 1) {
        calls.push_back(lines.substr(at, end - at));
    }
    return calls;
}

class SetUp : public testing::TestWithParam<Operation> {};

TEST_P(SetUp, GetsOverEachFailureOrLeavesNothing) {
    const Operation& operation = GetParam();
    std::vector<std::string> calls = calls_of(operation);
    ASSERT_GE(calls.size(), 3u);
    int cases = 0;
    for (std::size_t k = 0; k < calls.size(); ++k) {
        if (calls[k] == "munmap") continue;  // see Close
        std::vector<Fault> faults = faults_of(calls[k], operation, "");
        EXPECT_FALSE(faults.empty()) << "set-up makes a call that this test does not know: " << calls[k];
        for (std::size_t f = 0; f < faults.size(); ++f, ++cases) {
            agent::TemporaryFolder folder("/dev/shm");
            Fault fault = faults_of(calls[k], operation, folder.path())[f];
            EXPECT_EQ(in_child([&] { return run_case(operation, folder.path(), static_cast<int>(k) + 1, fault); }), "")
                << "call " << k + 1 << ", " << calls[k] << ": error " << fault.error;
        }
    }
    RecordProperty("cases", cases);
}

INSTANTIATE_TEST_SUITE_P(Each, SetUp, testing::ValuesIn(kOperations),
                         [](const auto& one) { return std::string(one.param.name); });

// A munmap can fail where the kernel would have to split a mapping and may not. The memory stays; all else goes on.
TEST(Close, TellsTheReaderEvenWhenNothingCanBeUnmapped) {
    for (int at = 1; at <= 2; ++at) {
        agent::TemporaryFolder folder("/dev/shm");
        EXPECT_EQ(in_child([&]() -> std::string {
                      World world(folder.path(), false);
                      Attempt attempt;
                      create(world, RSIDE_DEFAULT_FLAGS, &attempt);
                      if (attempt.code != 0) return attempt.error.text;
                      faulty_libc::arm(at, ENOMEM);
                      rside_segment_close(attempt.segment, 3, "over");
                      std::vector<std::string> calls = faulty_libc::disarm();
                      if (calls != std::vector<std::string>{"munmap", "munmap"}) return "other calls than two munmap";
                      std::string trouble = fork_once();
                      if (!trouble.empty()) return trouble;
                      plain::Segment read = plain::decode_file(world.path(), &trouble);
                      return read.state == 2 && read.close_text == "over" ? trouble : "not closed";
                  }),
                  "");
    }
}

// Set-up calls with flags 0 are what a jail allows; the list is part of the contract.
TEST(Attach, MakesFourCallsWithoutFlags) {
    for (const Operation& operation : kOperations) {
        if (!operation.attaches || operation.flags != 0) continue;
        std::vector<std::string> names;
        for (const std::string& call : calls_of(operation)) names.push_back(call.substr(0, call.find(" /")));
        std::vector<std::string> promised = {"open", "fstat", "mmap file", "mmap memory", "close"};
        if (operation.name == std::string("AttachFdWithoutFlags")) {
            promised = {"fstat", "mmap file", "mmap memory"};
        }
        EXPECT_EQ(names, promised) << operation.name;
    }
}

}  // namespace
}  // namespace ringside
