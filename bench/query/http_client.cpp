#include "bench/query/http_client.h"

#include <curl/curl.h>

#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

std::size_t append(char* data, std::size_t size, std::size_t count, void* to) {
    static_cast<std::string*>(to)->append(data, size * count);
    return size * count;
}

}  // namespace

struct HttpClient::Curl {
    CURL* handle = curl_easy_init();
    Curl() = default;
    Curl(const Curl&) = delete;
    Curl& operator=(const Curl&) = delete;
    ~Curl() { curl_easy_cleanup(handle); }
};

HttpClient::HttpClient(int port) : base_("http://127.0.0.1:" + std::to_string(port)), curl_(std::make_unique<Curl>()) {
    curl_easy_setopt(curl_->handle, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl_->handle, CURLOPT_WRITEDATA, &body_);
    curl_easy_setopt(curl_->handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_->handle, CURLOPT_NOPROXY, "*");
}

HttpClient::~HttpClient() = default;

void HttpClient::perform(const std::string& path) {
    const std::string url = base_ + path;
    body_.clear();
    curl_easy_setopt(curl_->handle, CURLOPT_URL, url.c_str());
    const CURLcode code = curl_easy_perform(curl_->handle);
    if (code != CURLE_OK) fail(url + ": " + curl_easy_strerror(code));
    long status = 0;
    curl_easy_getinfo(curl_->handle, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 != 2) fail(url + ": " + std::to_string(status) + ' ' + body_);
}

const std::string& HttpClient::get(const std::string& path) {
    curl_easy_setopt(curl_->handle, CURLOPT_HTTPGET, 1L);
    perform(path);
    return body_;
}

void HttpClient::post(const std::string& path, const std::string& body, const std::vector<std::string>& headers) {
    curl_slist* list = curl_slist_append(nullptr, "Expect:");  // no round trip before the body
    for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
    curl_easy_setopt(curl_->handle, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl_->handle, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(curl_->handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    perform(path);
    curl_easy_setopt(curl_->handle, CURLOPT_HTTPHEADER, nullptr);
    curl_slist_free_all(list);
}

std::string HttpClient::escaped(const std::string& text) const {
    char* const escaped = curl_easy_escape(curl_->handle, text.data(), static_cast<int>(text.size()));
    std::string out(escaped);
    curl_free(escaped);
    return out;
}

}  // namespace ringside::bench
