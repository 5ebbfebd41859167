#include "agent/api/acceptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

namespace ringside::agent {
namespace {

// How long a connection that is gone may still be counted.
constexpr int kSweepEveryMs = 1000;

constexpr const char* kRefusedHelp = "Connections to the API socket that were turned away, by reason.";

int open_spare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

void close_fd(int& fd) {
    if (fd >= 0) close(std::exchange(fd, -1));
}

}  // namespace

Acceptor::Acceptor(const UnixSocket& socket, AccessPolicy policy, PeerTable& peers, Metrics& metrics,
                   std::function<void(int fd)> take_over)
    : socket_(socket),
      policy_(std::move(policy)),
      peers_(peers),
      take_over_(std::move(take_over)),
      accepted_(metrics.counter("ringside_api_connections_total", "Connections to the API socket that were taken.")),
      forbidden_(metrics.counter("ringside_api_connections_refused_total", kRefusedHelp, {{"reason", "forbidden"}})),
      full_(metrics.counter("ringside_api_connections_refused_total", kRefusedHelp, {{"reason", "full"}})),
      failed_(metrics.counter("ringside_api_connections_refused_total", kRefusedHelp, {{"reason", "error"}})),
      connections_(metrics.gauge("ringside_api_connections", "Connections to the API socket that are open.")) {}

Result<void> Acceptor::start() {
    wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd_ < 0) return errno_error(errno, "cannot make an eventfd");
    spare_fd_ = open_spare();
    thread_ = std::thread([this] { run(); });
    return {};
}

void Acceptor::stop() {
    if (!thread_.joinable()) return;
    // Cannot fail: the counter of a fresh eventfd has room.
    if (eventfd_write(wake_fd_, 1) == 0) thread_.join();
    close_fd(wake_fd_);
    close_fd(spare_fd_);
}

void Acceptor::run() {
    pollfd waits[2] = {{wake_fd_, POLLIN, 0}, {socket_.fd(), POLLIN, 0}};
    auto swept = std::chrono::steady_clock::now();
    for (;;) {
        poll(waits, 2, kSweepEveryMs);
        if (waits[0].revents != 0) return;
        if (waits[1].revents != 0) accept_all();
        const auto now = std::chrono::steady_clock::now();
        if (now - swept < std::chrono::milliseconds(kSweepEveryMs)) continue;
        peers_.sweep(now);
        connections_.set(static_cast<double>(peers_.connections()));
        swept = now;
    }
}

// A bounded round, so that a flood does not keep the loop from its other business.
void Acceptor::accept_all() {
    for (int i = 0; i < 64; ++i) {
        const int fd = accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            admit_one(fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            return shed_one();
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;  // EAGAIN: that was all.
        }
    }
}

void Acceptor::admit_one(int fd) {
    const auto peer = peer_credentials(fd);
    const auto caller = peer ? policy_.judge(*peer) : std::nullopt;
    if (!caller) {
        (peer || peer.error().code == Code::kDenied ? forbidden_ : failed_).add();
        close(fd);
        return;
    }
    const auto number = peers_.adopt(fd, *caller, std::chrono::steady_clock::now());
    if (!number) return (number.error().code == Code::kExhausted ? full_ : failed_).add();
    accepted_.add();
    take_over_(*number);
}

// Out of descriptors: without this the same peer would wake poll() for ever, and would wait for an answer.
void Acceptor::shed_one() {
    close_fd(spare_fd_);
    const int fd = accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        close(fd);
        failed_.add();
    }
    spare_fd_ = open_spare();
    // Another thread may have taken the spare: then sleep rather than spin.
    if (fd < 0 || spare_fd_ < 0) poll(nullptr, 0, 50);
}

}  // namespace ringside::agent
