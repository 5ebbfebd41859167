// Which version of remote write a receiver gets, and that nothing is lost while this is found out.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/upstream/remote_write_sender.h"
#include "tests/unit/upstream/delivery_fixture.h"

namespace ringside::agent {
namespace {

std::vector<int> versions(const MockReceiver& receiver) {
    std::vector<int> all;
    for (const MockReceiver::Request& request : receiver.requests()) all.push_back(request.version);
    return all;
}

UpstreamOptions options_of(const MockReceiver& receiver, Protocol protocol) {
    UpstreamOptions options;
    options.url = receiver.url();
    options.protocol = protocol;
    return options;
}

std::int64_t later(std::int64_t minutes) { return kSampleMs + minutes * 60'000; }

TEST(Negotiation, BeginsWith2) {
    MockReceiver receiver;
    Bench bench(receiver.url());
    EXPECT_TRUE(bench.delivery->deliver(Batch(3).samples).refused.empty());
    EXPECT_EQ(versions(receiver), std::vector<int>{2});
    EXPECT_EQ(receiver.stored().size(), 3u);
    EXPECT_EQ(receiver.breaches(), std::vector<std::string>{});
    EXPECT_TRUE(bench.log.empty());
}

// 204: as Prometheus 2.42 answers what it has not understood.
TEST(Negotiation, GoesOnWith1WhereOnlyThatIsKnownAndLosesNothing) {
    for (int status : {204, 400, 415}) {
        MockReceiver receiver;
        receiver.know_only_1(status);
        Bench bench(receiver.url());
        Batch first(3), second(3, later(5));
        EXPECT_TRUE(bench.delivery->deliver(first.samples).refused.empty());
        EXPECT_TRUE(bench.delivery->deliver(second.samples).refused.empty());
        EXPECT_EQ(versions(receiver), (std::vector<int>{2, 1, 1})) << status;
        EXPECT_EQ(receiver.stored().size(), 3u);
        for (const auto& [series, samples] : receiver.stored()) EXPECT_EQ(samples.size(), 2u) << series;
        EXPECT_EQ(receiver.repeated(), 0u);
        EXPECT_EQ(receiver.breaches(), std::vector<std::string>{});
        const UpstreamStats stats = bench.stats.snapshot();
        EXPECT_EQ(stats.samples_sent, 6u);
        EXPECT_EQ(stats.requests, 3u);
        EXPECT_EQ(stats.retries, 0u);
        EXPECT_TRUE(stats.samples_refused.empty());
        ASSERT_EQ(bench.log.size(), 1u) << bench.all_log();
        EXPECT_FALSE(bench.log[0].warning);
        EXPECT_NE(bench.log[0].text.find("does not know remote write 2.0 (HTTP " + std::to_string(status)),
                  std::string::npos)
            << bench.log[0].text;
    }
}

TEST(Negotiation, AsksAgainAfterSomeHours) {
    MockReceiver receiver;
    receiver.know_only_1(204);
    Bench bench(receiver.url());
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    receiver.know_only_1(0);  // It has been brought up to date.
    bench.clock.advance(kVersionMemoryNs - kSecond);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1, later(300)).samples).refused.empty());
    bench.clock.advance(kSecond);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1, later(305)).samples).refused.empty());
    EXPECT_TRUE(bench.delivery->deliver(Batch(1, later(310)).samples).refused.empty());
    EXPECT_EQ(versions(receiver), (std::vector<int>{2, 1, 1, 2, 2}));
    EXPECT_EQ(receiver.stored().begin()->second.size(), 4u);
}

TEST(Negotiation, ARepeatHasTheVersionAndTheBytesOfTheFirstTry) {
    MockReceiver receiver;
    receiver.know_only_1(204);
    Bench bench(receiver.url());
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    receiver.know_only_1(0);
    const std::uint64_t back_ns = bench.clock.now_ns() + kVersionMemoryNs + 3600 * kSecond;
    receiver.decide([&](std::size_t, const auto&) { return Answer{bench.clock.now_ns() < back_ns ? 503 : 0, "", {}}; });
    EXPECT_TRUE(bench.delivery->deliver(Batch(1, later(5)).samples).refused.empty());
    const std::vector<MockReceiver::Request> requests = receiver.requests();
    ASSERT_GT(requests.size(), 1000u);
    for (std::size_t i = 3; i < requests.size(); ++i) ASSERT_EQ(requests[i].body, requests[2].body);
    EXPECT_EQ(requests.back().version, 1);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1, later(500)).samples).refused.empty());
    EXPECT_EQ(versions(receiver).back(), 2);
}

TEST(Negotiation, A400OfBothVersionsIsAboutTheSamples) {
    MockReceiver receiver;
    receiver.know_only_1(400);
    receiver.decide([](std::size_t, const prometheus::WriteRequest& message) {
        return Answer{numbers(message).contains(2) ? 400 : 0, "bad label", {}};
    });
    Bench bench(receiver.url());
    Batch batch(8);
    const Delivery::Outcome outcome = bench.delivery->deliver(batch.samples);
    EXPECT_EQ(indices(outcome), std::vector<std::size_t>{2});
    EXPECT_EQ(receiver.stored().size(), 7u);
    EXPECT_EQ(receiver.repeated(), 0u);
    EXPECT_EQ(bench.stats.snapshot().samples_refused.at("http_400"), 1u);
}

