// One POST at a time to a remote write receiver. The one file that knows libcurl's transfers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/upstream/options.h"

namespace ringside::agent {

// How much of an answer is kept for the log, and how much is read before the connection is dropped.
inline constexpr std::size_t kReplyTextMax = 4096;
inline constexpr std::size_t kReplyBytesMax = 1u << 20;

struct HttpReply {
    int status = 0;                          // 0: no answer; `error` says why
    std::string body;                        // as sent, cut at kReplyTextMax
    std::string error;                       // curl's words, with host and port
    std::optional<std::string> retry_after;  // the header as it came
    bool aborted = false;                    // by abort()
};

class HttpSender {
  public:
    // `options` as they came from checked(). kInternal when curl cannot be set up.
    static Result<std::unique_ptr<HttpSender>> create(const UpstreamOptions& options);
    ~HttpSender();

    // Sends one snappy-compressed WriteRequest and waits for the answer, at most `options.timeout`.
    // `attempt` counts from 0; a repeat says so in a header. No redirects, no proxy from the
    // environment. The connection is kept for the next call. One thread.
    HttpReply post(const std::string& body, std::uint32_t attempt);

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
