// A small HTTP server for scrapers and probes. One thread polls every connection; nobody waits for a slow one:
//
//  H1  A connection lives through three steps, each with a deadline: reading a request, writing its answer, hanging up.
//  H2  At most `connections_max` are open. A newcomer takes the place of the one that has been reading the longest: a client
//      that sends its request at once is always answered, whatever others do.
//  H3  A connection holds at most `request_bytes_max` of what it read, and one answer.
//  H4  One request a connection. What comes after it is thrown away unread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <string>
#include <thread>

#include "agent/api/http_codec.h"
#include "agent/base/metrics.h"
#include "agent/base/result.h"

namespace ringside::agent {

struct HttpOptions {
    std::string address = "127.0.0.1";  // numeric; "::1" for IPv6
    std::uint16_t port = 0;             // 0: any free one
    std::size_t connections_max = 64;
    std::size_t request_bytes_max = 16 * 1024;
    std::chrono::milliseconds read_timeout{5'000};    // for the whole request
    std::chrono::milliseconds write_timeout{10'000};  // for the whole answer
    std::chrono::milliseconds linger{1'000};          // for the client to hang up after it
};

class HttpServer {
  public:
    // `metrics` must outlive the server.
    HttpServer(HttpOptions options, HttpHandler handler, Metrics& metrics);
    ~HttpServer() { stop(); }
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    // Listens and starts the thread. kInvalid for an address that is none, kExists when the port is taken, or what the
    // system calls return.
    Result<void> start();
    // Ends the thread and every connection, within milliseconds and the time of a handler. Idempotent.
    void stop();

    std::uint16_t port() const { return port_; }  // the real one, after start()

  private:
    using Time = std::chrono::steady_clock::time_point;
    enum class Step { kReading, kWriting, kHangingUp, kDone };
    struct Connection {
        int fd = -1;
        Step step = Step::kReading;
        Time deadline;
        std::string in;
        std::string out;
        std::size_t written = 0;
    };

    Result<void> open_listener();
    void run();
    void accept_all(Time now);
    void make_room();
    void serve(Connection& connection, Time now);
    void read_request(Connection& connection, Time now);
    void start_answer(Connection& connection, std::string answer, Time now);
    void write_answer(Connection& connection, Time now);
    void drain(Connection& connection);
    void expire(Connection& connection, Time now);
    void close_done();

    const HttpOptions options_;
    const HttpHandler handler_;
    MetricCounter& requests_;
    MetricCounter& timed_out_;
    MetricCounter& displaced_;
    MetricCounter& refused_;
    int listen_fd_ = -1;
    int wake_fd_ = -1;
    std::uint16_t port_ = 0;
    std::list<Connection> connections_;  // oldest first
    std::thread thread_;
};

}  // namespace ringside::agent
