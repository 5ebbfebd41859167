// Bytes to requests, answers to bytes. The only file that knows Boost.Beast, which parses, is codec.cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "agent/http/message.h"

namespace ringside::agent {

// Reads one request, in as many pieces as it comes in.
class HttpReader {
  public:
    // A header block over `header_bytes_max` is a 431, a body over `body_bytes_max` a 413. It asks for at most as much memory,
    // and after take() at most `header_bytes_max` bytes of a request that is not whole are left.
    HttpReader(std::size_t header_bytes_max, std::size_t body_bytes_max);
    ~HttpReader();

    // Takes what belongs to the request off the begin of `bytes`. What is left has to be given again, with more behind it;
    // after the end of the request it is the next one's.
    void take(std::string& bytes);

    bool has_header() const;
    bool is_whole() const;
    // 0, or what the client gets instead of an answer: 400, 413, 417, 431.
    int error_status() const { return error_status_; }
    HttpRequest request();  // once, when is_whole()

  private:
    struct Parser;

    void read_header();
    void check_size(std::size_t waiting);

    std::unique_ptr<Parser> parser_;
    const std::size_t header_bytes_max_, body_bytes_max_;
    std::size_t header_bytes_ = 0, body_bytes_ = 0;  // taken so far; of the body with the lines between chunks
    HttpRequest request_;
    int error_status_ = 0;
};

// Status line and headers up to the empty line; `body_bytes` is what Content-Length says.
std::string http_head(const HttpAnswer& answer, std::size_t body_bytes, bool keep_alive);

// A line of text about a request that came to no handler.
HttpAnswer http_error(int status);

}  // namespace ringside::agent
