#include "agent/witness/witnesses.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "agent/witness/oom_count.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

using test::ChildProcess;

enum class Access { kShared, kReadOnly, kPrivate, kNone };

// A process that holds a page of a file as a writer holds its segment, and ends as it is told.
class Vmm {
  public:
    Vmm(const std::string& path, Access access)
        : child_([path, access](const ChildProcess::Link& link) {
              const bool read_only = access == Access::kReadOnly;
              const int fd = ::open(path.c_str(), read_only ? O_RDONLY : O_RDWR);
              if (access != Access::kNone) {
                  ::mmap(nullptr, 4096, PROT_READ | (read_only ? 0 : PROT_WRITE),
                         access == Access::kPrivate ? MAP_PRIVATE : MAP_SHARED, fd, 0);
              }
              ::close(fd);
              link.say('r');
              const char letter = link.wait();
              rlimit no_core{};
              ::setrlimit(RLIMIT_CORE, &no_core);
              if (letter == 's') ::raise(SIGSEGV);
              ::_exit(letter);
          }) {
        EXPECT_EQ(child_.hear(), 'r');
    }
    std::uint32_t pid() const { return static_cast<std::uint32_t>(child_.pid()); }
    // Waits until it is a zombie, and leaves it one.
    void end(char letter) {
        child_.tell(letter);
        siginfo_t info;
        ::waitid(P_PID, static_cast<id_t>(child_.pid()), &info, WEXITED | WNOWAIT);
    }
    void reap() { child_.join(); }
    void kill() { child_.kill(); }

  private:
    ChildProcess child_;
};

// Whether this kernel tells of a process that its parent has waited for: from Linux 6.15 on.
bool kernel_remembers() {
    int major = 0, minor = 0;
    std::ifstream version("/proc/sys/kernel/osrelease");
    char dot = 0;
    version >> major >> dot >> minor;
    return major > 6 || (major == 6 && minor >= 15);
}

class WitnessesTest : public testing::Test {
  protected:
    WitnessesTest() { std::filesystem::resize_file(make("segment"), 4096); }

    std::string make(const std::string& name) {
        std::ofstream(folder / name) << "";
        return folder / name;
    }
    MappedFile segment(const std::string& name = "segment") {
        struct stat status {};
        EXPECT_EQ(::stat((folder / name).c_str(), &status), 0);
        return {status.st_dev, status.st_ino, status.st_uid};
    }
    std::string path() { return folder / "segment"; }
    Death death_of(Witnesses& witnesses, const std::string& key = "vm") {
        Death death{ExitCause::kNone, -1, -1};
        EXPECT_EQ(witnesses.ask(key, &death), Ending::kKnown);
        return death;
    }
    static std::size_t descriptors() {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
    }

    TemporaryFolder folder{"/dev/shm"};
    Witnesses real{Witnesses::Places{}};
};

TEST_F(WitnessesTest, TellTheSignalOfAZombieAndOfOneThatWasWaitedFor) {
    Vmm vmm(path(), Access::kShared);
    real.meet("vm", vmm.pid(), segment());
    vmm.end('s');
    EXPECT_EQ(death_of(real), (Death{ExitCause::kKilled, SIGSEGV, 0}));
    vmm.reap();
    EXPECT_EQ(death_of(real), (Death{ExitCause::kKilled, kernel_remembers() ? SIGSEGV : 0, 0}));
}

TEST_F(WitnessesTest, TellTheExitCode) {
    Vmm vmm(path(), Access::kShared);
    real.meet("vm", vmm.pid(), segment());
    vmm.end('\3');
    EXPECT_EQ(death_of(real), (Death{ExitCause::kExited, 0, 3}));
}

TEST_F(WitnessesTest, WaitForAProcessThatIsEndingAndKnowOneThatIsNot) {
    Vmm vmm(path(), Access::kShared);
    real.meet("vm", vmm.pid(), segment());
    Death death;
    for (unsigned i = 1; i < Witnesses::kPatience; ++i) EXPECT_EQ(real.ask("vm", &death), Ending::kNotYet);
    EXPECT_EQ(death_of(real), (Death{ExitCause::kUnknown, 0, 0}));
}

