#include "tests/support/remote_write_check.h"

#include <snappy.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <set>

namespace ringside::agent {
namespace {

namespace wire2 = io::prometheus::write::v2;

constexpr std::uint64_t kStale = 0x7ff0000000000002;
constexpr std::uint64_t kNan = 0x7ff8000000000001;

class Checker {
  public:
    CheckedRequest run(const RequestHeaders& headers, const std::string& body) {
        check_headers(headers);
        std::string plain;
        if (!snappy::Uncompress(body.data(), body.size(), &plain)) {
            breach("the body is no snappy block");
            return checked_;
        }
        if (checked_.version == 2) {
            read_2(plain);
        } else {
            read_1(plain);
        }
        if (checked_.message.timeseries().empty()) breach("no series");
        check_series();
        return checked_;
    }

  private:
    void breach(const std::string& text) { checked_.breaches.push_back(text); }
    void check_headers(const RequestHeaders& headers);
    void read_1(const std::string& plain);
    void read_2(const std::string& plain);
    void check_symbols();
    void take_2(const wire2::TimeSeries& from);
    template <typename Sample>
    void check_start(const std::string& key, const Sample& sample);
    void check_series();
    void check_labels(const prometheus::TimeSeries& series);
    void check_samples(const std::string& key, const prometheus::TimeSeries& series);
    void check_histogram(const std::string& key, const prometheus::Histogram& histogram);
    void check_value(const std::string& key, double value, std::int64_t timestamp_ms);
    bool is_described(const prometheus::TimeSeries& series);

