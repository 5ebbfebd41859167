#include "tests/support/mock_receiver.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <snappy.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

namespace ringside::agent {
namespace {

constexpr std::uint64_t kStale = 0x7ff0000000000002;
constexpr std::uint64_t kNan = 0x7ff8000000000001;

std::string key_of(const prometheus::TimeSeries& series) {
    std::string name, rest;
    for (const prometheus::Label& label : series.labels()) {
        if (label.name() == "__name__") {
            name = label.value();
        } else {
            rest += (rest.empty() ? "" : ",") + label.name() + "=\"" + label.value() + "\"";
        }
    }
    return rest.empty() ? name : name + "{" + rest + "}";
}

bool name_char(char c, bool first, bool colon) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
           (!first && c >= '0' && c <= '9');
}

bool good_name(const std::string& name, bool colon) {
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (!name_char(name[i], i == 0, colon)) return false;
    }
    return !name.empty();
}

// What is wrong with the labels of one series; empty: nothing.
std::string label_breach(const prometheus::TimeSeries& series) {
    std::string before, metric;
    for (const prometheus::Label& label : series.labels()) {
        if (label.name().empty() || label.value().empty()) return "empty label name or value";
        if (!before.empty() && label.name() <= before) return "labels not sorted, or repeated: " + label.name();
        if (!good_name(label.name(), false)) return "bad label name " + label.name();
        if (label.name() == "__name__") metric = label.value();
        before = label.name();
    }
    if (!good_name(metric, true)) return "bad metric name '" + metric + "'";
    return "";
}

std::string sample_breach(const prometheus::TimeSeries& series) {
    if (series.samples().empty()) return "a series without samples";
    for (int i = 1; i < series.samples_size(); ++i) {
        if (series.samples(i).timestamp() <= series.samples(i - 1).timestamp()) return "samples not oldest first";
    }
    for (const prometheus::Sample& sample : series.samples()) {
        auto bits = std::bit_cast<std::uint64_t>(sample.value());
        if (std::isnan(sample.value()) && bits != kStale && bits != kNan) return "an unusual NaN";
        if (sample.timestamp() < 1'000'000'000'000) return "a timestamp that is not in ms since 1970";
    }
    return "";
}

// The family that a series belongs to, if the message describes it.
bool is_described(const std::string& name, const std::map<std::string, int>& families) {
    auto family = families.find(name);
    if (family != families.end()) return family->second != prometheus::MetricMetadata::HISTOGRAM;
    for (const char* suffix : {"_bucket", "_sum", "_count"}) {
        std::string tail = suffix;
        if (!name.ends_with(tail)) continue;
        family = families.find(name.substr(0, name.size() - tail.size()));
        if (family != families.end() && family->second == prometheus::MetricMetadata::HISTOGRAM) return true;
    }
    return false;
}

}  // namespace

struct MockReceiver::Impl {
    httplib::Server server;
    int port = 0;
    std::thread thread;

    mutable std::mutex mutex;
    mutable std::condition_variable changed;
    // All under mutex.
    std::function<Answer(std::size_t, const prometheus::WriteRequest&)> decide;
    std::vector<Request> requests;
    std::map<std::string, std::vector<Sample>> stored;
    std::vector<std::string> breaches;
    std::size_t repeated = 0;
    bool released = false;

    void handle(const httplib::Request& http, httplib::Response& response);
    void check_headers(const httplib::Request& http);
    bool decode(const std::string& body, prometheus::WriteRequest& message);
    void check(const prometheus::WriteRequest& message);
    std::optional<std::string> store(const prometheus::WriteRequest& message);
    void breach(const std::string& text) {
        breaches.push_back("request " + std::to_string(requests.size()) + ": " + text);
    }
};

void MockReceiver::Impl::check_headers(const httplib::Request& http) {
    auto expect = [&](const char* name, const std::string& value) {
        if (http.get_header_value_count(name) != 1 || http.get_header_value(name) != value) {
            breach(std::string(name) + " is '" + http.get_header_value(name) + "', not '" + value + "'");
        }
    };
    expect("Content-Type", "application/x-protobuf");
    expect("Content-Encoding", "snappy");
    expect("X-Prometheus-Remote-Write-Version", "0.1.0");
    if (!http.get_header_value("User-Agent").starts_with("ringside-agent/")) breach("User-Agent");
    if (http.has_header("Expect")) breach("Expect header");
    if (http.has_header("Transfer-Encoding")) breach("no Content-Length");
}

bool MockReceiver::Impl::decode(const std::string& body, prometheus::WriteRequest& message) {
    std::string plain;
    if (!snappy::Uncompress(body.data(), body.size(), &plain)) {
        breach("the body is no snappy block");
        return false;
    }
    if (message.ParseFromString(plain)) return true;
    breach("the body is no WriteRequest");
    return false;
}

void MockReceiver::Impl::check(const prometheus::WriteRequest& message) {
    if (message.timeseries().empty()) breach("no series");
    std::map<std::string, int> families;
    for (const prometheus::MetricMetadata& metadata : message.metadata()) {
        if (metadata.type() == prometheus::MetricMetadata::UNKNOWN) breach("metadata of unknown type");
        if (!families.emplace(metadata.metric_family_name(), metadata.type()).second) {
            breach("metadata twice: " + metadata.metric_family_name());
        }
    }
    std::set<std::string> seen;
    for (const prometheus::TimeSeries& series : message.timeseries()) {
        if (std::string text = label_breach(series); !text.empty()) breach(text);
        if (std::string text = sample_breach(series); !text.empty()) breach(key_of(series) + ": " + text);
        if (!seen.insert(key_of(series)).second) breach("series twice in a request: " + key_of(series));
        std::string name = key_of(series).substr(0, key_of(series).find('{'));
        if (!is_described(name, families)) breach("no metadata for " + name);
    }
}

