// One connection of the HTTP server: what it has read, and what it has to write.
//
//  C1  The steps are: reading a request, being asked (the request is whole and nobody has taken it), being answered,
//      writing the answer; then reading the next one, or hanging up and being done. Each but the two in the middle has a
//      deadline.
//  C2  It holds at most one header block and one body at their limits, one read's worth of what follows, and one answer.
//      Of a request that is not whole it holds what the reader allows (codec.h).
//  C3  A next request is not looked at before the answer to the one before is written: answers come in order.
//  C4  A client that ends its sending side looks like one that has gone. If its answer is not there a moment later, it gets
//      a 100 Continue, which every client of HTTP/1.1 passes over: at one that has gone it breaks the connection. A client
//      of HTTP/1.0 gets none, and has the time of an answer until it is taken for gone.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/metrics.h"
#include "agent/http/codec.h"
#include "agent/http/options.h"
#include "agent/http/transport.h"

namespace ringside::agent {

// A request that a worker answers.
struct HttpJob {
    HttpRequest request;
    HttpAnswer answer;
    std::atomic<bool> hung_up{false};  // nobody waits for the answer any more
    // Of the server's list of finished jobs, while it is in it.
    std::shared_ptr<HttpJob> self;
    HttpJob* next = nullptr;
};

class HttpConnection {
  public:
    using Time = std::chrono::steady_clock::time_point;
    enum class Step { kReading, kAsked, kAnswering, kWriting, kHangingUp, kDone };

    // Owns `fd`. `options` and `answered` outlive it.
    HttpConnection(int fd, std::unique_ptr<Transport> transport, const HttpOptions& options, Caller caller,
                   bool is_guarded, MetricCounter& answered, Time now);
    ~HttpConnection();
    HttpConnection(const HttpConnection&) = delete;
    HttpConnection& operator=(const HttpConnection&) = delete;

    int poll_fd() const { return is_unpolled_ ? -1 : fd_; }
    short events() const;  // that poll() is to wait for
    Step step() const { return step_; }
    Time since() const { return since_; }  // when this step began
    bool is_idle() const { return step_ == Step::kReading && answers_ > 0 && !begun_; }
    bool is_guarded() const { return is_guarded_; }  // by HttpGuard
    std::size_t bytes_to_write() const { return head_.size() + body_.size() - written_; }

    // Reads or writes as far as it goes without waiting; stops when a request is whole. Whether it has more to do at once:
    // one that is fast does not keep the others waiting.
    bool advance(Time now);
    HttpRequest take_request();  // once, after kAsked
    void answer(HttpAnswer answer, Time now);
    // While a worker has the request. Ends it when the client has gone, as far as that shows (C4).
    std::shared_ptr<HttpJob> job;
    void watch(Time now);
    void probe(Time now);

    // Whether the deadline of the step has passed.
    bool is_late(Time now) const;
    // What to do then: an answer to who has begun to ask, else the end.
    void give_up(Time now);
    // Ends it; a job hears of it. The kernel does not go on offering the rest of an answer.
    void end();

  private:
    bool read(Time now);
    void parse(Time now);
    void refuse(int status, Time now);
    bool write(Time now);
    void next(Time now);
    bool drain(Time now);
    void other_end_closed(Time now);
    bool is_delivered() const;  // there is no part of an answer that the client has not taken, but could
    void enter(Step step, Time now, std::chrono::milliseconds limit);

    const int fd_;
    const std::unique_ptr<Transport> transport_;
    const HttpOptions& options_;
    const Caller caller_;
    const bool is_guarded_;
    MetricCounter& answered_;

    Step step_ = Step::kReading;
    Time since_;
    Time deadline_;
    Time answer_deadline_;      // for the client to have taken the answer, while hanging up
    bool half_closed_ = false;  // while a worker has the request
    Time probe_at_;             // then, for who understands it
    bool is_unpolled_ = false;  // both sides have ended, of which poll() would tell without end
    short wait_ = POLLIN;
    std::string in_;  // what has been read and not been parsed
    std::optional<HttpReader> reader_;
    bool begun_ = false;  // a byte of the request has come
    bool is_head_ = false;
    bool takes_interim_ = false;  // answers before the answer: HTTP/1.1
    bool keep_alive_ = false;
    std::uint64_t answers_ = 0;
    std::string head_, body_;  // of the answer
    std::size_t written_ = 0;
};

}  // namespace ringside::agent
