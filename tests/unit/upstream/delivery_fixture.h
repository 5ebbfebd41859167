// A delivery to a receiver of the test's choice, in virtual time, and batches for it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/upstream/delivery.h"
#include "agent/upstream/upstream.h"
#include "tests/support/mock_receiver.h"
#include "tests/support/results.h"
#include "tests/support/virtual_clock.h"

namespace ringside::agent {

inline constexpr std::uint64_t kMs = 1'000'000;
inline constexpr std::uint64_t kSecond = 1000 * kMs;
inline constexpr std::uint64_t kNow = 1'700'000'000 * kSecond;
inline constexpr std::int64_t kSampleMs = 1'700'000'000'000;

using Answer = MockReceiver::Answer;

struct Line {
    bool warning;
    std::string text;
};

// A delivery to `url`, with what it needs.
struct Bench {
    explicit Bench(const std::string& url, std::chrono::milliseconds timeout = std::chrono::milliseconds(20'000)) {
        options.url = url;
        options.timeout = timeout;
        start();
    }
    // Of anything but a URL: those of `given`.
    explicit Bench(const UpstreamOptions& given) : options(given) { start(); }

    void start() {
        options.version = "1.2.3";
        Result<std::unique_ptr<Sender>> made = make_sender(options);
        EXPECT_TRUE(made.ok()) << message_of(made);
        sender = std::move(*made);
        delivery = std::make_unique<Delivery>(
            options, *sender, pacer, stats,
            [this](bool warning, const std::string& text) {
                log.push_back({warning, text});
            },
            [this] { ++waits_announced; }, 7);
    }

    std::string all_log() const {
        std::string text;
        for (const Line& line : log) text += line.text + "\n";
        return text;
    }

    UpstreamOptions options;
    VirtualClock clock{kNow};
    Pacer pacer{clock};
    StatsBoard stats;
    std::unique_ptr<Sender> sender;
    std::unique_ptr<Delivery> delivery;
    std::vector<Line> log;
    int waits_announced = 0;
};

// `count` samples, each of its own series s{n="0"}, s{n="1"}, ...
struct Batch {
    explicit Batch(std::size_t count, std::int64_t at_ms = kSampleMs) {
        labels.reserve(count);
        for (std::size_t n = 0; n < count; ++n) labels.push_back({{"__name__", "s"}, {"n", std::to_string(n)}});
        for (std::size_t n = 0; n < count; ++n) samples.push_back({&labels[n], &family, at_ms, static_cast<double>(n)});
    }
    Family family{"s", FamilyType::kGauge, "", ""};
    std::vector<LabelSet> labels;
    std::vector<WireSample> samples;
};

// Numbers n of the series in a message.
inline std::set<std::size_t> numbers(const prometheus::WriteRequest& message) {
    std::set<std::size_t> all;
    for (const prometheus::TimeSeries& series : message.timeseries()) {
        for (const prometheus::Label& label : series.labels()) {
            if (label.name() == "n") all.insert(std::stoul(label.value()));
        }
    }
    return all;
}

// Of the samples refused; all by the same answer in these tests.
inline std::vector<std::size_t> indices(const Delivery::Outcome& outcome) {
    std::vector<std::size_t> all;
    for (const Delivery::Outcome::Refused& one : outcome.refused) {
        EXPECT_EQ(one.reason, outcome.refused.front().reason);
        all.push_back(one.index);
    }
    return all;
}

}  // namespace ringside::agent
