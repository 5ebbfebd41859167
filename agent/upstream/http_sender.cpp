#include "agent/upstream/http_sender.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <string_view>

#include "agent/base/secret_file.h"
#include "agent/base/text.h"

namespace ringside::agent {
namespace {

struct EasyDeleter {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;
using Multi = std::unique_ptr<CURLM, MultiDeleter>;
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

bool curl_ready() {
    static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    return ready;
}

bool add_line(HeaderList& list, const std::string& header) {
    curl_slist* longer = curl_slist_append(list.get(), header.c_str());
    if (longer == nullptr) return false;
    (void)list.release();  // It is part of the longer one now.
    list.reset(longer);
    return true;
}

// What curl's callbacks fill while an answer comes in.
struct Incoming {
    HttpReply* reply;
    std::size_t body_bytes = 0;
    bool headers_done = false;
};

std::size_t on_body(char* bytes, std::size_t, std::size_t size, void* context) {
    auto& incoming = *static_cast<Incoming*>(context);
    std::string& kept = incoming.reply->body;
    kept.append(bytes, std::min(size, kReplyTextMax - kept.size()));
    incoming.body_bytes += size;
    return incoming.body_bytes > kReplyBytesMax ? 0 : size;  // Anything but `size` ends it.
}

std::size_t on_header(char* bytes, std::size_t, std::size_t size, void* context) {
    auto& incoming = *static_cast<Incoming*>(context);
    std::string_view line(bytes, size);
    HeaderFields& headers = incoming.reply->headers;
    if (line.starts_with("HTTP/")) {  // Also after a 100: only the last answer counts.
        incoming.headers_done = false;
        headers.clear();
    }
    if (trimmed(line).empty()) incoming.headers_done = true;
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && headers.size() < kReplyHeadersMax && size <= kReplyHeaderBytesMax) {
        headers.emplace_back(lower_ascii(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
    }
    return size;
}

}  // namespace

struct HttpSender::Impl {
    explicit Impl(const UpstreamOptions& given)
        : options(given), files({given.tls.ca_file, given.tls.cert_file, given.tls.key_file}), url(given.url) {}

    Easy easy;
    Multi multi;
    const UpstreamOptions options;
    FileWatch files;
    std::string url;         // as curl gets it
    std::string connect_to;  // "NAME:PORT:HOST:PORT"; "": where the URL says
    HeaderFields always;     // headers of every request
    char error_text[CURL_ERROR_SIZE] = {};
    std::atomic<bool> aborted{false};

