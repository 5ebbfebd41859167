#include "agent/http/transport.h"

#include <sys/socket.h>

#include <cerrno>

namespace ringside::agent {
namespace {

class PlainTransport : public Transport {
  public:
    explicit PlainTransport(int fd) : fd_(fd) {}

    Transfer read(char* to, std::size_t size) override { return outcome(recv(fd_, to, size, 0), POLLIN); }
    Transfer write(const char* from, std::size_t size) override {
        return outcome(send(fd_, from, size, MSG_NOSIGNAL), POLLOUT);
    }
    void finish() override { shutdown(fd_, SHUT_WR); }

  private:
    static Transfer outcome(ssize_t count, short wait) {
        if (count > 0) return {.bytes = static_cast<std::size_t>(count)};
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return {.wait = wait};
        return {.over = true};
    }

    const int fd_;
};

}  // namespace

std::unique_ptr<Transport> plain_transport(int fd) { return std::make_unique<PlainTransport>(fd); }

}  // namespace ringside::agent
