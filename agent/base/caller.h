// Who calls, and what a caller may do.
//
// A connection is one identity: that of the process that called connect(), as the kernel vouches for it (SO_PEERCRED).
// Root, the agent's own uid and the configured operators see and do everything. Any other uid that may connect at all is
// a tenant: it sees the VMs whose segment it owns and may not admit, release or drain.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agent/base/model.h"
#include "agent/base/result.h"

namespace ringside::agent {

struct Caller {
    std::uint32_t uid = 0;
    bool is_operator = false;

    bool may_see(std::uint32_t owner_uid) const { return is_operator || owner_uid == uid; }
};

// What the kernel says of the other end of a connected Unix socket.
struct PeerCredentials {
    std::uint32_t uid = 0;
    std::vector<std::uint32_t> gids;  // primary and supplementary
    std::int32_t pid = 0;             // a hint for the log
};

// kDenied for a peer from another user namespace whose uid has no number here: all such peers would look like one.
Result<PeerCredentials> peer_credentials(int socket_fd);

struct AccessPolicy {
    std::uint32_t own_uid = 0;  // of the agent
    std::vector<std::uint32_t> operator_uids;
    std::vector<std::uint32_t> operator_gids;
    // Who else may connect. The mode and group of the socket's file are a second, earlier gate.
    bool any_tenant = true;
    std::vector<std::uint32_t> tenant_uids;
    std::vector<std::uint32_t> tenant_gids;

    // Absent: this peer may not connect.
    std::optional<Caller> judge(const PeerCredentials& peer) const;
};

}  // namespace ringside::agent
