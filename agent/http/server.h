// An HTTP server for scrapers, probes and queries. One thread polls every connection and nobody waits for a slow one; what
// takes time is answered by a few workers:
//
//  H1  A connection lives through steps with a deadline each (see connection.h). Requests of one connection are answered
//      one after the other.
//  H2  At most `connections_max` are open. A newcomer takes the place of the one that has been idle the longest, else
//      reading, else writing, never of one whose answer is being made: a client that sends its request at once is always
//      answered, whatever others do.
//  H3  A connection holds one request within its limits and one answer. All answers that wait to be written hold at most
//      `answers_bytes_max`: beyond it, the one that has been writing the longest goes.
//  H4  Requests are answered by a FairPool: at most `workers` short and as many long ones at once. `queue_max` wait for a
//      worker, `long_queue_max` long ones for their next turn; the next one is told so.
//  H5  When a client hangs up, the job of its request learns it, and what waits in the queue is not begun.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/fair_pool.h"
#include "agent/base/metrics.h"
#include "agent/base/result.h"
#include "agent/http/connection.h"
#include "agent/http/message.h"
#include "agent/http/options.h"
#include "agent/http/tls.h"

namespace ringside::agent {

// None of them may throw.
struct HttpHandlers {
    // Runs on the thread that serves every connection and must not block. Nothing: it is for `slow`.
    std::function<std::optional<HttpAnswer>(const HttpRequest& request)> quick;
    // Runs on a worker, several at a time. Asks its turn often whether it may go on. Null: there are no such pages.
    std::function<HttpAnswer(const HttpRequest& request, FairPool::Turn& turn)> slow;
    // What a request hears for which there is no room (H4). Like `quick`; null only if `slow` is.
    std::function<HttpAnswer(const HttpRequest& request)> busy;
};

class HttpServer {
  public:
    // `metrics` must outlive the server.
    HttpServer(HttpOptions options, HttpHandlers handlers, Metrics& metrics);
    ~HttpServer() { stop(); }
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    // Listens and starts the threads. What check_exposure(), TlsServer::make(), listen_tcp() and UnixSocket::listen() say.
    Result<void> start();
    // Ends the threads and every connection, within milliseconds and the time of a handler that hears of it. Idempotent.
    void stop();

    std::uint16_t port() const { return port_; }  // the real one, after start()

  private:
    using Time = HttpConnection::Time;
    using Step = HttpConnection::Step;

    Result<void> open();
    void close_all();
    void run();
    void accept_all(int listener, bool is_unix, Time now);
    void take_in(int fd, bool is_unix, Time now);
    void make_room();
    void serve(HttpConnection& connection, Time now);
    void dispatch(HttpConnection& connection, Time now);
    bool is_allowed(const HttpConnection& connection, const HttpRequest& request) const;
    void submit(HttpConnection& connection, HttpRequest request, Time now);
    void work(const std::shared_ptr<HttpJob>& job, FairPool::Turn& turn);
    void collect(Time now);
    void answer(HttpConnection& connection, HttpAnswer answer, Time now);
    void expire(HttpConnection& connection, Time now);
    void close_done();

    const HttpOptions options_;
    const HttpHandlers handlers_;
    MetricCounter& requests_;
    MetricCounter& timed_out_;
    MetricCounter& displaced_;
    MetricCounter& oversized_;
    MetricCounter& refused_;
    MetricCounter& denied_;
    MetricCounter& busy_;
    MetricCounter& long_;
    MetricGauge& open_connections_;
    MetricGauge& answer_bytes_;
    MetricGauge& requests_under_way_;

    int tcp_fd_ = -1;
    int wake_fd_ = -1;
    std::uint16_t port_ = 0;
    std::optional<UnixSocket> unix_socket_;
    std::shared_ptr<TlsServer> tls_;  // null: in the clear
    std::string token_;               // "": none is asked for
    std::list<HttpConnection> connections_;
    bool more_ = false;     // a connection has more to do than one round allowed
    std::size_t jobs_ = 0;  // that are queued or run
    std::optional<FairPool> pool_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;

    std::mutex mutex_;
    std::vector<std::shared_ptr<HttpJob>> finished_;  // guarded by mutex_
};

}  // namespace ringside::agent