    CheckedRequest checked_;
    std::map<std::string, int> families_;  // of 1.0
    std::set<std::uint32_t> used_;         // symbols
};

void Checker::check_headers(const RequestHeaders& headers) {
    auto value = [&](const char* name) {
        const auto [begin, end] = headers.equal_range(name);
        if (begin == end || std::next(begin) != end) return std::string("(not once)");
        return begin->second;
    };
    auto expect = [&](const char* name, const std::string& wanted) {
        if (value(name) != wanted) breach(std::string(name) + " is '" + value(name) + "', not '" + wanted + "'");
    };
    const std::string type = value("Content-Type");
    if (type == "application/x-protobuf") checked_.version = 1;
    if (type == "application/x-protobuf;proto=io.prometheus.write.v2.Request") checked_.version = 2;
    if (checked_.version == 0) breach("Content-Type is '" + type + "'");
    expect("Content-Encoding", "snappy");
    expect("X-Prometheus-Remote-Write-Version", checked_.version == 2 ? "2.0.0" : "0.1.0");
    if (!value("User-Agent").starts_with("ringside-agent/")) breach("User-Agent");
    if (headers.contains("Expect")) breach("Expect header");
    if (headers.contains("Transfer-Encoding")) breach("no Content-Length");
}

void Checker::read_1(const std::string& plain) {
    if (!checked_.message.ParseFromString(plain)) return breach("the body is no WriteRequest");
    for (const prometheus::MetricMetadata& metadata : checked_.message.metadata()) {
        if (metadata.type() == prometheus::MetricMetadata::UNKNOWN) breach("metadata of unknown type");
        if (!families_.emplace(metadata.metric_family_name(), metadata.type()).second) {
            breach("metadata twice: " + metadata.metric_family_name());
        }
    }
}

void Checker::read_2(const std::string& plain) {
    if (!checked_.v2.ParseFromString(plain)) return breach("the body is no Request of 2.0");
    for (const wire2::TimeSeries& series : checked_.v2.timeseries()) take_2(series);
    check_symbols();
}

void Checker::check_symbols() {
    const auto& symbols = checked_.v2.symbols();
    if (symbols.empty() || !symbols[0].empty()) return breach("symbols[0] is not the empty text");
    if (std::set<std::string>(symbols.begin(), symbols.end()).size() != static_cast<std::size_t>(symbols.size())) {
        breach("a symbol stands twice");
    }
    used_.insert(0);
    if (used_.size() != static_cast<std::size_t>(symbols.size())) breach("a symbol that nothing uses");
}

// A start of 0 says nothing; else it lies before the sample.
template <typename Sample>
void Checker::check_start(const std::string& key, const Sample& sample) {
    if (sample.start_timestamp() == 0) return;
    if (sample.start_timestamp() >= sample.timestamp()) breach(key + ": a start that is not before the sample");
    if (sample.start_timestamp() < 1'000'000'000'000) breach(key + ": a start that is not in ms since 1970");
}

void Checker::take_2(const wire2::TimeSeries& from) {
    prometheus::TimeSeries& to = *checked_.message.add_timeseries();
    auto symbol = [&](std::uint32_t index) {
        used_.insert(index);
        if (index < static_cast<std::uint32_t>(checked_.v2.symbols_size())) {
            return checked_.v2.symbols(static_cast<int>(index));
        }
        breach("a reference past the symbols");
        return std::string("?");
    };
    if (from.labels_refs_size() % 2 != 0) breach("labels_refs of odd length");
    for (int i = 0; i + 1 < from.labels_refs_size(); i += 2) {
        prometheus::Label& label = *to.add_labels();
        label.set_name(symbol(from.labels_refs(i)));
        label.set_value(symbol(from.labels_refs(i + 1)));
    }
    const std::string key = key_of(to);
    for (const wire2::Sample& sample : from.samples()) {
        prometheus::Sample& added = *to.add_samples();
        added.set_value(sample.value());
        added.set_timestamp(sample.timestamp());
        check_start(key, sample);
    }
    for (const wire2::Histogram& histogram : from.histograms()) {
        check_start(key, histogram);
        // The fields of 1.0 have the same numbers, which is what the protocol promises.
        wire2::Histogram without_start = histogram;
        without_start.clear_start_timestamp();
        if (!to.add_histograms()->ParseFromString(without_start.SerializeAsString())) breach(key + ": no histogram");
    }
    if (from.metadata().type() == wire2::Metadata::METRIC_TYPE_UNSPECIFIED) breach(key + ": metadata without a type");
    (void)symbol(from.metadata().help_ref());
    (void)symbol(from.metadata().unit_ref());
    const bool cumulative = from.metadata().type() == wire2::Metadata::METRIC_TYPE_COUNTER ||
                            from.metadata().type() == wire2::Metadata::METRIC_TYPE_HISTOGRAM;
    for (const wire2::Sample& sample : from.samples()) {
        if (!cumulative && sample.start_timestamp() != 0) breach(key + ": a gauge with a start");
    }
}

void Checker::check_series() {
    std::set<std::string> seen;
    for (const prometheus::TimeSeries& series : checked_.message.timeseries()) {
        const std::string key = key_of(series);
        check_labels(series);
        check_samples(key, series);
        if (!seen.insert(key).second) breach("series twice in a request: " + key);
        if (checked_.version == 1 && !is_described(series)) breach("no metadata for " + key);
    }
}

bool good_name(const std::string& name, bool colon) {
    for (std::size_t i = 0; i < name.size(); ++i) {
        const char c = name[i];
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
                          (i > 0 && c >= '0' && c <= '9');
        if (!good) return false;
    }
    return !name.empty();
}

void Checker::check_labels(const prometheus::TimeSeries& series) {
    std::string before, metric;
    for (const prometheus::Label& label : series.labels()) {
        if (label.name().empty() || label.value().empty()) breach("empty label name or value");
        if (!before.empty() && label.name() <= before) breach("labels not sorted, or repeated: " + label.name());
        if (!good_name(label.name(), false)) breach("bad label name " + label.name());
        if (label.name() == "__name__") metric = label.value();
        before = label.name();
    }
    if (!good_name(metric, true)) breach("bad metric name '" + metric + "'");
}

void Checker::check_value(const std::string& key, double value, std::int64_t timestamp_ms) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    if (std::isnan(value) && bits != kStale && bits != kNan) breach(key + ": an unusual NaN");
    if (timestamp_ms < 1'000'000'000'000) breach(key + ": a timestamp that is not in ms since 1970");
}

void Checker::check_samples(const std::string& key, const prometheus::TimeSeries& series) {
    if (series.samples().empty() == series.histograms().empty()) {
        breach(key + ": needs samples or histograms, not both and not none");
    }
    std::int64_t before = INT64_MIN;
    auto in_order = [&](std::int64_t timestamp_ms) {
        if (timestamp_ms <= before) breach(key + ": not oldest first");
        before = timestamp_ms;
    };
    for (const prometheus::Sample& sample : series.samples()) {
        check_value(key, sample.value(), sample.timestamp());
        in_order(sample.timestamp());
    }
    for (const prometheus::Histogram& histogram : series.histograms()) {
        check_value(key, histogram.sum(), histogram.timestamp());
        in_order(histogram.timestamp());
        check_histogram(key, histogram);
    }
}

// An integer histogram, whose buckets and zero bucket make up its count.
void Checker::check_histogram(const std::string& key, const prometheus::Histogram& histogram) {
    if (!histogram.has_count_int() || !histogram.has_zero_count_int()) breach(key + ": a histogram without counts");
    if (histogram.schema() < -4 || histogram.schema() > 8) breach(key + ": a schema out of -4 to 8");
    if (!(histogram.zero_threshold() >= 0)) breach(key + ": a bad zero threshold");
    if (histogram.reset_hint() != prometheus::Histogram::UNKNOWN) breach(key + ": a hint that nobody can know");
    std::uint64_t length = 0;
    for (int i = 0; i < histogram.positive_spans_size(); ++i) {
        const prometheus::BucketSpan& span = histogram.positive_spans(i);
        if (span.length() == 0 || (i > 0 && span.offset() <= 0)) breach(key + ": a span without use");
        length += span.length();
    }
    if (length != static_cast<std::uint64_t>(histogram.positive_deltas_size()))
        breach(key + ": spans and deltas differ");
    std::int64_t bucket = 0;
    std::uint64_t total = histogram.zero_count_int();
    for (std::int64_t delta : histogram.positive_deltas()) {
        bucket += delta;
        if (bucket < 0) breach(key + ": a bucket below 0");
        total += static_cast<std::uint64_t>(bucket);
    }
    if (total != histogram.count_int()) breach(key + ": the buckets do not make up the count");
    if (std::bit_cast<std::uint64_t>(histogram.sum()) == kStale && histogram.count_int() != 0) {
        breach(key + ": a stale marker with a count");
    }
}

// Whether the metadata of 1.0 have the family that the series belongs to.
bool Checker::is_described(const prometheus::TimeSeries& series) {
    const std::string key = key_of(series), name = key.substr(0, key.find('{'));
    const bool native = !series.histograms().empty();
    auto family = families_.find(name);
    if (family != families_.end()) return (family->second == prometheus::MetricMetadata::HISTOGRAM) == native;
    for (const std::string tail : {"_bucket", "_sum", "_count"}) {
        if (native || !name.ends_with(tail)) continue;
        family = families_.find(name.substr(0, name.size() - tail.size()));
        if (family != families_.end() && family->second == prometheus::MetricMetadata::HISTOGRAM) return true;
    }
    return false;
}

}  // namespace

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

CheckedRequest check_remote_write(const RequestHeaders& headers, const std::string& body) {
    return Checker().run(headers, body);
}

}  // namespace ringside::agent
