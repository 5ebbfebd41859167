// The folder of one run on /dev/shm: segments and the peers' files. It goes with the process, also on Ctrl-C.
#pragma once

#include <sys/types.h>

#include <string>

namespace ringside::bench {

// Ends the program with `text` and removes the folder: a figure that is missing must not pass unseen.
[[noreturn]] void fail(const std::string& text);

class Scratch {
  public:
    // Once, in main, before any other thread exists: SIGINT, SIGTERM and SIGHUP are from then on awaited by a thread
    // that removes the folder and lets the signal end the process.
    Scratch();
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
};

// A child process, the first of a process group of its own, that may still write into the folder, or hold what lies there:
// whatever ends this program kills the group first.
// At most 16 at a time. `ended_before_scratch` when the caller has waited for it. One thread of the program calls them.
void end_before_scratch(pid_t child);
void ended_before_scratch(pid_t child);

// A new folder `name` in it, for one user of the folder.
std::string scratch_folder(const std::string& name);

}  // namespace ringside::bench
