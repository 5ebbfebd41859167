// Who may ask over TCP: the certificate that the server shows, the token that clients bring, and the name by which they call
// the server. Certificate, key and token stand in files that somebody renews while the agent runs.
//
//  G1  What the files hold counts from the next look on: the token for each request, the certificate for connections that
//      are made then.
//  G2  A renewal that cannot be used, as one that is half written, leaves what was there before, and is tried again at
//      each look.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/result.h"
#include "agent/base/secret_file.h"
#include "agent/http/message.h"
#include "agent/http/options.h"
#include "agent/http/tls.h"

namespace ringside::agent {

// One thread.
class HttpGuard {
  public:
    using Time = std::chrono::steady_clock::time_point;

    // `options` outlive it.
    explicit HttpGuard(const HttpOptions& options);

    // The first read of the files: an error that names the one that is wrong.
    Result<void> open();
    // Reads again what has changed, if the last look is a second ago. What is wrong with a renewal, once: at the second
    // look that finds it so, for certificate and key are two files that change one after the other.
    std::optional<std::string> look(Time now);

    // Null: in the clear.
    TlsServer* tls() const { return tls_.get(); }
    // Nothing, or the answer of the one who may not. Of requests over TCP.
    std::optional<HttpAnswer> refusal(const HttpRequest& request) const;

  private:
    Result<void> read_token();
    Result<void> read_certificate();
    Result<void> read_changes();

    const HttpOptions& options_;
    FileWatch certificate_files_;
    SecretFile token_file_;
    std::shared_ptr<TlsServer> tls_;
    std::string token_;
    Time looked_;
    bool is_certificate_bad_ = false;  // that of the last look
    int bad_looks_ = 0;                // one after the other
};

}  // namespace ringside::agent
