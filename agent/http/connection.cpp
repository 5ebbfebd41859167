#include "agent/http/connection.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string_view>
#include <utility>

namespace ringside::agent {
namespace {

constexpr std::size_t kReadBytes = 4096;  // at a time
constexpr int kReadsARound = 16;
constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::size_t kWriteBytesARound = kMiB;
constexpr std::chrono::milliseconds kProbeAfter{200};  // most answers are there by then
constexpr std::chrono::milliseconds kDeliveryLook{
    200};  // between looks at what a client has taken that poll() cannot show

}  // namespace

HttpConnection::HttpConnection(int fd, std::unique_ptr<Transport> transport, const HttpOptions& options, Caller caller,
                               bool is_guarded, MetricCounter& answered, Time now)
    : fd_(fd),
      transport_(std::move(transport)),
      options_(options),
      caller_(caller),
      is_guarded_(is_guarded),
      answered_(answered) {
    reader_.emplace(options_.header_bytes_max, options_.body_bytes_max);
    enter(Step::kReading, now, options_.read_timeout);
}

HttpConnection::~HttpConnection() { close(fd_); }

short HttpConnection::events() const {
    if (step_ != Step::kAnswering) return wait_;
    return half_closed_ ? 0 : POLLRDHUP;
}

void HttpConnection::enter(Step step, Time now, std::chrono::milliseconds limit) {
    step_ = step;
    since_ = now;
    deadline_ = now + limit;
}

bool HttpConnection::advance(Time now) {
    if (step_ == Step::kWriting && write(now)) return true;
    if (step_ == Step::kReading) return read(now);
    if (step_ == Step::kHangingUp) return drain(now);
    return false;
}

bool HttpConnection::read(Time now) {
    char buffer[kReadBytes];
    for (int i = 0; i < kReadsARound; ++i) {
        parse(now);
        if (step_ != Step::kReading) return false;
        const Transfer got = transport_->read(buffer, sizeof buffer);
        wait_ = got.wait;
        if (got.over) other_end_closed(now);
        if (got.bytes == 0) return false;
        in_.append(buffer, got.bytes);
    }
    wait_ = POLLIN;
    return true;
}

void HttpConnection::parse(Time now) {
    if (in_.empty()) return;
    // The time of the first request runs from the connection's begin.
    if (!begun_ && answers_ > 0) enter(Step::kReading, now, options_.read_timeout);
    begun_ = true;
    const bool had_header = reader_->has_header();
    reader_->take(in_);
    if (reader_->error_status() != 0) return refuse(reader_->error_status(), now);
    if (!had_header && reader_->has_header()) enter(Step::kReading, now, options_.body_timeout);
    if (reader_->is_whole()) step_ = Step::kAsked;
}

HttpRequest HttpConnection::take_request() {
    step_ = Step::kAnswering;
    HttpRequest request = reader_->request();
    request.caller = caller_;
    is_head_ = request.method == "HEAD";
    takes_interim_ = request.takes_interim;
    half_closed_ = false;
    keep_alive_ = request.keep_alive;
    return request;
}

void HttpConnection::refuse(int status, Time now) {
    keep_alive_ = is_head_ = false;
    answer(http_error(status), now);
}

void HttpConnection::answer(HttpAnswer answer, Time now) {
    answered_.add();
    ++answers_;
    job.reset();
    head_ = http_head(answer, answer.body.size(), keep_alive_);
    body_ = is_head_ ? std::string() : std::move(answer.body);
    // One packet instead of two.
    if (body_.size() <= kReadBytes) head_ += std::exchange(body_, {});
    written_ = 0;
    enter(Step::kWriting, now, options_.write_timeout + std::chrono::seconds(body_.size() / kMiB));
    answer_deadline_ = deadline_;
    write(now);
}

bool HttpConnection::write(Time now) {
    for (std::size_t round = 0; bytes_to_write() > 0;) {
        if (round >= kWriteBytesARound) {
            wait_ = POLLOUT;
            return true;
        }
        const bool in_head = written_ < head_.size();
        const std::string& part = in_head ? head_ : body_;
        const std::size_t from = in_head ? written_ : written_ - head_.size();
        const Transfer put = transport_->write(part.data() + from, std::min(part.size() - from, kWriteBytesARound));
        wait_ = put.wait;
        if (put.over) step_ = Step::kDone;
        if (put.bytes == 0) return false;
        written_ += put.bytes;
        round += put.bytes;
    }
    head_ = body_ = {};
    written_ = 0;
    if (keep_alive_) {
        next(now);
        return false;
    }
    // Closing while unread bytes wait would reset the connection and could take the answer along. So: say that this was
    // all, and let the client hang up.
    transport_->finish();
    wait_ = POLLIN;
    enter(Step::kHangingUp, now, options_.linger);
    return false;
}

void HttpConnection::next(Time now) {
    reader_.emplace(options_.header_bytes_max, options_.body_bytes_max);
    begun_ = is_head_ = false;
    wait_ = POLLIN;
    enter(Step::kReading, now, options_.idle_timeout);
}

bool HttpConnection::drain(Time now) {
    in_ = {};
    char buffer[kReadBytes];
    for (int i = 0; i < kReadsARound; ++i) {
        const Transfer got = transport_->read(buffer, sizeof buffer);
        if (got.bytes > 0) continue;
        wait_ = got.wait;
        if (got.over) other_end_closed(now);
        return false;
    }
    wait_ = POLLIN;
    return true;
}

// Nothing more comes, but what the kernel still holds for the client may be read, and not for longer than an answer may.
void HttpConnection::other_end_closed(Time now) {
    if (is_delivered()) {
        step_ = Step::kDone;
        return;
    }
    if (step_ != Step::kHangingUp) transport_->finish();
    is_unpolled_ = true;
    enter(Step::kHangingUp, now, kDeliveryLook);
}

void HttpConnection::watch(Time now) {
    pollfd look{fd_, POLLRDHUP, 0};
    if (poll(&look, 1, 0) <= 0) return;
    if (look.revents & (POLLHUP | POLLERR)) return end();
    if (half_closed_) return;
    half_closed_ = true;
    probe_at_ = takes_interim_ ? now + kProbeAfter : Time::max();
    if (!takes_interim_) deadline_ = now + options_.write_timeout;
}

void HttpConnection::probe(Time now) {
    if (step_ != Step::kAnswering || !half_closed_ || now < probe_at_) return;
    probe_at_ = Time::max();
    constexpr std::string_view kProbe = "HTTP/1.1 100 Continue\r\n\r\n";
    // Nothing else is on its way to the client, so that there is room for all of it.
    if (transport_->write(kProbe.data(), kProbe.size()).bytes != kProbe.size()) end();
}

bool HttpConnection::is_late(Time now) const {
    const bool limited = step_ == Step::kReading || step_ == Step::kWriting || step_ == Step::kHangingUp ||
                         (step_ == Step::kAnswering && half_closed_ && !takes_interim_);
    return limited && now >= deadline_;
}

void HttpConnection::give_up(Time now) {
    if (step_ == Step::kReading && begun_) return refuse(408, now);
    // The kernel has taken the whole answer, but not the client: it has as long for it as if it were written still.
    if (step_ == Step::kHangingUp && !is_delivered() && now < answer_deadline_) {
        deadline_ = now + (is_unpolled_ ? kDeliveryLook : options_.linger);
        return;
    }
    end();
}

bool HttpConnection::is_delivered() const {
    tcp_info state{};
    socklen_t size = sizeof state;
    if (getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &state, &size) == 0 && state.tcpi_state == TCP_CLOSE) return true;
    int waiting = 0;
    return bytes_to_write() == 0 && (ioctl(fd_, SIOCOUTQ, &waiting) < 0 || waiting == 0);
}

void HttpConnection::end() {
    if (job) job->hung_up = true;
    step_ = Step::kDone;
    if (is_delivered()) return;
    const linger at_once{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace ringside::agent