TEST_F(WitnessesTest, BelieveNoPidOfAProcessThatDoesNotWriteTheSegment) {
    std::filesystem::resize_file(make("other"), 4096);
    const MappedFile wanted = segment();
    const std::size_t before = descriptors();
    Vmm other(folder / "other", Access::kShared), reader(path(), Access::kReadOnly), copier(path(), Access::kPrivate),
        bystander(path(), Access::kNone);
    const std::size_t with_children = descriptors();
    for (std::uint32_t pid : {other.pid(), reader.pid(), copier.pid(), bystander.pid(),
                              static_cast<std::uint32_t>(::getpid()), 0u, 1u, 2u, UINT32_MAX, 0x7fffffffu}) {
        real.meet("vm", pid, wanted);
        EXPECT_TRUE(real.met("vm"));
        Death death;
        EXPECT_EQ(real.ask("vm", &death), Ending::kUnknown) << pid;
    }
    EXPECT_EQ(descriptors(), with_children);
    EXPECT_GT(with_children, before);
}

TEST_F(WitnessesTest, BelieveNoProcessOfAnotherUser) {
    Vmm vmm(path(), Access::kShared);
    MappedFile file = segment();
    file.uid += 1;
    real.meet("vm", vmm.pid(), file);
    Death death;
    EXPECT_EQ(real.ask("vm", &death), Ending::kUnknown);
}

// Files that look like the kernel's, of a process that is there.
class WitnessedProcess : public WitnessesTest {
  protected:
    void write(const std::string& name, const std::string& text) {
        const std::string of = folder / "proc/" + std::to_string(vmm.pid());
        std::filesystem::create_directories(of);
        std::ofstream(of + "/" + name) << text;
    }
    std::string place_of(const MappedFile& file) {
        char text[64];
        std::snprintf(text, sizeof text, " %02x:%02x %llu ", major(file.device), minor(file.device),
                      static_cast<unsigned long long>(file.inode));
        return text;
    }
    std::optional<Process> witnessed() { return Process::with_mapping(folder / "proc", vmm.pid(), segment()); }

    Vmm vmm{path(), Access::kShared};
};

