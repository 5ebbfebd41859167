// Whether anybody can still write to a segment. The kernel answers, not the VM: no PID, no heartbeat.
#pragma once

#include <cstdint>

namespace ringside::agent {

enum class Life : std::uint8_t {
    kAlive,
    kDead,
    kWaiting,  // provisioned: no writer has come yet
    kUnknown,  // the kernel would not say
};
const char* life_name(Life life);  // "alive", "dead", "waiting", "unknown"

enum class Proof : std::uint8_t {
    kLease,  // the kernel's count of writable openings and mappings
    kLock,   // the writer's OFD lock
    kNone,
};
const char* proof_name(Proof proof);  // "lease", "lock", "none"

struct Liveness {
    Life life = Life::kUnknown;
    Proof proof = Proof::kNone;
};

// Asks for a read lease on `fd` (opened read-only) and undoes it at once: it is refused while any process has the file open
// or mapped for writing, and no longer. Needs ownership of the file or CAP_LEASE. Where neither is given, looks for the OFD
// write lock that writers take by default: held means alive, but not held means unknown, as a writer may have been told not to
// lock. Never kWaiting. Two to four system calls, about a microsecond; while it runs, somebody who opens the file for
// writing gets EAGAIN (with O_NONBLOCK) or waits. No signal is left behind: should a lease be broken within that
// microsecond, the kernel sends SIGURG, which does nothing by default. Any thread, but one at a time per `fd`.
Liveness probe_writer(int fd);

}  // namespace ringside::agent
