#include "agent/base/caller.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>

namespace ringside::agent {
namespace {

bool contains(const std::vector<std::uint32_t>& ids, std::uint32_t id) {
    return std::ranges::find(ids, id) != ids.end();
}

bool any_of(const std::vector<std::uint32_t>& ids, const std::vector<std::uint32_t>& wanted) {
    return std::ranges::any_of(wanted, [&](std::uint32_t id) { return contains(ids, id); });
}

// The uid that the kernel shows for every uid without a number in our user namespace; absent where each has one.
std::optional<std::uint32_t> read_overflow_uid() {
    std::ifstream map("/proc/self/uid_map");
    std::uint64_t inside = 0;
    std::uint64_t outside = 0;
    std::uint64_t count = 0;
    const bool whole = (map >> inside >> outside >> count) && count == UINT32_MAX;
    if (whole) return std::nullopt;
    std::uint32_t uid = 65534;  // What the kernel uses unless told otherwise.
    std::ifstream("/proc/sys/kernel/overflowuid") >> uid;
    return uid;
}

Result<std::vector<std::uint32_t>> peer_groups(int socket_fd) {
    std::vector<gid_t> groups(32);
    for (;;) {
        auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) == 0) {
            groups.resize(bytes / sizeof(gid_t));
            return std::vector<std::uint32_t>(groups.begin(), groups.end());
        }
        // ERANGE says in `bytes` how much it takes.
        if (errno != ERANGE || bytes <= groups.size() * sizeof(gid_t)) {
            return errno_error(errno, "cannot read the groups of the peer");
        }
        groups.resize(bytes / sizeof(gid_t));
    }
}

}  // namespace

Result<PeerCredentials> peer_credentials(int socket_fd) {
    // A process stays in its user namespace for life (setns needs a single thread), so once is enough.
    static const std::optional<std::uint32_t> overflow_uid = read_overflow_uid();
    ucred credentials{};
    socklen_t bytes = sizeof credentials;
    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
        return errno_error(errno, "cannot read the credentials of the peer");
    }
    if (overflow_uid == credentials.uid) {
        return error(Code::kDenied, "the peer's uid has no number in the agent's user namespace");
    }
    auto groups = peer_groups(socket_fd);
    if (!groups) return groups.error();
    groups->push_back(credentials.gid);
    return PeerCredentials{credentials.uid, std::move(*groups), credentials.pid};
}

std::optional<Caller> AccessPolicy::judge(const PeerCredentials& peer) const {
    if (peer.uid == 0 || peer.uid == own_uid || contains(operator_uids, peer.uid) || any_of(operator_gids, peer.gids)) {
        return Caller{peer.uid, true};
    }
    if (any_tenant || contains(tenant_uids, peer.uid) || any_of(tenant_gids, peer.gids)) {
        return Caller{peer.uid, false};
    }
    return std::nullopt;
}

}  // namespace ringside::agent