    bool set_up();
    bool take_server_name();
    void set_tls();
    CURLcode run();
};

bool HttpSender::Impl::set_up() {
    easy.reset(curl_easy_init());
    multi.reset(curl_multi_init());
    if (!easy || !multi) return false;
    // Never two, so that a fresh one ends the old one.
    curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, 1L);
    always = options.headers;
    always.emplace_back("User-Agent", "ringside-agent/" + options.version);
    always.emplace_back("Expect", "");  // No 100-continue: it costs a round trip, and old receivers stall.
    return options.tls.server_name.empty() || take_server_name();
}

// curl checks the certificate against the URL's host. So the URL gets the name that it must have, and the connection and
// the Host header stay with the host that was given.
bool HttpSender::Impl::take_server_name() {
    std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parts(curl_url(), curl_url_cleanup);
    auto part = [&](CURLUPart which, unsigned flags) {
        char* text = nullptr;
        if (curl_url_get(parts.get(), which, &text, flags) != CURLUE_OK) return std::string();
        std::string copy = text;
        curl_free(text);
        return copy;
    };
    if (!parts || curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return false;
    const std::string host = part(CURLUPART_HOST, 0), port = part(CURLUPART_PORT, CURLU_DEFAULT_PORT);
    const std::string given_port = part(CURLUPART_PORT, 0);
    if (curl_url_set(parts.get(), CURLUPART_HOST, options.tls.server_name.c_str(), 0) != CURLUE_OK) return false;
    url = part(CURLUPART_URL, 0);
    connect_to = options.tls.server_name + ":" + port + ":" + host + ":" + port;
    always.emplace_back("Host", given_port.empty() ? host : host + ":" + given_port);
    return !url.empty();
}

void HttpSender::Impl::set_tls() {
    auto path = [&](CURLoption option, const std::string& file) {
        if (!file.empty()) curl_easy_setopt(easy.get(), option, file.c_str());
    };
    path(CURLOPT_CAINFO, options.tls.ca_file);
    path(CURLOPT_SSLCERT, options.tls.cert_file);
    path(CURLOPT_SSLKEY, options.tls.key_file);
    curl_easy_setopt(easy.get(), CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(easy.get(), CURLOPT_SSL_VERIFYPEER, options.tls.insecure_skip_verify ? 0L : 1L);
    curl_easy_setopt(easy.get(), CURLOPT_SSL_VERIFYHOST, options.tls.insecure_skip_verify ? 0L : 2L);
    curl_easy_setopt(easy.get(), CURLOPT_CA_CACHE_TIMEOUT, 0L);  // Else a new file is not seen for a day.
    if (!files.changed()) return;
    // What the old files said must not live on in a connection or a session.
    curl_easy_setopt(easy.get(), CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_SSL_SESSIONID_CACHE, 0L);
}

CURLcode HttpSender::Impl::run() {
    CURLMcode added = curl_multi_add_handle(multi.get(), easy.get());
    if (added != CURLM_OK) return CURLE_FAILED_INIT;
    CURLcode result = CURLE_ABORTED_BY_CALLBACK;
    int running = 1;
    while (running > 0 && !aborted.load(std::memory_order_acquire)) {
        if (curl_multi_perform(multi.get(), &running) != CURLM_OK) {
            result = CURLE_FAILED_INIT;
            break;
        }
        // abort() ends this wait by curl_multi_wakeup; curl's own timers bound it as well.
        if (running > 0) curl_multi_poll(multi.get(), nullptr, 0, 1000, nullptr);
    }
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
        if (message->msg == CURLMSG_DONE) result = message->data.result;
    }
    curl_multi_remove_handle(multi.get(), easy.get());
    return result;
}

std::optional<std::string> HttpReply::header(std::string_view name) const {
    for (const auto& [known, value] : headers) {
        if (known == name) return value;
    }
    return std::nullopt;
}

HttpSender::HttpSender(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpSender::~HttpSender() = default;

Result<std::unique_ptr<HttpSender>> HttpSender::create(const UpstreamOptions& options) {
    auto impl = std::make_unique<Impl>(options);
    if (!curl_ready() || !impl->set_up()) {
        return error(Code::kInternal, "cannot set up the HTTP client: libcurl has no memory or no TLS");
    }
    return std::unique_ptr<HttpSender>(new HttpSender(std::move(impl)));
}

HttpReply HttpSender::post(const std::string& body, const HeaderFields& headers) {
    HttpReply reply;
    Incoming incoming{&reply};
    CURL* easy = impl_->easy.get();
    HeaderList lines, connect_to;
    HeaderFields all = headers;
    all.insert(all.end(), impl_->always.begin(), impl_->always.end());
    for (const auto& [name, value] : all) add_line(lines, name + ": " + value);

    curl_easy_reset(easy);  // Keeps connections and names that were resolved.
    impl_->error_text[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, impl_->error_text);
    curl_easy_setopt(easy, CURLOPT_URL, impl_->url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // abort() does not wait for a name server.
    // Configuration comes from the options alone, so both are set: else curl asks the environment.
    curl_easy_setopt(easy, CURLOPT_PROXY, impl_->options.proxy.c_str());
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // A proxy's answer is not the receiver's.
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(impl_->options.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines.get());
    if (!impl_->connect_to.empty() && add_line(connect_to, impl_->connect_to)) {
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to.get());
    }
    impl_->set_tls();
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &incoming);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &incoming);

    CURLcode result = impl_->run();
    reply.aborted = impl_->aborted.load(std::memory_order_acquire);
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    // The status is the answer. A body that is too long, too slow or broken off does not change it,
    // and must not make an acknowledged request look as if it had to be sent again.
    if (incoming.headers_done && status >= 200) {
        reply.status = static_cast<int>(status);
    } else if (result == CURLE_OK) {  // curl forgives headers that are cut off; what they would have said is not known.
        reply.error = "the answer ended within its headers";
    } else {
        reply.error = impl_->error_text[0] != '\0' ? impl_->error_text : curl_easy_strerror(result);
    }
    return reply;
}

void HttpSender::abort() {
    impl_->aborted.store(true, std::memory_order_release);
    curl_multi_wakeup(impl_->multi.get());
}

std::optional<std::uint64_t> parse_retry_after(const std::string& text, std::uint64_t now_ns) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    constexpr std::uint64_t kFar = std::uint64_t{365} * 24 * 3600;
    std::string_view value = trimmed(text);
    std::uint64_t seconds = 0;
    auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (end == value.data() + value.size() && !value.empty()) {
        if (code == std::errc::result_out_of_range) seconds = kFar;
        return std::min(seconds, kFar) * kSecond;
    }
    time_t date = curl_getdate(std::string(value).c_str(), nullptr);
    if (date < 0) return std::nullopt;
    std::uint64_t at_s = static_cast<std::uint64_t>(date);
    std::uint64_t now_s = now_ns / kSecond;
    return at_s > now_s ? std::min(at_s - now_s, kFar) * kSecond : 0;
}

}  // namespace ringside::agent
