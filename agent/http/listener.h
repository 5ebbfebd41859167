// Where HTTP is listened for over TCP.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace ringside::agent {

struct TcpListener {
    int fd = -1;             // the caller's
    std::uint16_t port = 0;  // the real one
};

// `address` is numeric; port 0 is any free one. kInvalid for an address that is none, kExists when the port is taken, or
// what the system calls return.
Result<TcpListener> listen_tcp(const std::string& address, std::uint16_t port);

// Whether only this host reaches the address: 127.0.0.0/8 and ::1. kInvalid for one that is not numeric.
Result<bool> is_loopback(const std::string& address);

}  // namespace ringside::agent
