#include "agent/upstream/connection.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "agent/base/secret_file.h"
#include "agent/base/text.h"
#include "agent/upstream/credentials.h"
#include "agent/upstream/options.h"

namespace ringside::agent {
namespace {

struct UrlDeleter {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

std::string part(CURLU* url, CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(url, which, &text, 0) != CURLUE_OK || text == nullptr) return {};
    std::string copy = text;
    curl_free(text);
    return copy;
}

Error bad(const std::string& what) { return error(Code::kInvalid, what); }

struct ProtocolName {
    Protocol protocol;
    const char* name;
};
constexpr std::array kProtocols = {
    ProtocolName{Protocol::kRemoteWrite, "remote-write"},
    ProtocolName{Protocol::kRemoteWrite1, "remote-write-1"},
    ProtocolName{Protocol::kRemoteWrite2, "remote-write-2"},
    ProtocolName{Protocol::kOtlpGrpc, "otlp-grpc"},
};

const char* url_example(Protocol protocol) {
    return protocol == Protocol::kOtlpGrpc ? "give one such as http://collector:4317"
                                           : "give one such as http://prometheus:9090/api/v1/write";
}

std::string list_text(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
    }
    return text;
}

// A URL with a host and one of `schemes`; `what` is how errors name it.
Result<Url> parse_url(const std::string& text, const std::string& what, const std::string& example,
                      const std::vector<std::string>& schemes) {
    Url url(curl_url());
    if (!url) return error(Code::kExhausted, "no memory to check " + what);
    // CURLU_NON_SUPPORT_SCHEME: so that the answer below names the scheme, and curl's does not.
    CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME);
    const std::size_t separator = text.find("://");
    if (code == CURLUE_BAD_SCHEME || separator == std::string::npos) return bad(what + " has no scheme; " + example);
    if (code == CURLUE_NO_HOST) return bad(what + " has no host; " + example);
    if (code != CURLUE_OK) return bad(what + " is malformed (" + curl_url_strerror(code) + "); " + example);
    const std::string scheme = part(url.get(), CURLUPART_SCHEME);
    if (std::find(schemes.begin(), schemes.end(), scheme) == schemes.end()) {
        return bad(what + " has the scheme '" + scheme + "'; use " + list_text(schemes));
    }
    // curl forgives "http:///path" and takes "path" for the host.
    if (part(url.get(), CURLUPART_HOST).empty() || text.compare(separator + 3, 1, "/") == 0) {
        return bad(what + " has no host; " + example);
    }
    return url;
}

Result<void> check_url(const UpstreamOptions& options) {
    const std::string example = url_example(options.protocol);
    if (options.url.empty()) return bad("no URL; " + example);
    const std::string what = "the URL '" + url_without_credentials(options.url) + "'";
    auto url = parse_url(options.url, what, example, {"http", "https"});
    if (!url) return url.error();
    if (options.tls.any() && part(url->get(), CURLUPART_SCHEME) != "https")
        return bad(what + " is not https, and there are keys for TLS; use https");
    const bool credentials = !part(url->get(), CURLUPART_USER).empty() || !part(url->get(), CURLUPART_PASSWORD).empty();
    if (credentials && (!options.auth.user.empty() || !options.auth.bearer_token_file.empty())) {
        return bad(what + " has a user in it, and there are keys for auth; take the user out of the URL");
    }
    if (options.protocol != Protocol::kOtlpGrpc) return {};
    if (credentials) return bad(what + " has a user in it, which gRPC does not know; use the keys of auth");
    const std::string path = part(url->get(), CURLUPART_PATH);
    if ((!path.empty() && path != "/") || !part(url->get(), CURLUPART_QUERY).empty()) {
        return bad(what + " has a path, and otlp-grpc has none; " + example);
    }
    return {};
}

Result<void> check_tls(const TlsOptions& tls) {
    const bool good = std::all_of(tls.server_name.begin(), tls.server_name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    });
    if (!good) return bad("server-name '" + tls.server_name + "' is not a name such as collector.internal");
    if (tls.cert_file.empty() == tls.key_file.empty()) return {};
    return bad("a client certificate is a pair: give both cert-file and key-file, or none");
}

Result<void> check_auth(const AuthOptions& auth) {
    if (auth.user.empty() != auth.password_file.empty()) {
        return bad("basic auth is a pair: give both user and password-file, or none");
    }
    if (auth.user.find(':') != std::string::npos) return bad("user must not hold a colon, which ends it");
    if (!auth.user.empty() && !auth.bearer_token_file.empty()) {
        return bad("give user and password-file, or bearer-token-file, not both");
    }
    return {};
}

