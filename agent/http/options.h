// Where the HTTP server listens and what it bears.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/caller.h"
#include "agent/base/unix_socket.h"

namespace ringside::agent {

struct HttpOptions {
    std::string address = "127.0.0.1";  // numeric; "::1" for IPv6; "": no TCP
    std::uint16_t port = 0;             // 0: any free one
    // Of the TCP port. Certificate and key stand together; other addresses than loopback need all three.
    std::string certificate_path;
    std::string key_path;
    std::string token_path;               // a file; its content, trimmed, is what "Authorization: Bearer" has to bring
    std::vector<std::string> open_paths;  // answered without the token
    std::optional<UnixSocketOptions> socket;  // a Unix socket, in the clear and without token
    AccessPolicy policy;                      // who may connect there

    std::size_t connections_max = 128;
    std::size_t header_bytes_max = 16 * 1024;
    std::size_t body_bytes_max = 256 * 1024;            // a query of 64 KiB, each byte of it escaped
    std::size_t answers_bytes_max = 128 * 1024 * 1024;  // that wait for their readers, all together
    std::chrono::milliseconds read_timeout{5'000};      // for the headers of a request
    std::chrono::milliseconds body_timeout{10'000};     // for what follows them
    std::chrono::milliseconds idle_timeout{60'000};     // for a next request to begin
    std::chrono::milliseconds write_timeout{10'000};    // for an answer, and a second more for each MiB
    std::chrono::milliseconds linger{1'000};            // for the client to hang up after it
};

// kInvalid when the options would show to other hosts what only this one may see.
Result<void> check_exposure(const HttpOptions& options);

}  // namespace ringside::agent
