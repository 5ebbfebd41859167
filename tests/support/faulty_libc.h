// The C library as the writer's set-up sees it, with one call in a row that fails.
//
// By the linker's --wrap (faulty_libc_dep) the calls of the test and of the static library come here; those of shared
// libraries do not. Not for several threads.
#pragma once

#include <string>
#include <vector>

namespace ringside::faulty_libc {

// In place of an errno: the call succeeds with one byte less than was asked for.
constexpr int kShort = -1;

// Counts calls from here on. Number `at`, from 1, fails with `error`; 0: none does. A close that fails has closed all the
// same, as Linux has it; a munmap that fails leaves the mapping.
void arm(int at, int error);
// Ends that, and names the calls that came, in order: "fchmod"; what is opened or mapped stands behind: "open PATH",
// "mmap file", "mmap memory".
std::vector<std::string> disarm();

// What was opened and mapped and not given back yet.
int open_descriptors();
int live_mappings();

}  // namespace ringside::faulty_libc
