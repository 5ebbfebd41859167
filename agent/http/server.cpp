#include "agent/http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

#include "agent/http/gzip.h"
#include "agent/http/listener.h"

namespace ringside::agent {
namespace {

using std::chrono::milliseconds;

constexpr const char* kDroppedHelp = "HTTP connections that ended without an answer of their own, by reason.";
constexpr const char* kRefusedHelp =
    "HTTP requests that were answered with a refusal instead of what they ask for, by reason.";
constexpr milliseconds kTick{200};      // how late a deadline may be noticed
constexpr int kAcceptsARound = 16;      // so that a flood does not keep the loop from those who are there
constexpr int kRequestsARound = 16;     // of one connection that sends them ahead
constexpr std::size_t kHereARound = 4;  // that are answered by the thread that polls
constexpr std::size_t kGzipHereBytes = 32 * 1024;
constexpr int kSendBufferBytes = 256 * 1024;  // more than loopback has under way

void close_fd(int& fd) {
    if (fd >= 0) close(std::exchange(fd, -1));
}

bool has_encoding(const HttpAnswer& answer) {
    return std::ranges::any_of(answer.headers, [](const auto& header) { return header.first == "Content-Encoding"; });
}

// Which connection gives way first (H2); the one that gives way last has the highest rank.
int rank(const HttpConnection& connection) {
    switch (connection.step()) {
        case HttpConnection::Step::kReading: return connection.is_idle() ? 0 : 1;
        case HttpConnection::Step::kHangingUp: return 2;
        default: return 3;
    }
}

}  // namespace

HttpServer::HttpServer(HttpOptions options, HttpHandlers handlers, Metrics& metrics)
    : options_(std::move(options)),
      handlers_(std::move(handlers)),
      guard_(options_),
      requests_(metrics.counter("ringside_http_requests_total", "HTTP requests that were answered.")),
      timed_out_(metrics.counter("ringside_http_connections_dropped_total", kDroppedHelp, {{"reason", "timeout"}})),
      displaced_(metrics.counter("ringside_http_connections_dropped_total", kDroppedHelp, {{"reason", "displaced"}})),
      oversized_(metrics.counter("ringside_http_connections_dropped_total", kDroppedHelp, {{"reason", "memory"}})),
      refused_(metrics.counter("ringside_http_connections_dropped_total", kDroppedHelp, {{"reason", "error"}})),
      denied_(metrics.counter("ringside_http_requests_refused_total", kRefusedHelp, {{"reason", "denied"}})),
      busy_(metrics.counter("ringside_http_requests_refused_total", kRefusedHelp, {{"reason", "busy"}})),
      long_(metrics.counter("ringside_http_requests_refused_total", kRefusedHelp, {{"reason", "long"}})),
      open_connections_(metrics.gauge("ringside_http_connections", "HTTP connections that are open.")),
      answer_bytes_(metrics.gauge("ringside_http_answer_bytes", "Bytes of HTTP answers that wait for their readers.")),
      requests_under_way_(metrics.gauge("ringside_http_requests_under_way",
                                        "HTTP requests that a worker answers, or that wait for one.")) {}

Result<void> HttpServer::start() {
    if (auto opened = open(); !opened) {
        close_all();
        return opened;
    }
    const std::lock_guard lock(role_mutex_);
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), "http");
    return {};
}

Result<void> HttpServer::open() {
    if (auto checked = check_exposure(options_); !checked) return checked;
    if (auto opened = guard_.open(); !opened) return opened;
    if (!options_.address.empty()) {
        auto listener = listen_tcp(options_.address, options_.port);
        if (!listener) return listener.error();
        tcp_fd_ = listener->fd;
        port_ = listener->port;
    }
    if (options_.socket) {
        auto socket = UnixSocket::listen(*options_.socket);
        if (!socket) return socket.error();
        unix_socket_.emplace(std::move(*socket));
    }
    wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd_ < 0) return errno_error(errno, "cannot make an eventfd");
    return {};
}