// As Prometheus' head without an out-of-order window: all of a request or nothing.
std::optional<std::string> MockReceiver::Impl::store(const prometheus::WriteRequest& message) {
    std::map<std::string, std::vector<Sample>> fresh;
    std::size_t same = 0;
    for (const prometheus::TimeSeries& series : message.timeseries()) {
        const std::string key = key_of(series);
        std::vector<Sample>& added = fresh[key];
        for (const prometheus::Sample& sample : series.samples()) {
            const Sample one{sample.timestamp(), std::bit_cast<std::uint64_t>(sample.value())};
            const auto kept = stored.find(key);
            const Sample* newest = !added.empty()                                  ? &added.back()
                                   : kept != stored.end() && !kept->second.empty() ? &kept->second.back()
                                                                                   : nullptr;
            if (newest == nullptr || one.timestamp_ms > newest->timestamp_ms) {
                added.push_back(one);
            } else if (one == *newest) {
                ++same;
            } else if (one.timestamp_ms == newest->timestamp_ms) {
                return "duplicate sample for timestamp: " + key;
            } else {
                return "out of order sample: " + key;
            }
        }
    }
    for (auto& [key, samples] : fresh) {
        std::vector<Sample>& all = stored[key];
        all.insert(all.end(), samples.begin(), samples.end());
    }
    repeated += same;
    return std::nullopt;
}

void MockReceiver::Impl::handle(const httplib::Request& http, httplib::Response& response) {
    std::unique_lock lock(mutex);
    Request request;
    request.headers = {http.headers.begin(), http.headers.end()};
    request.body = http.body;
    check_headers(http);
    if (decode(http.body, request.message)) check(request.message);
    Answer answer;
    answer.status = 0;
    if (decide) answer = decide(requests.size(), request.message);
    if (answer.status == 0) {
        answer.status = 204;
        if (std::optional<std::string> bad = store(request.message)) {
            answer.status = 400;
            answer.body = *bad;
        }
    } else if (answer.status / 100 == 2) {
        (void)store(request.message);
    }
    request.status = answer.status;
    requests.push_back(std::move(request));
    changed.notify_all();
    if (answer.hang) changed.wait(lock, [&] { return released; });
    response.status = answer.status;
    for (const auto& [name, value] : answer.headers) response.set_header(name, value);
    response.set_content(answer.body, "text/plain");
}

MockReceiver::MockReceiver() : impl_(std::make_unique<Impl>()) {
    impl_->server.Post("/api/v1/write", [this](const httplib::Request& request, httplib::Response& response) {
        impl_->handle(request, response);
    });
    impl_->server.set_tcp_nodelay(true);  // Else each answer waits 40 ms for an acknowledgement of its headers.
    impl_->port = impl_->server.bind_to_any_port("127.0.0.1");
    if (impl_->port <= 0) {
        std::fprintf(stderr, "mock receiver: no port on 127.0.0.1\n");
        std::abort();
    }
    impl_->thread = std::thread([this] { impl_->server.listen_after_bind(); });
    while (!impl_->server.is_running()) std::this_thread::yield();
}

MockReceiver::~MockReceiver() {
    release();
    impl_->server.stop();
    impl_->thread.join();
}

int MockReceiver::port() const { return impl_->port; }

std::string MockReceiver::url() const { return "http://127.0.0.1:" + std::to_string(impl_->port) + "/api/v1/write"; }

void MockReceiver::decide(std::function<Answer(std::size_t, const prometheus::WriteRequest&)> decide) {
    std::lock_guard lock(impl_->mutex);
    impl_->decide = std::move(decide);
}

void MockReceiver::release() {
    std::lock_guard lock(impl_->mutex);
    impl_->released = true;
    impl_->changed.notify_all();
}

std::vector<MockReceiver::Request> MockReceiver::requests() const {
    std::lock_guard lock(impl_->mutex);
    return impl_->requests;
}

bool MockReceiver::wait_for_requests(std::size_t count) const {
    std::unique_lock lock(impl_->mutex);
    return impl_->changed.wait_for(lock, std::chrono::seconds(30), [&] { return impl_->requests.size() >= count; });
}

std::map<std::string, std::vector<MockReceiver::Sample>> MockReceiver::stored() const {
    std::lock_guard lock(impl_->mutex);
    return impl_->stored;
}

std::size_t MockReceiver::repeated() const {
    std::lock_guard lock(impl_->mutex);
    return impl_->repeated;
}

std::vector<std::string> MockReceiver::breaches() const {
    std::lock_guard lock(impl_->mutex);
    return impl_->breaches;
}

ClosedPort::ClosedPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), port_(0) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    // Bound and never listened on: nobody else gets the port, and connecting to it is refused.
    if (fd_ < 0 || bind(fd_, generic, size) != 0 || getsockname(fd_, generic, &size) != 0) std::abort();
    port_ = ntohs(address.sin_port);
}

ClosedPort::~ClosedPort() { close(fd_); }

std::string ClosedPort::url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/api/v1/write"; }

}  // namespace ringside::agent
