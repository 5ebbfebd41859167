#include "agent/api/http_codec.h"

#include <httplib.h>

#include <algorithm>
#include <exception>

namespace ringside::agent {
namespace {

constexpr const char* kPlain = "text/plain; charset=utf-8";

// What httplib takes for a connection.
class MemoryStream : public httplib::Stream {
  public:
    explicit MemoryStream(std::string_view in) : in_(in) {}

    bool is_readable() const override { return !in_.empty(); }
    bool is_writable() const override { return true; }
    ssize_t read(char* to, std::size_t size) override {
        const std::size_t count = std::min(size, in_.size());
        std::copy_n(in_.data(), count, to);
        in_.remove_prefix(count);
        return static_cast<ssize_t>(count);
    }
    ssize_t write(const char* from, std::size_t size) override {
        out_.append(from, size);
        return static_cast<ssize_t>(size);
    }
    void get_remote_ip_and_port(std::string& ip, int& port) const override { unknown(ip, port); }
    void get_local_ip_and_port(std::string& ip, int& port) const override { unknown(ip, port); }
    socket_t socket() const override { return 0; }  // Looked at only to tell whether select() could take it.

    std::string take() { return std::move(out_); }

  private:
    static void unknown(std::string& ip, int& port) {
        ip.clear();
        port = 0;
    }

    std::string_view in_;
    std::string out_;
};

class Codec : public httplib::Server {
  public:
    explicit Codec(const HttpHandler& handler) {
        set_pre_routing_handler([&handler](const httplib::Request& request, httplib::Response& response) {
            route(request, response, handler);
            return HandlerResponse::Handled;
        });
        set_error_handler([](const httplib::Request&, httplib::Response& response) {
            if (!response.body.empty()) return;
            response.set_content("HTTP status " + std::to_string(response.status) + "\n", kPlain);
        });
        // Every other method comes with a body that nobody reads.
        set_expect_100_continue_handler([](const httplib::Request&, httplib::Response&) { return 417; });
    }

    std::string answer(std::string_view bytes) {
        MemoryStream stream(bytes);
        bool closed = false;
        process_request(stream, true, closed, nullptr);
        return stream.take();
    }

  private:
    static void route(const httplib::Request& request, httplib::Response& response, const HttpHandler& handler) {
        // httplib would serve ranges and compress. A few kilobytes of ranges ask for gigabytes, and neither is of use here;
        // the object is httplib's own, not const, and it reads both again after this.
        auto& mine = const_cast<httplib::Request&>(request);
        mine.ranges.clear();
        mine.headers.erase("Accept-Encoding");
        if (request.method != "GET" && request.method != "HEAD") {
            response.status = 405;
            response.set_header("Allow", "GET, HEAD");
            response.set_content("only GET and HEAD are answered here\n", kPlain);
            return;
        }
        HttpAnswer answer = handler({request.method, request.path});
        response.status = answer.status;
        response.set_content(std::move(answer.body), answer.content_type);
    }
};

}  // namespace

std::string answer_http(std::string_view request, const HttpHandler& handler) {
    try {
        Codec codec(handler);
        std::string answer = codec.answer(request);
        return answer.empty() ? http_error(400, "Bad Request") : answer;
    } catch (const std::exception&) {
        // httplib throws on some malformed numbers in headers, and when memory ends.
        return http_error(400, "Bad Request");
    }
}

std::string http_error(int status, std::string_view text) {
    std::string answer = "HTTP/1.1 " + std::to_string(status) + " " + std::string(text) + "\r\n";
    answer += "Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ";
    answer += std::to_string(text.size() + 1) + "\r\n\r\n" + std::string(text) + "\n";
    return answer;
}

}  // namespace ringside::agent
