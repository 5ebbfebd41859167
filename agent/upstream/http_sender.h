// One POST at a time to a receiver. The one file that knows libcurl's transfers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/upstream/options.h"

namespace ringside::agent {

// How much of an answer is kept for the log, and how much is read before the connection is dropped.
inline constexpr std::size_t kReplyTextMax = 4096;
inline constexpr std::size_t kReplyBytesMax = 1u << 20;
// How many of an answer's headers are kept, and how much of each.
inline constexpr std::size_t kReplyHeadersMax = 64;
inline constexpr std::size_t kReplyHeaderBytesMax = 256;

struct HttpReply {
    int status = 0;        // 0: no answer; `error` says why
    std::string body;      // as sent, cut at kReplyTextMax
    std::string error;     // curl's words, with host and port
    HeaderFields headers;  // names in lower case
    bool aborted = false;  // by abort()

    // The first header of that name (in lower case).
    std::optional<std::string> header(std::string_view name) const;
};

class HttpSender {
  public:
    // `options` as they came from checked(). kInternal when curl cannot be set up.
    static Result<std::unique_ptr<HttpSender>> create(const UpstreamOptions& options);
    ~HttpSender();

    // Sends `body` with `headers` beside those of the options, and waits for the answer, at most `options.timeout`.
    // No redirects, and no proxy but that of the options. The connection is kept for the next call, unless a file of
    // the options' TLS has changed since. One thread.
    HttpReply post(const std::string& body, const HeaderFields& headers);

    // Ends the post() in hand and every later one at once. Any thread.
    void abort();

  private:
    struct Impl;
    explicit HttpSender(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// The wait that a Retry-After header asks for: seconds, or an HTTP date against `now_ns`. Nothing
// when it is neither.
std::optional<std::uint64_t> parse_retry_after(const std::string& text, std::uint64_t now_ns);

}  // namespace ringside::agent
