// Which connection belongs to whom.
//
// gRPC tells a handler no more of its peer than "fd:N", the number of the descriptor it was given. So the number is the
// identity, and everything here is about a number never standing for two callers at once:
//
//  P1  Numbers come from a range of their own, far above those that open() and accept() hand out, and only adopt() gives
//      them. gRPC closes them.
//  P2  A number is given again only after the whole range had its turn and `rest` has passed since its connection was
//      seen closed. A call that outlives its connection would have to sleep through both to be taken for another's.
//  P3  find() answers only while the descriptor is the very socket that was adopted (its inode says so). A call whose
//      connection is gone gets no identity at all.
//  P4  At most `connections_max` are open, of which tenants have at most `tenant_connections_max`, and each tenant
//      `connections_per_tenant_max`: no tenant can lock out an operator.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "agent/base/caller.h"
#include "agent/base/result.h"

namespace ringside::agent {

struct PeerTableOptions {
    int first_fd = 4096;
    int fd_count = 16384;
    std::chrono::milliseconds rest{10'000};
    std::size_t connections_max = 256;
    std::size_t tenant_connections_max = 192;
    std::size_t connections_per_tenant_max = 16;
};

// Any thread.
class PeerTable {
  public:
    using Time = std::chrono::steady_clock::time_point;

    // Raises the process's soft limit of open files to the end of the range where the hard limit allows it, else takes
    // a range that fits. kExhausted when the limit leaves no room for one.
    static Result<PeerTableOptions> fit_to_limits(PeerTableOptions options);

    explicit PeerTable(const PeerTableOptions& options) : options_(options), next_fd_(options.first_fd) {}

    // Takes over `socket_fd` (in each case: on failure it is closed) and returns its new number, which the caller gives to
    // gRPC. kExhausted when P4 or P2 leave no room.
    Result<int> adopt(int socket_fd, const Caller& caller, Time now);

    // The caller behind what gRPC calls the peer, "fd:N".
    std::optional<Caller> find(std::string_view peer) const;

    // Notes which connections are gone. Every second or so.
    void sweep(Time now);

    // Shuts every connection down, so that gRPC closes it. Calls on them are cancelled.
    void shutdown_all();

    std::size_t connections() const;  // as of the newest sweep
    std::size_t tenant_connections() const;

  private:
    struct Peer {
        Caller caller;
        ino_t inode = 0;  // of the socket
        bool open = true;
        Time closed_at;
    };

    bool is_same_socket(int fd, const Peer& peer) const;
    Result<void> check_room(const Caller& caller) const;
    Result<int> move_to_range(int socket_fd, Time now);
    void sweep_locked(Time now);

    const PeerTableOptions options_;
    mutable std::mutex mutex_;                      // guards all below
    std::unordered_map<int, Peer> peers_;           // by descriptor; an entry stays until its number is given again
    std::map<std::uint32_t, std::size_t> tenants_;  // open connections of each
    std::size_t open_ = 0;
    std::size_t tenant_open_ = 0;
    int next_fd_;
};

}  // namespace ringside::agent