void HttpServer::stop() {
    std::unique_lock lock(role_mutex_);
    if (!thread_.joinable()) return;
    stopping_ = true;
    std::thread last = std::move(thread_);  // nobody takes its place any more
    lock.unlock();
    eventfd_write(wake_fd_, 1);  // fails for who has written 2^64 - 2 times
    last.join();
    for (HttpConnection& connection : connections_) {
        if (connection.job) connection.job->hung_up = true;
    }
    // The pool goes on for others; nothing of it may come back here.
    while (on_pool_ > 0) std::this_thread::sleep_for(milliseconds(1));
    close_all();
}

void HttpServer::close_all() {
    take_finished();
    here_.clear();
    connections_.clear();
    unix_socket_.reset();
    close_fd(tcp_fd_);
    close_fd(wake_fd_);
}

void HttpServer::run() {
    std::vector<pollfd> waits;
    while (!stopping_) {
        if (!answer_here()) return;
        close_done();
        const int unix_fd = unix_socket_ ? unix_socket_->fd() : -1;  // poll() passes over those below zero
        waits = {{wake_fd_, POLLIN, 0}, {tcp_fd_, POLLIN, 0}, {unix_fd, POLLIN, 0}};
        std::size_t bytes = 0;
        for (const HttpConnection& connection : connections_) {
            waits.push_back({connection.poll_fd(), connection.events(), 0});
            bytes += connection.bytes_to_write();
        }
        open_connections_.set(static_cast<double>(connections_.size()));
        answer_bytes_.set(static_cast<double>(bytes));
        requests_under_way_.set(static_cast<double>(jobs_));
        const int limit_ms = more_ || !here_.empty() ? 0 : connections_.empty() ? -1 : static_cast<int>(kTick.count());
        const bool all = std::exchange(more_, false);
        poll(waits.data(), waits.size(), limit_ms);
        const Time now = std::chrono::steady_clock::now();
        auto wait = waits.begin() + 3;
        for (HttpConnection& connection : connections_) {
            if ((wait++)->revents != 0 || all) serve(connection, now);
            expire(connection, now);
        }
        if (waits[0].revents != 0) collect(now);
        close_done();
        if (waits[1].revents != 0) accept_all(tcp_fd_, false, now);
        if (waits[2].revents != 0) accept_all(unix_fd, true, now);
    }
}

void HttpServer::accept_all(int listener, bool is_unix, Time now) {
    for (int i = 0; i < kAcceptsARound; ++i) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            take_in(fd, is_unix, now);
            continue;
        }
        if (errno == EAGAIN) return;
        // The others are mistakes of this one connection; see accept(2).
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) continue;
        // Out of descriptors or memory: the ones that are open give way, or time does.
        refused_.add();
        make_room();
        close_done();
        poll(nullptr, 0, 20);
        return;
    }
}

void HttpServer::take_in(int fd, bool is_unix, Time now) {
    Caller caller{.uid = 0, .is_operator = true};
    if (is_unix) {
        const auto peer = peer_credentials(fd);
        const auto judged = peer ? options_.policy.judge(*peer) : std::nullopt;
        if (!judged) {
            denied_.add();
            close(fd);
            return;
        }
        caller = *judged;
    }
    if (connections_.size() >= options_.connections_max) {
        make_room();
        close_done();
    }
    // What the kernel keeps for a client that does not read is memory of the host, too.
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
    // The end of an answer must not wait until the client has acknowledged what came before it, 40 ms with many clients.
    const int yes = 1;
    if (!is_unix) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    look_at_secrets(now);
    TlsServer* const tls = is_unix ? nullptr : guard_.tls();
    auto transport = tls ? tls->transport(fd) : plain_transport(fd);
    if (!transport || connections_.size() >= options_.connections_max) {
        refused_.add();
        close(fd);
        return;
    }
    connections_.emplace_back(fd, std::move(transport), options_, caller, !is_unix, requests_, now);
    // Most requests are there already.
    serve(connections_.back(), now);
    close_done();
}

