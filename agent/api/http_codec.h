// HTTP as bytes in, bytes out: cpp-httplib parses requests and writes answers, on memory alone. The only file that knows
// cpp-httplib is http_codec.cpp.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace ringside::agent {

struct HttpRequest {
    std::string method;  // GET or HEAD, nothing else gets here
    std::string path;    // without the query, percent escapes resolved
};

struct HttpAnswer {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
};

// Must not throw, and not block: it runs on the thread that serves every connection.
using HttpHandler = std::function<HttpAnswer(const HttpRequest& request)>;

// Answers one request, given from its first byte to the empty line after its headers. Whatever the bytes are, the result is
// a whole answer that ends the connection: 400 for what is no request, 405 for another method, else the handler's (its body
// is left out for HEAD). Content-Encoding and Range are not served: the answer is always whole and plain.
std::string answer_http(std::string_view request, const HttpHandler& handler);

// An answer without a request that could be parsed: 408, 431.
std::string http_error(int status, std::string_view text);

}  // namespace ringside::agent
