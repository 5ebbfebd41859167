#include "agent/http/guard.h"

#include <algorithm>
#include <utility>

#include "agent/base/text.h"
#include "agent/http/listener.h"

namespace ringside::agent {
namespace {

constexpr std::chrono::seconds kLookInterval{1};

// In the same time wherever they differ, so that nobody finds a token byte by byte.
bool same_secret(std::string_view given, std::string_view secret) {
    unsigned difference = given.size() != secret.size();
    for (std::size_t i = 0; i < std::min(given.size(), secret.size()); ++i) {
        difference |= static_cast<unsigned char>(given[i] ^ secret[i]);
    }
    return difference == 0;
}

bool brings(const HttpRequest& request, const std::string& token) {
    constexpr std::string_view kScheme = "bearer ";
    const std::string_view given = request.authorization;
    return lower_ascii(given.substr(0, kScheme.size())) == kScheme &&
           same_secret(trimmed(given.substr(kScheme.size())), token);
}

// "localhost:9465", "127.0.0.1", "[::1]:9465". A browser cannot be made to send such a host with a page of another site, for
// that one has a name; whichever address the name is made to lead to.
bool is_this_host(std::string_view host) {
    if (host.empty()) return true;  // HTTP/1.0; browsers always send one
    if (host.front() == '[') {
        const std::size_t end = host.find(']');
        return end != std::string_view::npos && is_loopback(std::string(host.substr(1, end - 1))).ok();
    }
    const std::string name = lower_ascii(host.substr(0, host.find(':')));
    return name == "localhost" || is_loopback(name).ok();
}

}  // namespace

HttpGuard::HttpGuard(const HttpOptions& options)
    : options_(options),
      certificate_files_({options.certificate_path, options.key_path}),
      token_file_(options.token_path) {}

Result<void> HttpGuard::open() {
    certificate_files_.changed();  // Before they are read: what changes later is seen then.
    if (auto read = read_token(); !read) return read;
    return read_certificate();
}

Result<void> HttpGuard::read_token() {
    if (!token_file_.given()) return {};
    auto text = token_file_.read();
    if (!text) return text.error();
    std::string token(trimmed(*text));
    if (token.empty()) {
        return error(Code::kInvalid, token_file_.path() + " holds no token; write a long random one into it");
    }
    token_ = std::move(token);
    return {};
}

Result<void> HttpGuard::read_certificate() {
    if (options_.certificate_path.empty()) return {};
    auto tls = TlsServer::make(options_.certificate_path, options_.key_path);
    is_certificate_bad_ = !tls;
    if (!tls) return tls.error();
    tls_ = std::move(*tls);
    return {};
}

Result<void> HttpGuard::read_changes() {
    const bool changed = certificate_files_.changed();
    auto certificate = changed || is_certificate_bad_ ? read_certificate() : Result<void>();
    auto token = read_token();
    return certificate ? token : certificate;
}

std::optional<std::string> HttpGuard::look(Time now) {
    if (now - looked_ < kLookInterval) return std::nullopt;
    looked_ = now;
    const auto read = read_changes();
    bad_looks_ = read ? 0 : bad_looks_ + 1;
    if (bad_looks_ != 2) return std::nullopt;
    return "a renewed certificate, key or token cannot be used, the one before goes on: " + read.error().message();
}

std::optional<HttpAnswer> HttpGuard::refusal(const HttpRequest& request) const {
    if (std::ranges::find(options_.open_paths, request.path) != options_.open_paths.end()) return std::nullopt;
    if (token_file_.given()) {
        if (brings(request, token_)) return std::nullopt;
        return HttpAnswer{.status = 401,
                          .body = "this port asks for a token: send the header Authorization: Bearer TOKEN\n",
                          .headers = {{"WWW-Authenticate", "Bearer"}}};
    }
    // A page of another site may call this host by a name of its own, and would read the answers as its own pages.
    if (is_this_host(request.host)) return std::nullopt;
    return HttpAnswer{
        .status = 403,
        .body =
            "this port is called localhost or by a loopback address; a proxy has to send the header Host: "
            "localhost, or the agent be given an http-token-file\n"};
}

}  // namespace ringside::agent
