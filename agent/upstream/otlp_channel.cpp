#include "agent/upstream/otlp_channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "agent/base/secret_file.h"

namespace ringside::agent {
namespace {

constexpr char kDefaultPort[] = "4317";

struct Pem {
    std::string ca, cert, key;
};

Result<Pem> read_pem(const TlsOptions& tls) {
    Pem pem;
    for (const auto& [path, to] :
         {std::pair{&tls.ca_file, &pem.ca}, {&tls.cert_file, &pem.cert}, {&tls.key_file, &pem.key}}) {
        if (path->empty()) continue;
        auto bytes = read_secret(*path);
        if (!bytes) return bytes.error();
        *to = std::move(*bytes);
    }
    return pem;
}

std::shared_ptr<grpc::ChannelCredentials> unchecked_credentials(const Pem& pem) {
    using namespace grpc::experimental;
    TlsChannelCredentialsOptions options;
    if (!pem.key.empty()) {
        options.set_certificate_provider(
            std::make_shared<StaticDataCertificateProvider>(std::vector<IdentityKeyCertPair>{{pem.key, pem.cert}}));
        options.watch_identity_key_cert_pairs();
    }
    options.set_certificate_verifier(std::make_shared<NoOpCertificateVerifier>());
    options.set_verify_server_certs(false);
    options.set_check_call_host(false);
    return TlsCredentials(options);
}

Result<std::shared_ptr<grpc::ChannelCredentials>> credentials_of(const UpstreamOptions& options, bool secure) {
    if (!secure) return grpc::InsecureChannelCredentials();
    auto pem = read_pem(options.tls);
    if (!pem) return pem.error();
    if (options.tls.insecure_skip_verify) return unchecked_credentials(*pem);
    return grpc::SslCredentials({pem->ca, pem->key, pem->cert});
}

grpc::ChannelArguments arguments_of(const UpstreamOptions& options) {
    grpc::ChannelArguments arguments;
    arguments.SetUserAgentPrefix("ringside-agent/" + options.version);
    arguments.SetMaxReceiveMessageSize(kOtlpReplyBytesMax);
    // Repeats are Delivery's business, and what the name server says of them does not count.
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    // No connection is shared with another upstream, so that none is slowed by another's.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // Below Delivery's own waits, which grow to retry_max: a try of its should be one.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
    if (options.proxy.empty()) {
        arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // Else gRPC asks the environment.
    } else {
        arguments.SetString(GRPC_ARG_HTTP_PROXY, options.proxy);
    }
    if (!options.tls.server_name.empty()) arguments.SetSslTargetNameOverride(options.tls.server_name);
    return arguments;
}

}  // namespace

Result<std::shared_ptr<grpc::Channel>> make_otlp_channel(const UpstreamOptions& options) {
    const UrlHost host = url_host(options.url);
    auto credentials = credentials_of(options, host.secure);
    if (!credentials) return credentials.error();
    const std::string target = "dns:///" + host.host + ":" + (host.port.empty() ? kDefaultPort : host.port);
    return grpc::CreateCustomChannel(target, *credentials, arguments_of(options));
}

}  // namespace ringside::agent
