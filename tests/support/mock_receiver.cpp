#include "tests/support/mock_receiver.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bit>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "tests/support/remote_write_check.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kStale = 0x7ff0000000000002;

MockReceiver::Sample kept(const prometheus::Sample& sample) {
    return {sample.timestamp(), std::bit_cast<std::uint64_t>(sample.value())};
}

MockReceiver::Sample kept(const prometheus::Histogram& histogram) {
    const auto sum = std::bit_cast<std::uint64_t>(histogram.sum());
    if (sum == kStale) return {histogram.timestamp(), kStale};
    return {histogram.timestamp(), std::hash<std::string>{}(histogram.SerializeAsString())};
}

std::vector<MockReceiver::Sample> samples_of(const prometheus::TimeSeries& series) {
    std::vector<MockReceiver::Sample> samples;
    for (const prometheus::Sample& sample : series.samples()) samples.push_back(kept(sample));
    for (const prometheus::Histogram& histogram : series.histograms()) samples.push_back(kept(histogram));
    return samples;
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
    int status_of_2 = 0;  // 0: 2.0 is known

    // What came of the samples of one request.
    struct Stored {
        std::uint64_t samples = 0, histograms = 0;  // kept, or the same as what was kept
        std::string bad;                            // why the others were not; "": there are none
    };
    void handle(const httplib::Request& http, httplib::Response& response);
    Answer judge(const Request& request, Stored& stored);
    Stored store(const Request& request);
    std::string place(const std::string& key, const Sample& sample, std::vector<Sample>& fresh, std::uint64_t& same);
};

// As Prometheus' head without an out-of-order window. What is wrong with the sample; "": it is in `fresh`, or was there.
std::string MockReceiver::Impl::place(const std::string& key, const Sample& sample, std::vector<Sample>& fresh,
                                      std::uint64_t& same) {
    const auto old = stored.find(key);
    const Sample* newest = !fresh.empty()                                ? &fresh.back()
                           : old != stored.end() && !old->second.empty() ? &old->second.back()
                                                                         : nullptr;
    if (newest == nullptr || sample.timestamp_ms > newest->timestamp_ms) {
        fresh.push_back(sample);
    } else if (sample == *newest) {
        ++same;
    } else if (sample.timestamp_ms == newest->timestamp_ms) {
        return "duplicate sample for timestamp: " + key;
    } else {
        return "out of order sample: " + key;
    }
    return "";
}

// 1.0: all of a request or nothing. 2.0: what is good.
MockReceiver::Impl::Stored MockReceiver::Impl::store(const Request& request) {
    Stored result;
    std::map<std::string, std::vector<Sample>> fresh;
    std::uint64_t same = 0;
    for (const prometheus::TimeSeries& series : request.message.timeseries()) {
        const std::string key = key_of(series);
        for (const Sample& sample : samples_of(series)) {
            const std::string bad = place(key, sample, fresh[key], same);
            if (!bad.empty() && result.bad.empty()) result.bad = bad;
            if (bad.empty()) ++(series.histograms().empty() ? result.samples : result.histograms);
        }
    }
    if (request.version == 1 && !result.bad.empty()) return {0, 0, result.bad};
    for (auto& [key, samples] : fresh) {
        if (samples.empty()) continue;
        std::vector<Sample>& all = stored[key];
        all.insert(all.end(), samples.begin(), samples.end());
    }
    repeated += same;
    return result;
}

MockReceiver::Answer MockReceiver::Impl::judge(const Request& request, Stored& stored_now) {
    Answer answer;
    answer.status = 0;
    if (request.version == 2 && status_of_2 != 0) {
        answer.status = status_of_2;
        answer.bare = true;
        return answer;
    }
    if (decide) answer = decide(requests.size(), request.message);
    if (answer.status == 0) {
        stored_now = store(request);
        answer.status = stored_now.bad.empty() ? 204 : 400;
        answer.body = stored_now.bad;
    } else if (answer.status / 100 == 2 && !answer.bare) {
        stored_now = store(request);
    }
    return answer;
}

void MockReceiver::Impl::handle(const httplib::Request& http, httplib::Response& response) {
    std::unique_lock lock(mutex);
    Request request;
    request.headers = {http.headers.begin(), http.headers.end()};
    request.body = http.body;
    CheckedRequest checked = check_remote_write(request.headers, http.body);
    for (const std::string& text : checked.breaches) {
        breaches.push_back("request " + std::to_string(requests.size()) + ": " + text);
    }
    request.version = checked.version;
    request.message = std::move(checked.message);
    request.v2 = std::move(checked.v2);
    Stored stored_now;
    const Answer answer = judge(request, stored_now);
    request.status = answer.status;
    const bool tells = request.version == 2 && !answer.bare;
    requests.push_back(std::move(request));
    changed.notify_all();
    if (answer.hang) changed.wait(lock, [&] { return released; });
    response.status = answer.status;
    if (tells) {
        response.set_header("X-Prometheus-Remote-Write-Samples-Written", std::to_string(stored_now.samples));
        response.set_header("X-Prometheus-Remote-Write-Histograms-Written", std::to_string(stored_now.histograms));
        response.set_header("X-Prometheus-Remote-Write-Exemplars-Written", "0");
    }
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

void MockReceiver::know_only_1(int status) {
    std::lock_guard lock(impl_->mutex);
    impl_->status_of_2 = status;
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
