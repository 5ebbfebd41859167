#include "agent/http/codec.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>

#include "agent/base/text.h"
#include "agent/http/form.h"

namespace ringside::agent {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::size_t kChunkLinesMax = 64 * 1024;  // of a body in chunks, beside what they hold

std::string header(const http::fields& fields, http::field name) {
    const auto text = fields[name];
    return {text.data(), text.size()};
}

// `gzip`, or else `*`, with a weight that is not zero.
bool accepts_gzip(const std::string& accepted) {
    bool any = false;
    for (std::string_view rest = accepted; !rest.empty();) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        const std::string item = lower_ascii(trimmed(rest.substr(0, comma)));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        const std::size_t semicolon = std::min(item.find(';'), item.size());
        const std::string_view coding = trimmed(std::string_view(item).substr(0, semicolon));
        if (coding != "gzip" && coding != "*") continue;
        const std::size_t weight = item.find("q=", semicolon);
        const bool wanted = weight == std::string::npos || item.find_first_of("123456789", weight) != std::string::npos;
        if (coding == "gzip") return wanted;
        any = wanted;
    }
    return any;
}

int status_of(const beast::error_code& failure) {
    if (failure == http::error::header_limit) return 431;
    if (failure == http::error::body_limit) return 413;
    return 400;
}

}  // namespace

struct HttpReader::Parser {
    http::request_parser<http::string_body> beast;
};

HttpReader::HttpReader(std::size_t header_bytes_max, std::size_t body_bytes_max)
    : parser_(std::make_unique<Parser>()), header_bytes_max_(header_bytes_max), body_bytes_max_(body_bytes_max) {
    parser_->beast.header_limit(static_cast<std::uint32_t>(header_bytes_max));
    parser_->beast.body_limit(body_bytes_max);
}

HttpReader::~HttpReader() = default;

void HttpReader::take(std::string& bytes) {
    auto& parser = parser_->beast;
    std::size_t taken = 0;
    while (error_status_ == 0 && !parser.is_done() && taken < bytes.size()) {
        beast::error_code failure;
        const bool had_header = parser.is_header_done();
        const std::size_t count =
            parser.put(boost::asio::const_buffer(bytes.data() + taken, bytes.size() - taken), failure);
        taken += count;
        (had_header ? body_bytes_ : header_bytes_) += count;
        if (failure && failure != http::error::need_more) error_status_ = status_of(failure);
        if (!had_header && parser.is_header_done() && error_status_ == 0) {
            read_header();
            parser.eager(true);  // from here on a call may take more than one part
        }
        if (count == 0) break;
    }
    bytes.erase(0, taken);
    if (error_status_ == 0 && !parser.is_done()) check_size(bytes.size());
}

// The parser limits a block of headers by the piece that it sees, and neither the line before a chunk nor what follows the
// last one. `waiting`: bytes of the request that it cannot take before more come.
void HttpReader::check_size(std::size_t waiting) {
    if (!parser_->beast.is_header_done()) {
        if (header_bytes_ + waiting > header_bytes_max_) error_status_ = 431;
        return;
    }
    if (waiting > header_bytes_max_) error_status_ = 400;
    if (body_bytes_ > body_bytes_max_ + kChunkLinesMax) error_status_ = 413;
}

// Only what stands in the header block counts, not the fields that may follow a body in chunks.
void HttpReader::read_header() {
    const auto& message = parser_->beast.get();
    const bool known_version = message.version() == 10 || message.version() == 11;
    // A request without a host is a mistake of the client that proxies resolve in different ways.
    if (!known_version || (message.version() == 11 && message.count(http::field::host) != 1)) error_status_ = 400;
    // Where a request ends must not be a matter of opinion between a proxy and this server (RFC 9112, 6.3).
    const bool is_coded = message.count(http::field::transfer_encoding) != 0;
    const std::string coding = lower_ascii(trimmed(header(message, http::field::transfer_encoding)));
    if (is_coded && (message.version() == 10 || coding != "chunked")) error_status_ = 400;
    // Nobody here looks at a header and then decides whether it wants the body.
    if (message.count(http::field::expect) != 0) error_status_ = 417;

    request_.method = std::string(message.method_string());
    const std::string target(message.target());
    const std::size_t question = std::min(target.find('?'), target.size());
    request_.path = percent_decoded(std::string_view(target).substr(0, question));
    if (question < target.size()) request_.query = target.substr(question + 1);
    request_.content_type = header(message, http::field::content_type);
    request_.content_encoding = header(message, http::field::content_encoding);
    request_.authorization = header(message, http::field::authorization);
    request_.host = std::string(trimmed(header(message, http::field::host)));
    request_.takes_interim = message.version() == 11;
    request_.takes_gzip = accepts_gzip(header(message, http::field::accept_encoding));
    request_.keep_alive = message.keep_alive();
}

bool HttpReader::has_header() const { return parser_->beast.is_header_done(); }
bool HttpReader::is_whole() const { return error_status_ == 0 && parser_->beast.is_done(); }

HttpRequest HttpReader::request() {
    request_.body = std::move(parser_->beast.get().body());
    return std::move(request_);
}

std::string http_head(const HttpAnswer& answer, std::size_t body_bytes, bool keep_alive) {
    const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(answer.status)));
    std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " " + std::string(reason) + "\r\n";
    head += keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
    for (const auto& [name, value] : answer.headers) head += name + ": " + value + "\r\n";
    if (answer.status != 204) {
        head += "Content-Type: " + answer.content_type + "\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n";
    }
    return head + "\r\n";
}

HttpAnswer http_error(int status) {
    const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
    return {.status = status, .body = std::string(reason) + "\n"};
}

}  // namespace ringside::agent