bool good_header_name(const std::string& name) {
    constexpr std::string_view kMarks = "-_.";  // HTTP knows more of them; gRPC ends the process for any other.
    return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               kMarks.find(c) != std::string_view::npos;
    });
}

Result<void> check_headers(const UpstreamOptions& options) {
    std::vector<std::string> seen;
    for (const auto& [name, value] : options.headers) {
        const std::string shown = "the header '" + name + "' ";
        const std::string key = lower_ascii(name);
        if (!good_header_name(name)) {
            return bad(shown + "needs a name of letters, digits, -, _ and ., such as X-Scope-OrgID");
        }
        if (!good_header_value(value)) return bad(shown + "needs a value of printable ASCII");
        if (key == "authorization") return bad(shown + "is a secret: use the keys of auth, which take it from a file");
        for (const char* own : {"content-type", "content-encoding", "content-length", "transfer-encoding", "expect",
                                "host", "user-agent", "x-prometheus-remote-write-version", "retry-attempt"}) {
            if (key == own) return bad(shown + "is set by the agent");
        }
        if (options.protocol == Protocol::kOtlpGrpc && (key.starts_with("grpc-") || key.ends_with("-bin"))) {
            return bad(shown + "is one of gRPC's own; use another name");
        }
        if (std::find(seen.begin(), seen.end(), key) != seen.end()) return bad(shown + "is given twice");
        seen.push_back(key);
    }
    return {};
}

Result<void> check_proxy(const UpstreamOptions& options) {
    if (options.proxy.empty()) return {};
    const std::string what = "the proxy '" + url_without_credentials(options.proxy) + "'";
    std::vector<std::string> schemes = {"http"};  // All that gRPC knows.
    if (options.protocol != Protocol::kOtlpGrpc) {
        schemes = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
    }
    auto url = parse_url(options.proxy, what, "give one such as http://proxy:3128", schemes);
    if (!url) return url.error();
    return {};
}

Result<void> check_pem(const std::string& path) {
    if (path.empty()) return {};
    auto bytes = read_secret(path);
    if (!bytes) return bytes.error();
    if (bytes->find("-----BEGIN ") != std::string::npos) return {};
    return bad(path + " is not PEM: it has no -----BEGIN line");
}

}  // namespace

Result<Protocol> parse_protocol(const std::string& text) {
    for (const ProtocolName& known : kProtocols) {
        if (text == known.name) return known.protocol;
    }
    return bad("\"" + text + "\" is not a protocol: remote-write, remote-write-1, remote-write-2 or otlp-grpc");
}

const char* protocol_name(Protocol protocol) {
    for (const ProtocolName& known : kProtocols) {
        if (protocol == known.protocol) return known.name;
    }
    return "";
}

bool good_header_value(std::string_view value) {
    return !value.empty() && std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

Result<void> check_connection(const UpstreamOptions& options) {
    if (Result<void> url = check_url(options); !url) return url;
    if (Result<void> tls = check_tls(options.tls); !tls) return tls;
    if (Result<void> auth = check_auth(options.auth); !auth) return auth;
    if (Result<void> headers = check_headers(options); !headers) return headers;
    return check_proxy(options);
}

Result<void> check_connection_files(const UpstreamOptions& options) {
    if (auto shown = Credentials(options.auth).authorization(); !shown) return shown.error();
    for (const std::string& path : {options.tls.ca_file, options.tls.cert_file, options.tls.key_file}) {
        if (auto pem = check_pem(path); !pem) return pem;
    }
    return {};
}

UrlHost url_host(const std::string& url) {
    Url parts(curl_url());
    if (!parts || curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
    return {part(parts.get(), CURLUPART_SCHEME) == "https", part(parts.get(), CURLUPART_HOST),
            part(parts.get(), CURLUPART_PORT)};
}

std::string url_without_credentials(const std::string& url) {
    const std::size_t separator = url.find("://");
    const std::size_t begin = separator == std::string::npos ? 0 : separator + 3;
    // What is no URL may be one whose password holds a slash: then all up to the last @ may be a secret. And curl forgives
    // slashes too many or too few.
    Url parsed(curl_url());
    const bool is_url = separator != std::string::npos && url.compare(begin, 1, "/") != 0 && parsed &&
                        curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
    const std::size_t end = is_url ? url.find_first_of("/?#", begin) : std::string::npos;
    const std::size_t at = url.rfind('@', end);
    if (at == std::string::npos || at < begin) return url;
    return url.substr(0, begin) + url.substr(at + 1);
}

}  // namespace ringside::agent
