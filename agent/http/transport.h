// The bytes of a connection, in the clear or through TLS. Never blocks.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>

namespace ringside::agent {

// How a read or a write ended.
struct Transfer {
    std::size_t bytes = 0;  // 0: none, then one of the two below is set
    short wait = 0;         // POLLIN or POLLOUT: try again once the descriptor is ready for it
    bool over = false;      // the other end has hung up, or the connection is broken
};

class Transport {
  public:
    virtual ~Transport() = default;

    virtual Transfer read(char* to, std::size_t size) = 0;
    virtual Transfer write(const char* from, std::size_t size) = 0;
    // Tells the other end that nothing follows. Reading goes on.
    virtual void finish() = 0;
};

// The socket stays the caller's.
std::unique_ptr<Transport> plain_transport(int fd);

}  // namespace ringside::agent
