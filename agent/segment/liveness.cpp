#include "agent/segment/liveness.h"

#include <fcntl.h>
#include <signal.h>

#include <cerrno>

namespace ringside::agent {

namespace {

Liveness probe_lock(int fd) {
    struct flock whole = {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(fd, F_OFD_GETLK, &whole) < 0) return {Life::kUnknown, Proof::kNone};
    if (whole.l_type != F_UNLCK) return {Life::kAlive, Proof::kLock};
    return {Life::kUnknown, Proof::kLock};
}

}  // namespace

const char* life_name(Life life) {
    switch (life) {
        case Life::kAlive: return "alive";
        case Life::kDead: return "dead";
        case Life::kWaiting: return "waiting";
        case Life::kUnknown: return "unknown";
    }
    return "unknown";
}

const char* proof_name(Proof proof) {
    switch (proof) {
        case Proof::kLease: return "lease";
        case Proof::kLock: return "lock";
        case Proof::kNone: return "none";
    }
    return "none";
}

Liveness probe_writer(int fd) {
    // A lease that is broken sends SIGIO, which ends a process that does not handle it. SIGURG is ignored by default.
    (void)::fcntl(fd, F_SETSIG, SIGURG);
    if (::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        (void)::fcntl(fd, F_SETLEASE, F_UNLCK);
        return {Life::kDead, Proof::kLease};
    }
    if (errno == EAGAIN) return {Life::kAlive, Proof::kLease};
    return probe_lock(fd);
}

}  // namespace ringside::agent