void HttpServer::make_room() {
    HttpConnection* victim = nullptr;
    for (HttpConnection& connection : connections_) {
        if (connection.step() == Step::kAnswering || connection.step() == Step::kDone) continue;
        if (!victim || std::pair(rank(connection), connection.since()) < std::pair(rank(*victim), victim->since())) {
            victim = &connection;
        }
    }
    if (!victim) return;
    if (!victim->is_idle() && victim->step() != Step::kHangingUp) displaced_.add();
    victim->end();
}

void HttpServer::serve(HttpConnection& connection, Time now) {
    // While a worker has the request, all that can come is the end of the connection (H5).
    if (connection.step() == Step::kAnswering) return connection.watch(now);
    for (int i = 0; i < kRequestsARound; ++i) {
        if (connection.advance(now)) break;
        if (connection.step() != Step::kAsked) return;
        dispatch(connection, now);
        if (connection.step() == Step::kAnswering) return;
    }
    more_ = true;
}

// Where they are needed, so that nothing is done while nobody asks.
void HttpServer::look_at_secrets(Time now) {
    const auto trouble = guard_.look(now);
    if (trouble && handlers_.warn) handlers_.warn(*trouble);
}

void HttpServer::dispatch(HttpConnection& connection, Time now) {
    HttpRequest request = connection.take_request();
    look_at_secrets(now);
    if (auto refusal = connection.is_guarded() ? guard_.refusal(request) : std::nullopt) {
        denied_.add();
        return answer(connection, std::move(*refusal), now);
    }
    if (auto quick = handlers_.quick(request)) return answer(connection, std::move(*quick), now);
    if (!handlers_.slow) return answer(connection, http_error(404), now);
    submit(connection, std::move(request), now);
}

void HttpServer::submit(HttpConnection& connection, HttpRequest request, Time now) {
    connection.job = std::make_shared<HttpJob>();
    const auto expected = handlers_.expected ? handlers_.expected(request) : std::nullopt;
    connection.job->request = std::move(request);
    if (expected && expected->is_quick() && here_.size() < kHereARound && handlers_.pool->may_run_here()) {
        here_.push_back(connection.job);
        ++jobs_;
        return;
    }
    const std::atomic<bool>& hung_up = connection.job->hung_up;
    ++on_pool_;
    if (handlers_.pool->submit(
            hung_up, [this, job = connection.job](FairPool::Turn& turn) { work(job, turn); },
            expected ? expected->used : FairPool::kUnknownTime)) {
        ++jobs_;
        return;
    }
    --on_pool_;
    busy_.add();
    const auto refused = std::exchange(connection.job, nullptr);
    answer(connection, handlers_.busy(refused->request), now);
}

// False: this thread serves connections no more, and the server may be gone.
bool HttpServer::answer_here() {
    // Those that answers give rise to wait for the next round: other connections have their turn.
    for (std::size_t left = here_.size(); left > 0 && !stopping_; --left) {
        const std::shared_ptr<HttpJob> job = std::move(here_.front());
        here_.pop_front();
        ++on_pool_;
        const bool still_here = handlers_.pool->run_here(
            job->hung_up, [&](FairPool::Turn& turn) { work(job, turn); }, [this] { return hand_over(); });
        if (!still_here) return false;
        --on_pool_;
        --jobs_;
        deliver(job, std::chrono::steady_clock::now());
    }
    return true;
}

// Another thread polls from here on. The handle of this one.
Result<std::thread> HttpServer::hand_over() {
    const std::lock_guard lock(role_mutex_);
    if (stopping_) return error(Code::kUnavailable, "the server is being stopped");
    try {
        std::thread next([this] { run(); });
        pthread_setname_np(next.native_handle(), "http");
        std::swap(thread_, next);
        pthread_setname_np(next.native_handle(), "http-query");
        return next;
    } catch (const std::system_error& failure) {
        return errno_error(failure.code().value(), "cannot start a thread");
    }
}

