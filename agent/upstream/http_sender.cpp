#include "agent/upstream/http_sender.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <mutex>
#include <string_view>

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

bool add_header(HeaderList& list, const std::string& header) {
    curl_slist* longer = curl_slist_append(list.get(), header.c_str());
    if (longer == nullptr) return false;
    (void)list.release();  // It is part of the longer one now.
    list.reset(longer);
    return true;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
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
    if (line.starts_with("HTTP/")) {  // Also after a 100: only the last answer counts.
        incoming.headers_done = false;
        incoming.reply->retry_after.reset();
    }
    if (trimmed(line).empty()) incoming.headers_done = true;
    std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && same_ignoring_case(line.substr(0, colon), "retry-after")) {
        incoming.reply->retry_after = std::string(trimmed(line.substr(colon + 1)));
    }
    return size;
}

}  // namespace

struct HttpSender::Impl {
    Easy easy;
    Multi multi;
    HeaderList headers;
    std::string url;
    long timeout_ms = 0;
    char error_text[CURL_ERROR_SIZE] = {};
    std::atomic<bool> aborted{false};

    bool set_up(const UpstreamOptions& options);
    CURLcode run();
};

bool HttpSender::Impl::set_up(const UpstreamOptions& options) {
    easy.reset(curl_easy_init());
    multi.reset(curl_multi_init());
    if (!easy || !multi) return false;
    url = options.url;
    timeout_ms = static_cast<long>(options.timeout.count());
    for (const std::string& header : {
             std::string("Content-Type: application/x-protobuf"), std::string("Content-Encoding: snappy"),
             std::string("X-Prometheus-Remote-Write-Version: 0.1.0"), "User-Agent: ringside-agent/" + options.version,
             std::string("Expect:"),  // No 100-continue: it costs a round trip, and old receivers stall.
         }) {
        if (!add_header(headers, header)) return false;
    }
    return true;
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

HttpSender::HttpSender(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpSender::~HttpSender() = default;

Result<std::unique_ptr<HttpSender>> HttpSender::create(const UpstreamOptions& options) {
    auto impl = std::make_unique<Impl>();
    if (!curl_ready() || !impl->set_up(options)) {
        return error(Code::kInternal, "cannot set up the HTTP client: libcurl has no memory or no TLS");
    }
    return std::unique_ptr<HttpSender>(new HttpSender(std::move(impl)));
}

HttpReply HttpSender::post(const std::string& body, std::uint32_t attempt) {
    HttpReply reply;
    Incoming incoming{&reply};
    CURL* easy = impl_->easy.get();
    HeaderList headers;
    for (curl_slist* at = impl_->headers.get(); at != nullptr; at = at->next) {
        add_header(headers, at->data);
    }
    if (attempt > 0) add_header(headers, "Retry-Attempt: " + std::to_string(attempt));

    curl_easy_reset(easy);  // Keeps connections and names that were resolved.
    impl_->error_text[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, impl_->error_text);
    curl_easy_setopt(easy, CURLOPT_URL, impl_->url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // abort() does not wait for a name server.
    curl_easy_setopt(easy, CURLOPT_PROXY, "");       // Configuration comes from the options alone.
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, impl_->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
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
    if (result == CURLE_OK || (incoming.headers_done && status >= 200)) {
        reply.status = static_cast<int>(status);
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
