#include "agent/http/connection.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace ringside::agent {
namespace {

constexpr std::size_t kReadBytes = 4096;  // at a time
constexpr int kReadsARound = 16;
constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::size_t kWriteBytesARound = kMiB;

}  // namespace

HttpConnection::HttpConnection(int fd, std::unique_ptr<Transport> transport, const HttpOptions& options, Caller caller,
                               bool needs_token, MetricCounter& answered, Time now)
    : fd_(fd),
      transport_(std::move(transport)),
      options_(options),
      caller_(caller),
      needs_token_(needs_token),
      answered_(answered) {
    reader_.emplace(options_.header_bytes_max, options_.body_bytes_max);
    enter(Step::kReading, now, options_.read_timeout);
}

HttpConnection::~HttpConnection() { close(fd_); }

short HttpConnection::events() const { return step_ == Step::kAnswering ? POLLRDHUP : wait_; }

void HttpConnection::enter(Step step, Time now, std::chrono::milliseconds limit) {
    step_ = step;
    since_ = now;
    deadline_ = now + limit;
}

bool HttpConnection::advance(Time now) {
    if (step_ == Step::kWriting && write(now)) return true;
    if (step_ == Step::kReading) return read(now);
    if (step_ == Step::kHangingUp) return drain();
    return false;
}

bool HttpConnection::read(Time now) {
    char buffer[kReadBytes];
    for (int i = 0; i < kReadsARound; ++i) {
        parse(now);
        if (step_ != Step::kReading) return false;
        const Transfer got = transport_->read(buffer, sizeof buffer);
        wait_ = got.wait;
        if (got.over) step_ = Step::kDone;
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
    answer_deadline_ = deadline_;
    enter(Step::kHangingUp, now, options_.linger);
    return false;
}

void HttpConnection::next(Time now) {
    reader_.emplace(options_.header_bytes_max, options_.body_bytes_max);
    begun_ = is_head_ = false;
    wait_ = POLLIN;
    enter(Step::kReading, now, options_.idle_timeout);
}

bool HttpConnection::drain() {
    in_ = {};
    char buffer[kReadBytes];
    for (int i = 0; i < kReadsARound; ++i) {
        const Transfer got = transport_->read(buffer, sizeof buffer);
        if (got.bytes > 0) continue;
        wait_ = got.wait;
        if (got.over) step_ = Step::kDone;
        return false;
    }
    wait_ = POLLIN;
    return true;
}

bool HttpConnection::is_late(Time now) const {
    const bool limited = step_ == Step::kReading || step_ == Step::kWriting || step_ == Step::kHangingUp;
    return limited && now >= deadline_;
}

void HttpConnection::give_up(Time now) {
    if (step_ == Step::kReading && begun_) return refuse(408, now);
    // The kernel has taken the whole answer, but not the client: it has as long for it as if it were written still.
    if (step_ == Step::kHangingUp && !is_delivered() && now < answer_deadline_) {
        deadline_ = now + options_.linger;
        return;
    }
    end();
}

bool HttpConnection::is_delivered() const {
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
