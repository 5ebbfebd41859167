#include "bench/query/peer_feed.h"

#include <charconv>
#include <memory>
#include <string>
#include <thread>

#include "agent/upstream/remote_write_encoder.h"
#include "bench/query/http_client.h"

namespace ringside::bench {
namespace {

using agent::Family;
using agent::FamilyType;
using agent::LabelSet;
using agent::WireSample;

constexpr std::uint32_t kVmsARequest = 50;  // of one second each
constexpr unsigned kSenders = 2;

const std::vector<std::string> kHeaders = {"Content-Type: application/x-protobuf", "Content-Encoding: snappy",
                                           "X-Prometheus-Remote-Write-Version: 0.1.0"};

std::string number_text(double number) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

// The series of one VM as a scrape has them, in a fixed order: m, the buckets of h with +Inf, h_count, h_sum.
class VmSeries {
  public:
    explicit VmSeries(std::uint32_t vm) {
        const auto add = [this, vm](const Family& family, std::string name, std::string label, std::string value) {
            LabelSet labels = {
                {"__name__", std::move(name)}, {"instance", "bench"}, {"job", "ringside"}, {"vm_id", vm_name(vm)}};
            if (!label.empty()) labels.insert(labels.end() - 1, {std::move(label), std::move(value)});
            all_.push_back({&family, std::move(labels)});
        };
        static const Family m{"m", FamilyType::kCounter, "", "", false};
        static const Family h{"h", FamilyType::kHistogram, "", "", false};
        for (std::uint32_t i = 0; i < kCounters; ++i) add(m, "m", "s", std::to_string(i));
        for (std::uint32_t i = 0; i < bucket_count(); ++i) add(h, "h_bucket", "le", number_text(bucket_bound(i)));
        add(h, "h_bucket", "le", "+Inf");
        add(h, "h_count", "", "");
        add(h, "h_sum", "", "");
    }

    std::size_t size() const { return all_.size(); }
    WireSample sample(std::size_t series, std::uint64_t time_s, double value) const {
        WireSample sample;
        sample.labels = &all_[series].labels;
        sample.family = all_[series].family;
        sample.timestamp_ms = static_cast<std::int64_t>(time_s * 1000);
        sample.value = value;
        return sample;
    }

  private:
    struct Series {
        const Family* family;
        LabelSet labels;
    };
    std::vector<Series> all_;
};

// The value of each series, in the order of VmSeries.
void values_of(const VmTotals& totals, std::vector<double>& values) {
    values.clear();
    for (std::uint64_t total : totals.counters) values.push_back(static_cast<double>(total));
    std::uint64_t count = 0;
    for (std::uint32_t i = 0; i < bucket_count(); ++i) {
        count += totals.buckets[i];
        values.push_back(static_cast<double>(count));
    }
    values.push_back(static_cast<double>(count));
    values.push_back(static_cast<double>(count));
    values.push_back(totals.sum);
}

}  // namespace

PeerFeed::PeerFeed(std::uint32_t vms, std::uint64_t end_s, std::vector<int> ports)
    : end_s_(end_s), ports_(std::move(ports)), vms_(vms) {}

std::uint64_t PeerFeed::fill() {
    std::vector<std::thread> senders;
    for (unsigned i = 0; i < kSenders; ++i) senders.emplace_back([this, i] { fill_some(i, kSenders); });
    for (std::thread& sender : senders) sender.join();
    second_ = kDataSeconds;
    return vms_.size() * kCounters * kDataSeconds;
}

void PeerFeed::fill_some(std::uint32_t first, std::uint32_t step) {
    std::vector<std::unique_ptr<HttpClient>> clients;
    for (int port : ports_) clients.push_back(std::make_unique<HttpClient>(port));
    std::vector<double> values;
    for (std::uint32_t vm = first; vm < vms_.size(); vm += step) {
        const VmSeries series(vm);
        // Series by series, as the encoder wants neighbours.
        std::vector<WireSample> samples(series.size() * kDataSeconds);
        for (std::uint64_t second = 1; second <= kDataSeconds; ++second) {
            add_second(vm, second, vms_[vm]);
            values_of(vms_[vm], values);
            const std::uint64_t time_s = end_s_ - kDataSeconds + second;
            for (std::size_t i = 0; i < values.size(); ++i) {
                samples[i * kDataSeconds + second - 1] = series.sample(i, time_s, values[i]);
            }
        }
        const std::string body = agent::encode_write_request(samples);
        for (const auto& client : clients) client->post("/api/v1/write", body, kHeaders);
    }
}

void PeerFeed::send_second(std::uint64_t time_s) {
    ++second_;
    std::vector<std::unique_ptr<HttpClient>> clients;
    for (int port : ports_) clients.push_back(std::make_unique<HttpClient>(port));
    std::vector<double> values;
    for (std::uint32_t first = 0; first < vms_.size(); first += kVmsARequest) {
        std::vector<std::unique_ptr<VmSeries>> series;
        std::vector<WireSample> samples;
        for (std::uint32_t vm = first; vm < vms_.size() && vm < first + kVmsARequest; ++vm) {
            series.push_back(std::make_unique<VmSeries>(vm));
            add_second(vm, second_, vms_[vm]);
            values_of(vms_[vm], values);
            for (std::size_t i = 0; i < values.size(); ++i) {
                samples.push_back(series.back()->sample(i, time_s, values[i]));
            }
        }
        const std::string body = agent::encode_write_request(samples);
        for (const auto& client : clients) client->post("/api/v1/write", body, kHeaders);
    }
}

}  // namespace ringside::bench
