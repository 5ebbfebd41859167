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
//  H4  Requests that take time are answered on a FairPool, which others may use as well; who finds it full is told so. All that
//      it bears together have to be fewer than connections.
//      What is known to be quick is answered by the thread that polls: it saves two changes of threads. Another one polls
//      in its place if it turns out not to be quick (FairPool, F9).
//  H5  When a client hangs up, the job of its request learns it, and what waits in the queue is not begun. One that has
//      only ended its sending side is told from it (see connection.h) and answered.
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
#include "agent/http/guard.h"
#include "agent/http/message.h"
#include "agent/http/options.h"

namespace ringside::agent {

// None of them may throw, but for std::bad_alloc of `slow`, which is answered with 500.
struct HttpHandlers {
    // Runs on the thread that serves every connection and must not block. Nothing: it is for `slow`.
    std::function<std::optional<HttpAnswer>(const HttpRequest& request)> quick;
    // Runs on a worker of `pool`, several at a time, or, where it is expected to be quick, on the thread that serves every
    // connection (H4). Asks its turn often whether it may go on, and leaves that thread before it waits for anything.
    // Null: there are no such pages.
    std::function<HttpAnswer(const HttpRequest& request, FairPool::Turn& turn)> slow;
    // What a request hears for which there is no room (H4). Like `quick`; null only if `slow` is.
    std::function<HttpAnswer(const HttpRequest& request)> busy;
    // What `slow` is going to take for it, as far as that is known. Like `quick`. May be null.
    std::function<std::optional<FairPool::Expected>(const HttpRequest& request)> expected = {};
    // Hears of renewed secrets that cannot be used; see HttpGuard. May be null.
    std::function<void(const std::string& trouble)> warn = {};
    FairPool* pool = nullptr;  // of the workers; outlives the server. Null only if `slow` is.
};

class HttpServer {
  public:
    // `metrics` must outlive the server.
    HttpServer(HttpOptions options, HttpHandlers handlers, Metrics& metrics);
    ~HttpServer() { stop(); }
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    // Listens and starts the threads. What check_exposure(), HttpGuard::open(), listen_tcp() and UnixSocket::listen() say.
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
    void look_at_secrets(Time now);
    void submit(HttpConnection& connection, HttpRequest request, Time now);
    bool answer_here();
    Result<std::thread> hand_over();
    void make_answer(HttpJob& job, FairPool::Turn& turn);
    void work(const std::shared_ptr<HttpJob>& job, FairPool::Turn& turn);
    void put_finished(const std::shared_ptr<HttpJob>& job);
    std::vector<std::shared_ptr<HttpJob>> take_finished();
    void collect(Time now);
    void deliver(const std::shared_ptr<HttpJob>& job, Time now);
    void answer(HttpConnection& connection, HttpAnswer answer, Time now);
    void expire(HttpConnection& connection, Time now);
    void close_done();

    const HttpOptions options_;
    const HttpHandlers handlers_;
    HttpGuard guard_;  // of the server's thread, once it runs
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
    std::list<HttpConnection> connections_;
    bool more_ = false;                         // a connection has more to do than one round allowed
    std::size_t jobs_ = 0;                      // that are queued or run
    std::list<std::shared_ptr<HttpJob>> here_;  // to be answered by this thread, next

    // Guards the next ones. All above are of the thread that polls, whichever it is.
    std::mutex role_mutex_;
    std::thread thread_;                 // the one that polls
    std::atomic<bool> stopping_{false};  // written with role_mutex_ held

    // A list, the newest first. Workers put in, the server's thread takes all. No lock, for a worker may have the lowest
    // priority of the host, and all connections would wait until it goes on (FairPool, F6).
    std::atomic<HttpJob*> finished_{nullptr};
    std::atomic<std::size_t> on_pool_{0};  // jobs of which the pool may still use the server
};

}  // namespace ringside::agent
