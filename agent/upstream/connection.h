// How a receiver is reached and what the agent shows it: the part of an upstream's options that ends in a socket.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace ringside::agent {

enum class Protocol {
    kRemoteWrite,   // 2.0, and 1.0 for a receiver that does not know it
    kRemoteWrite1,  // 1.0 alone
    kRemoteWrite2,  // 2.0 alone
    kOtlpGrpc,
};

// As it stands in the upstreams file: "remote-write", "remote-write-1", "remote-write-2", "otlp-grpc".
Result<Protocol> parse_protocol(const std::string& text);
const char* protocol_name(Protocol protocol);

struct TlsOptions {
    std::string ca_file;                // PEM; "": those that the system trusts
    std::string cert_file, key_file;    // PEM, both or none: shown to a receiver that asks for a certificate
    std::string server_name;            // that the receiver's certificate must have; "": the URL's host
    bool insecure_skip_verify = false;  // any certificate will do
    bool any() const {
        return !ca_file.empty() || !cert_file.empty() || !key_file.empty() || !server_name.empty() ||
               insecure_skip_verify;
    }
};

// Basic, with a user and a password, or a bearer token, or neither. The files are read again when they have changed.
struct AuthOptions {
    std::string user;
    std::string password_file;
    std::string bearer_token_file;
};

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

// Printable ASCII, and some of it: what a header may hold in HTTP and gRPC. gRPC ends the process for anything else.
bool good_header_value(std::string_view value);

struct UpstreamOptions;

// kInvalid with what is wrong with URL, TLS, auth, headers or proxy, and what it should look like.
Result<void> check_connection(const UpstreamOptions& options);

// Opens each file that the options name, as a sender will. The first that cannot be used, and why.
Result<void> check_connection_files(const UpstreamOptions& options);

// Where a URL that has been checked leads.
struct UrlHost {
    bool secure = false;  // https
    std::string host;     // an IPv6 address in its brackets
    std::string port;     // "": not given
};
UrlHost url_host(const std::string& url);

// `url` without user and password, for logs.
std::string url_without_credentials(const std::string& url);

}  // namespace ringside::agent