TEST(Negotiation, AReceiverThatWasSetBackTo1LosesNothing) {
    for (int status : {204, 400, 415}) {
        MockReceiver receiver;
        Bench bench(receiver.url());
        EXPECT_TRUE(bench.delivery->deliver(Batch(3).samples).refused.empty());
        receiver.know_only_1(status);
        EXPECT_TRUE(bench.delivery->deliver(Batch(3, later(5)).samples).refused.empty());
        EXPECT_EQ(versions(receiver), (std::vector<int>{2, 2, 1})) << status;
        for (const auto& [series, samples] : receiver.stored()) EXPECT_EQ(samples.size(), 2u) << series;
        EXPECT_EQ(receiver.repeated(), 0u);
    }
}

TEST(Negotiation, WhatAPartialWriteLeftOutIsCountedAndTheRestNotSentAgain) {
    MockReceiver receiver;
    Bench bench(receiver.url());
    Batch newer(1, later(5)), batch(4);
    EXPECT_TRUE(bench.delivery->deliver(newer.samples).refused.empty());
    const Delivery::Outcome outcome = bench.delivery->deliver(batch.samples);  // s{n="0"} is out of order now.
    EXPECT_TRUE(outcome.refused.empty());
    EXPECT_EQ(outcome.unnamed, 1u);
    EXPECT_EQ(outcome.unnamed_reason, "http_400");
    EXPECT_EQ(receiver.requests().size(), 2u);
    EXPECT_EQ(receiver.repeated(), 0u);
    EXPECT_EQ(receiver.stored().size(), 4u);
    const UpstreamStats stats = bench.stats.snapshot();
    EXPECT_EQ(stats.samples_sent, 1u + 3u);
    EXPECT_EQ(stats.samples_refused.at("http_400"), 1u);
    ASSERT_EQ(bench.log.size(), 1u);
    EXPECT_TRUE(bench.log[0].warning);
    EXPECT_NE(bench.log[0].text.find("out of order sample: s{n=\"0\"}"), std::string::npos) << bench.log[0].text;
}

TEST(Negotiation, A2xxThatNamesFewerIsAPartialWriteToo) {
    MockReceiver receiver;
    receiver.decide([](std::size_t, const auto&) {
        Answer answer{200, "", {{"X-Prometheus-Remote-Write-Samples-Written", "2"}}};
        answer.bare = true;
        return answer;
    });
    Bench bench(receiver.url());
    const Delivery::Outcome outcome = bench.delivery->deliver(Batch(5).samples);
    EXPECT_EQ(outcome.unnamed, 3u);
    EXPECT_EQ(outcome.unnamed_reason, "not_written");
    EXPECT_EQ(bench.stats.snapshot().samples_sent, 2u);
    EXPECT_EQ(receiver.requests().size(), 1u);
}

TEST(Negotiation, OneVersionAloneIsNeverLeft) {
    MockReceiver receiver;
    Bench one(options_of(receiver, Protocol::kRemoteWrite1));
    EXPECT_TRUE(one.delivery->deliver(Batch(1).samples).refused.empty());
    EXPECT_EQ(versions(receiver), std::vector<int>{1});
    receiver.know_only_1(204);
    Bench two(options_of(receiver, Protocol::kRemoteWrite2));
    const Delivery::Outcome outcome = two.delivery->deliver(Batch(2, later(5)).samples);
    ASSERT_EQ(outcome.refused.size(), 2u);
    EXPECT_EQ(outcome.refused[0].reason, "http_415");
    EXPECT_EQ(versions(receiver), (std::vector<int>{1, 2}));
    EXPECT_NE(two.all_log().find("use the protocol remote-write"), std::string::npos) << two.all_log();
}

// A receiver of 1.0 that does not take the samples either gets them in no third way.
TEST(Negotiation, ARefusalOf1IsTheAnswer) {
    MockReceiver receiver;
    receiver.know_only_1(415);
    receiver.decide([](std::size_t, const auto&) { return Answer{404, "no such path", {}}; });
    Bench bench(receiver.url());
    EXPECT_EQ(bench.delivery->deliver(Batch(2).samples).refused.size(), 2u);
    EXPECT_EQ(versions(receiver), (std::vector<int>{2, 1}));
    EXPECT_EQ(bench.stats.snapshot().samples_refused.at("http_404"), 2u);
}

TEST(Negotiation, ANativeHistogramIsTheSameInBothVersions) {
    const LabelSet labels = {{"__name__", "wait_seconds"}, {"vm_id", "a"}};
    const Family family = {"wait_seconds", FamilyType::kHistogram, "Waits.", "", true};
    const NativeHistogram histogram = {3, 1e-6, 2, 9, 1.5, -4, {1, 0, 0, 0, 4, 2}};
    const WireSample sample = {&labels, &family, kSampleMs, 0, kSampleMs - 300'000, &histogram};
    const WireSample stale = {&labels, &family, kSampleMs + 1, stale_marker(), 0, nullptr};
    std::vector<std::map<std::string, std::vector<MockReceiver::Sample>>> stored;
    for (const int only_1 : {0, 204}) {
        MockReceiver receiver;
        receiver.know_only_1(only_1);
        Bench bench(receiver.url());
        EXPECT_TRUE(bench.delivery->deliver({&sample, 1}).refused.empty());
        EXPECT_TRUE(bench.delivery->deliver({&stale, 1}).refused.empty());
        EXPECT_EQ(receiver.breaches(), std::vector<std::string>{});
        EXPECT_EQ(bench.stats.snapshot().samples_sent, 2u);
        stored.push_back(receiver.stored());
    }
    ASSERT_EQ(stored[0].begin()->second.size(), 2u);
    EXPECT_EQ(stored[0].begin()->second[1].value_bits, kStaleBits);
    EXPECT_EQ(stored[0], stored[1]);
}

}  // namespace
}  // namespace ringside::agent
