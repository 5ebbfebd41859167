// TLS of the HTTP server. The only file that knows OpenSSL is tls.cpp.
#pragma once

#include <memory>
#include <string>

#include "agent/base/result.h"
#include "agent/http/transport.h"

namespace ringside::agent {

// Certificate and key, for all connections. TLS 1.2 and later.
class TlsServer {
  public:
    // PEM files: the certificate with what it is signed by, and its key. kInvalid names the file and what is wrong with it.
    static Result<std::shared_ptr<TlsServer>> make(const std::string& certificate_path, const std::string& key_path);
    virtual ~TlsServer() = default;

    // Of a connection that was accepted. The socket stays the caller's. Null when memory ends.
    virtual std::unique_ptr<Transport> transport(int fd) = 0;
};

}  // namespace ringside::agent
