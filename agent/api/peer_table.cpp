#include "agent/api/peer_table.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string>

namespace ringside::agent {
namespace {

constexpr rlim_t kFewestNumbers = 128;

std::optional<int> number_of(std::string_view peer) {
    constexpr std::string_view kPrefix = "fd:";
    if (!peer.starts_with(kPrefix)) return std::nullopt;
    peer.remove_prefix(kPrefix.size());
    int number = -1;
    const auto [end, failed] = std::from_chars(peer.data(), peer.data() + peer.size(), number);
    if (failed != std::errc{} || end != peer.data() + peer.size()) return std::nullopt;
    return number;
}

}  // namespace

Result<PeerTableOptions> PeerTable::fit_to_limits(PeerTableOptions options) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno_error(errno, "cannot read the limit of open files");
    const auto wanted = static_cast<rlim_t>(options.first_fd + options.fd_count);
    if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
        rlimit raised = limit;
        raised.rlim_cur = std::min(wanted, limit.rlim_max);
        // A failure leaves the old limit, which is dealt with next.
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    if (limit.rlim_cur >= wanted) return options;
    // The upper half: the lower one is for everything else that the agent opens.
    const rlim_t count = limit.rlim_cur / 2;
    if (count < kFewestNumbers) {
        return error(Code::kExhausted, "the limit of open files is " + std::to_string(limit.rlim_cur) +
                                           "; raise it (ulimit -n, LimitNOFILE=) to at least " +
                                           std::to_string(2 * kFewestNumbers));
    }
    options.fd_count = static_cast<int>(count);
    options.first_fd = static_cast<int>(limit.rlim_cur - count);
    return options;
}

Result<int> PeerTable::adopt(int socket_fd, const Caller& caller, Time now) {
    struct stat status {};
    Result<int> adopted = [&]() -> Result<int> {
        if (fstat(socket_fd, &status) != 0) return errno_error(errno, "cannot look at the accepted socket");
        const std::lock_guard lock(mutex_);
        auto room = check_room(caller);
        if (!room) {
            sweep_locked(now);
            room = check_room(caller);
        }
        if (!room) return room.error();
        auto number = move_to_range(socket_fd, now);
        if (!number) return number.error();
        peers_.insert_or_assign(*number, Peer{caller, status.st_ino, true, {}});
        ++open_;
        if (!caller.is_operator) {
            ++tenant_open_;
            ++tenants_[caller.uid];
        }
        return *number;
    }();
    close(socket_fd);
    return adopted;
}

Result<void> PeerTable::check_room(const Caller& caller) const {
    const auto full = [](const std::string& what, std::size_t limit) {
        return error(Code::kExhausted, what + " has all of its " + std::to_string(limit) + " connections");
    };
    if (open_ >= options_.connections_max) return full("the agent", options_.connections_max);
    if (caller.is_operator) return {};
    if (tenant_open_ >= options_.tenant_connections_max) {
        return full("everyone who is not an operator together", options_.tenant_connections_max);
    }
    const auto own = tenants_.find(caller.uid);
    if (own != tenants_.end() && own->second >= options_.connections_per_tenant_max) {
        return full("uid " + std::to_string(caller.uid), options_.connections_per_tenant_max);
    }
    return {};
}

// One try a number, in turn, so that the number given longest ago comes next (P2).
Result<int> PeerTable::move_to_range(int socket_fd, Time now) {
    for (int tries = 0; tries < options_.fd_count; ++tries) {
        const int wanted = next_fd_;
        next_fd_ = wanted + 1 < options_.first_fd + options_.fd_count ? wanted + 1 : options_.first_fd;
        const auto known = peers_.find(wanted);
        if (known != peers_.end()) {
            if (known->second.open) continue;
            // The numbers after it were closed later or hardly earlier.
            if (now - known->second.closed_at < options_.rest) break;
        }
        const int number = fcntl(socket_fd, F_DUPFD_CLOEXEC, wanted);
        if (number < 0) return errno_error(errno, "cannot give the connection a number of its own");
        if (number == wanted) return number;
        close(number);  // Somebody else has `wanted`.
    }
    return error(Code::kExhausted, "connections come faster than their numbers may be used again");
}

std::optional<Caller> PeerTable::find(std::string_view peer) const {
    const auto number = number_of(peer);
    if (!number) return std::nullopt;
    const std::lock_guard lock(mutex_);
    const auto found = peers_.find(*number);
    if (found == peers_.end() || !found->second.open || !is_same_socket(*number, found->second)) return std::nullopt;
    return found->second.caller;
}

bool PeerTable::is_same_socket(int fd, const Peer& peer) const {
    struct stat status {};
    return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_ino == peer.inode;
}

void PeerTable::sweep(Time now) {
    const std::lock_guard lock(mutex_);
    sweep_locked(now);
}

void PeerTable::sweep_locked(Time now) {
    for (auto& [fd, peer] : peers_) {
        if (!peer.open || is_same_socket(fd, peer)) continue;
        peer.open = false;
        peer.closed_at = now;
        --open_;
        if (peer.caller.is_operator) continue;
        --tenant_open_;
        if (--tenants_[peer.caller.uid] == 0) tenants_.erase(peer.caller.uid);
    }
}

void PeerTable::shutdown_all() {
    const std::lock_guard lock(mutex_);
    for (const auto& [fd, peer] : peers_) {
        if (peer.open && is_same_socket(fd, peer)) shutdown(fd, SHUT_RDWR);
    }
}

std::size_t PeerTable::connections() const {
    const std::lock_guard lock(mutex_);
    return open_;
}

std::size_t PeerTable::tenant_connections() const {
    const std::lock_guard lock(mutex_);
    return tenant_open_;
}

}  // namespace ringside::agent
