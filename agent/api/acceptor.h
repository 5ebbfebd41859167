// Accepts connections, one thread for all: asks the kernel who is there, turns away who may not come, and hands the rest
// on. A peer that is turned away reaches no handler and leaves no descriptor.
#pragma once

#include <functional>
#include <thread>

#include "agent/base/caller.h"
#include "agent/api/peer_table.h"
#include "agent/base/unix_socket.h"
#include "agent/base/metrics.h"
#include "agent/base/result.h"

namespace ringside::agent {

class Acceptor {
  public:
    // `take_over` gets each connection under its number in `peers` and owns it; it is called on the acceptor's thread and
    // must not block. `socket`, `peers` and `metrics` must outlive the acceptor.
    Acceptor(const UnixSocket& socket, AccessPolicy policy, PeerTable& peers, Metrics& metrics,
             std::function<void(int fd)> take_over);
    ~Acceptor() { stop(); }
    Acceptor(const Acceptor&) = delete;
    Acceptor& operator=(const Acceptor&) = delete;

    Result<void> start();
    // Ends the thread, within milliseconds. Connections that were handed on stay. Idempotent.
    void stop();

  private:
    void run();
    void accept_all();
    void admit_one(int fd);
    void shed_one();

    const UnixSocket& socket_;
    const AccessPolicy policy_;
    PeerTable& peers_;
    std::function<void(int fd)> take_over_;
    MetricCounter& accepted_;
    MetricCounter& forbidden_;
    MetricCounter& full_;
    MetricCounter& failed_;
    MetricGauge& connections_;
    int wake_fd_ = -1;   // an eventfd: written once, to stop
    int spare_fd_ = -1;  // given up for a moment to turn away peers when no descriptor is left
    std::thread thread_;
};

}  // namespace ringside::agent
