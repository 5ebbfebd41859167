// A process of the test's own: runs a function, tells when it has got somewhere, and is gone at the end.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

namespace ringside::agent::test {

class ChildProcess {
  public:
    // `body` runs in the child, which ends with it; `say` sends the parent one letter, `wait` waits for one of the parent's.
    struct Link {
        int to_parent = -1;
        int from_parent = -1;
        void say(char letter) const { (void)!::write(to_parent, &letter, 1); }
        char wait() const {
            char letter = 0;
            return ::read(from_parent, &letter, 1) == 1 ? letter : '\0';
        }
    };

    explicit ChildProcess(const std::function<void(const Link&)>& body) {
        int up[2], down[2];
        if (::pipe(up) != 0 || ::pipe(down) != 0) ::abort();
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves nobody behind
            ::close(up[0]);
            ::close(down[1]);
            body(Link{up[1], down[0]});
            ::_exit(0);
        }
        ::close(up[1]);
        ::close(down[0]);
        from_child_ = up[0];
        to_child_ = down[1];
    }
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess() {
        kill();
        ::close(from_child_);
        ::close(to_child_);
    }

    pid_t pid() const { return pid_; }
    // The child's next letter; NUL when it has ended without one.
    char hear() const {
        char letter = 0;
        return ::read(from_child_, &letter, 1) == 1 ? letter : '\0';
    }
    void tell(char letter) const { (void)!::write(to_child_, &letter, 1); }

    // SIGKILL, and waits until it is gone.
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    // Waits for it to end by itself; its exit status.
    int join() {
        int status = -1;
        if (pid_ > 0) ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return status;
    }

  private:
    pid_t pid_ = -1;
    int from_child_ = -1;
    int to_child_ = -1;
};

}  // namespace ringside::agent::test
