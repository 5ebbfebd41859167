#include "agent/http/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace ringside::agent {
namespace {

using Context = std::shared_ptr<SSL_CTX>;

// OpenSSL's own socket BIO writes with write(), so that a client that hangs up would end a process that has not ignored
// SIGPIPE.
int bio_write(BIO* bio, const char* from, int size) {
    BIO_clear_retry_flags(bio);
    const ssize_t count = send(static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))), from,
                               static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
    return static_cast<int>(count);
}
int bio_read(BIO* bio, char* to, int size) {
    BIO_clear_retry_flags(bio);
    const ssize_t count = recv(static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))), to,
                               static_cast<std::size_t>(size), 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
    return static_cast<int>(count);
}
long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* bio_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ringside http socket");
        BIO_meth_set_write(made, bio_write);
        BIO_meth_set_read(made, bio_read);
        BIO_meth_set_ctrl(made, bio_control);
        return made;
    }();
    return method;
}

class TlsTransport : public Transport {
  public:
    TlsTransport(Context context, SSL* ssl) : context_(std::move(context)), ssl_(ssl) {}
    ~TlsTransport() override { SSL_free(ssl_); }

    Transfer read(char* to, std::size_t size) override {
        return outcome(SSL_read(ssl_, to, static_cast<int>(std::min<std::size_t>(size, INT_MAX))));
    }
    Transfer write(const char* from, std::size_t size) override {
        return outcome(SSL_write(ssl_, from, static_cast<int>(std::min<std::size_t>(size, INT_MAX))));
    }
    void finish() override {
        SSL_shutdown(ssl_);  // At most a close_notify that finds no room, and the client sees the end of TCP alone.
        ERR_clear_error();
        shutdown(static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(SSL_get_wbio(ssl_)))), SHUT_WR);
    }

  private:
    Transfer outcome(int count) {
        if (count > 0) return {.bytes = static_cast<std::size_t>(count)};
        const int reason = SSL_get_error(ssl_, count);
        // The queue of errors is the thread's, and the next call's verdict depends on it.
        ERR_clear_error();
        if (reason == SSL_ERROR_WANT_READ) return {.wait = POLLIN};
        if (reason == SSL_ERROR_WANT_WRITE) return {.wait = POLLOUT};
        return {.over = true};
    }

    const Context context_;
    SSL* const ssl_;
};

class OpenSslServer : public TlsServer {
  public:
    explicit OpenSslServer(Context context) : context_(std::move(context)) {}

    std::unique_ptr<Transport> transport(int fd) override {
        SSL* ssl = SSL_new(context_.get());
        BIO* bio = ssl ? BIO_new(bio_method()) : nullptr;
        if (!bio) {
            SSL_free(ssl);
            return nullptr;
        }
        BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
        BIO_set_init(bio, 1);
        SSL_set_bio(ssl, bio, bio);
        SSL_set_accept_state(ssl);
        return std::make_unique<TlsTransport>(context_, ssl);
    }

  private:
    const Context context_;
};

Error tls_error(const std::string& what) {
    const char* reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return error(Code::kInvalid, what + (reason ? std::string(": ") + reason : ""));
}

}  // namespace

Result<std::shared_ptr<TlsServer>> TlsServer::make(const std::string& certificate_path, const std::string& key_path) {
    ERR_clear_error();
    const Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    if (!context) return tls_error("cannot set up TLS");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // A renegotiation costs the server much and the client little.
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION);
    if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_path.c_str()) != 1) {
        return tls_error("cannot read a certificate in PEM from " + certificate_path);
    }
    if (SSL_CTX_use_PrivateKey_file(context.get(), key_path.c_str(), SSL_FILETYPE_PEM) != 1) {
        return tls_error("cannot read the key of " + certificate_path + " in PEM from " + key_path);
    }
    return std::shared_ptr<TlsServer>(std::make_shared<OpenSslServer>(context));
}

}  // namespace ringside::agent