TEST_F(WitnessedProcess, IsFoundBehindALongPathOfTheVmsChoiceInOneLook) {
    // Looking back from each of these to the begin of its line takes minutes.
    std::string path = "/";
    while (path.size() < 900'000) path += place_of(segment());
    const std::string uid = std::to_string(segment().uid);
    write("status", "Name:\tvmm\nUid:\t" + uid + "\t" + uid + "\t" + uid + "\t" + uid + "\n");
    write("maps", "7f00-7f10 rw-s 00000000 00:01 1 " + path + "\n");
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(witnessed());
    write("maps",
          "7f00-7f10 rw-s 00000000 00:01 1 " + path + "\n7f20-7f30 rw-s 00001000" + place_of(segment()) + " /vm\n");
    EXPECT_TRUE(witnessed());
}

TEST_F(WitnessedProcess, HasNoCgroupsWhenItsNumberMayBeAnothersByNow) {
    const std::string uid = std::to_string(segment().uid);
    write("status", "Name:\tvmm\nUid:\t" + uid + "\t" + uid + "\t" + uid + "\t" + uid + "\n");
    write("maps", "7f00-7f10 rw-s 00000000" + place_of(segment()) + " /vm\n");
    write("cgroup", "0::/of-another\n");
    const auto process = witnessed();
    ASSERT_TRUE(process);
    EXPECT_EQ(process->cgroups(), "0::/of-another\n");
    vmm.kill();
    EXPECT_EQ(process->cgroups(), "");
}

TEST_F(WitnessesTest, KeepNoMoreDescriptorsThanThereIsRoomFor) {
    Vmm vmm(path(), Access::kShared);
    const std::size_t before = descriptors();
    for (int i = 0; i < 5; ++i) real.meet("vm-" + std::to_string(i), vmm.pid(), segment());
    EXPECT_EQ(descriptors(), before + 5);
    real.set_room(2);
    EXPECT_EQ(descriptors(), before + 2);
    real.meet("vm-9", vmm.pid(), segment());
    EXPECT_EQ(descriptors(), before + 2);
    for (int i = 0; i < 5; ++i) real.forget("vm-" + std::to_string(i));
    EXPECT_EQ(descriptors(), before);
    real.meet("vm-9", vmm.pid(), segment());
    EXPECT_EQ(descriptors(), before + 1);
}

// Cgroups as files: one memory cgroup, which holds all the processes of the test.
class WitnessesOfOom : public WitnessesTest {
  protected:
    WitnessesOfOom() {
        std::ifstream own("/proc/self/cgroup");
        const std::string membership{std::istreambuf_iterator<char>(own), {}};
        counter = oom_count_file(folder / "cgroups", membership);
    }
    void set_count(std::uint64_t kills) {
        std::filesystem::create_directories(std::filesystem::path(counter).parent_path());
        std::ofstream(counter) << "oom 9\noom_kill " << kills << "\n";
    }
    void meet_and_kill(const std::string& key) {
        Vmm vmm(path(), Access::kShared);
        planted.meet(key, vmm.pid(), segment());
        vmm.kill();
    }

    std::string counter;
    Witnesses planted{{"/proc", folder / "cgroups"}};
};

TEST_F(WitnessesOfOom, CallItOutOfMemoryWhenTheCgroupHasCountedAKill) {
    set_count(4);
    Vmm vmm(path(), Access::kShared);
    planted.meet("vm", vmm.pid(), segment());
    set_count(5);
    vmm.kill();
    EXPECT_EQ(death_of(planted), (Death{ExitCause::kOom, kernel_remembers() ? SIGKILL : 0, 0}));
}

TEST_F(WitnessesOfOom, CallItKilledWhenTheCountWasThereBefore) {
    set_count(4);
    meet_and_kill("vm");
    EXPECT_EQ(death_of(planted).cause, ExitCause::kKilled);
}

TEST_F(WitnessesOfOom, CallItKilledWhenAnotherSignalEndedIt) {
    set_count(0);
    Vmm vmm(path(), Access::kShared);
    planted.meet("vm", vmm.pid(), segment());
    set_count(1);
    vmm.end('s');
    EXPECT_EQ(death_of(planted), (Death{ExitCause::kKilled, SIGSEGV, 0}));
}

TEST_F(WitnessesOfOom, ChargeEachKillOfACgroupToOneVm) {
    set_count(2);
    Vmm first(path(), Access::kShared), second(path(), Access::kShared), third(path(), Access::kShared);
    planted.meet("first", first.pid(), segment());
    planted.meet("second", second.pid(), segment());
    set_count(3);
    first.kill();
    EXPECT_EQ(death_of(planted, "first").cause, ExitCause::kOom);
    planted.forget("first");
    // One that is met now has that kill behind it, too.
    planted.meet("third", third.pid(), segment());
    second.kill();
    third.kill();
    EXPECT_EQ(death_of(planted, "second").cause, ExitCause::kKilled);
    EXPECT_EQ(death_of(planted, "third").cause, ExitCause::kKilled);
    set_count(4);
    EXPECT_EQ(death_of(planted, "third").cause, ExitCause::kOom);
}

TEST_F(WitnessesOfOom, CallItKilledWhenTheCgroupIsGone) {
    set_count(0);
    Vmm vmm(path(), Access::kShared);
    planted.meet("vm", vmm.pid(), segment());
    std::filesystem::remove(counter);
    vmm.kill();
    EXPECT_EQ(death_of(planted).cause, ExitCause::kKilled);
}

}  // namespace
}  // namespace ringside::agent