void HttpServer::make_answer(HttpJob& job, FairPool::Turn& turn) {
    job.answer = handlers_.slow(job.request, turn);
    if (turn.is_refused()) long_.add();
    const bool packs =
        job.request.takes_gzip && job.answer.body.size() > kGzipMinBytes && !has_encoding(job.answer) && !job.hung_up;
    if (packs && job.answer.body.size() > kGzipHereBytes) turn.leave_caller();
    if (std::string packed = packs ? gzipped(job.answer.body) : ""; !packed.empty()) {
        job.answer.body = std::move(packed);
        job.answer.headers.emplace_back("Content-Encoding", "gzip");
    }
    job.answer.headers.emplace_back("Vary", "Accept-Encoding");
}

void HttpServer::work(const std::shared_ptr<HttpJob>& job, FairPool::Turn& turn) {
    if (!job->hung_up) {
        try {
            make_answer(*job, turn);
        } catch (const std::bad_alloc&) {
            job->answer = http_error(500);
        }
    }
    if (turn.is_here()) return;  // who polls has it already
    put_finished(job);
    eventfd_write(wake_fd_, 1);
    --on_pool_;  // The last use of the server.
}

void HttpServer::put_finished(const std::shared_ptr<HttpJob>& job) {
    job->self = job;
    job->next = finished_.load(std::memory_order_relaxed);
    // Release: whoever takes it sees the answer.
    while (
        !finished_.compare_exchange_weak(job->next, job.get(), std::memory_order_release, std::memory_order_relaxed)) {
    }
}

// In the order of their end.
std::vector<std::shared_ptr<HttpJob>> HttpServer::take_finished() {
    std::vector<std::shared_ptr<HttpJob>> taken;
    HttpJob* job = finished_.exchange(nullptr, std::memory_order_acquire);
    while (job) {
        HttpJob* const next = job->next;
        taken.push_back(std::move(job->self));
        job = next;
    }
    std::ranges::reverse(taken);
    return taken;
}

void HttpServer::collect(Time now) {
    eventfd_t count = 0;
    eventfd_read(wake_fd_, &count);
    const auto finished = take_finished();
    jobs_ -= finished.size();
    for (const auto& job : finished) deliver(job, now);
}

void HttpServer::deliver(const std::shared_ptr<HttpJob>& job, Time now) {
    const auto asked = std::ranges::find(connections_, job, &HttpConnection::job);
    if (asked == connections_.end() || asked->step() != Step::kAnswering) return;
    answer(*asked, std::move(job->answer), now);
    serve(*asked, now);
}

void HttpServer::answer(HttpConnection& connection, HttpAnswer made, Time now) {
    connection.answer(std::move(made), now);
    std::size_t bytes = 0;
    for (const HttpConnection& one : connections_) bytes += one.bytes_to_write();
    while (bytes > options_.answers_bytes_max) {
        HttpConnection* slowest = nullptr;
        for (HttpConnection& one : connections_) {
            if (one.step() != Step::kWriting || one.bytes_to_write() == 0) continue;
            if (!slowest || one.since() < slowest->since()) slowest = &one;
        }
        if (!slowest) return;
        bytes -= slowest->bytes_to_write();
        oversized_.add();
        slowest->end();
    }
}

void HttpServer::expire(HttpConnection& connection, Time now) {
    connection.probe(now);
    if (!connection.is_late(now)) return;
    // A client that has had its answer and asks for nothing more loses nothing.
    if (connection.step() != Step::kHangingUp && !connection.is_idle()) timed_out_.add();
    connection.give_up(now);
}

void HttpServer::close_done() {
    connections_.remove_if([](const HttpConnection& connection) { return connection.step() == Step::kDone; });
}

}  // namespace ringside::agent
