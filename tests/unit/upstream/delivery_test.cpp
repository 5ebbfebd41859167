// The rules of sending, against a strict receiver: exact counts and order, and waits in virtual time.
#include "agent/upstream/delivery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/upstream/http_sender.h"
#include "tests/unit/upstream/delivery_fixture.h"

namespace ringside::agent {
namespace {

TEST(Delivery, SendsABatchInOneRequestWithTheHeadersOfTheProtocol) {
    MockReceiver receiver;
    Bench bench(receiver.url());
    Batch batch(3);
    Delivery::Outcome outcome = bench.delivery->deliver(batch.samples);
    EXPECT_TRUE(outcome.refused.empty());
    EXPECT_FALSE(outcome.stopped);
    std::vector<MockReceiver::Request> requests = receiver.requests();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(requests[0].headers.find("User-Agent")->second, "ringside-agent/1.2.3");
    EXPECT_EQ(requests[0].headers.count("Retry-Attempt"), 0u);
    EXPECT_EQ(receiver.breaches(), std::vector<std::string>{});
    EXPECT_EQ(receiver.stored().size(), 3u);
    UpstreamStats stats = bench.stats.snapshot();
    EXPECT_EQ(stats.samples_sent, 3u);
    EXPECT_EQ(stats.batches_sent, 1u);
    EXPECT_EQ(stats.requests, 1u);
    EXPECT_EQ(stats.retries, 0u);
    EXPECT_EQ(stats.bytes_sent, requests[0].body.size());
    EXPECT_EQ(stats.last_success_ns, kNow);
    EXPECT_TRUE(bench.log.empty());
}

TEST(Delivery, TakesEvery2xxAndIgnoresItsBody) {
    for (int status : {200, 202, 204, 299}) {
        MockReceiver receiver;
        receiver.decide([&](std::size_t, const auto&) { return Answer{status, "error: no, really", {}}; });
        Bench bench(receiver.url());
        EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
        EXPECT_EQ(bench.stats.snapshot().samples_sent, 1u) << status;
        EXPECT_EQ(receiver.requests().size(), 1u);
    }
}

TEST(Delivery, RepeatsTheSameBytesOn5xxAnd429UntilTheyAreTaken) {
    MockReceiver receiver;
    const int statuses[] = {500, 502, 503, 504, 429, 599, 204};
    receiver.decide([&](std::size_t number, const auto&) { return Answer{statuses[number], "busy", {}}; });
    Bench bench(receiver.url());
    Batch batch(5);
    EXPECT_TRUE(bench.delivery->deliver(batch.samples).refused.empty());
    std::vector<MockReceiver::Request> requests = receiver.requests();
    ASSERT_EQ(requests.size(), 7u);
    for (std::size_t n = 0; n < requests.size(); ++n) {
        EXPECT_EQ(requests[n].body, requests[0].body);
        auto attempt = requests[n].headers.find("Retry-Attempt");
        EXPECT_EQ(attempt == requests[n].headers.end() ? "" : attempt->second, n == 0 ? "" : std::to_string(n));
    }
    UpstreamStats stats = bench.stats.snapshot();
    EXPECT_EQ(stats.requests, 7u);
    EXPECT_EQ(stats.retries, 6u);
    EXPECT_EQ(stats.samples_sent, 5u);
    EXPECT_TRUE(stats.samples_refused.empty());
    EXPECT_EQ(bench.waits_announced, 6);
    // Waits grow from 30 ms: each lies in the upper half of 60, 120, 240, ... ms.
    ASSERT_EQ(bench.clock.waits.size(), 6u);
    for (std::size_t n = 0; n < 6; ++n) {
        EXPECT_GE(bench.clock.waits[n], 30 * kMs << n);
        EXPECT_LE(bench.clock.waits[n], 60 * kMs << n);
    }
    // Said once, and once more when it was over.
    ASSERT_EQ(bench.log.size(), 2u);
    EXPECT_TRUE(bench.log[0].warning);
    EXPECT_NE(bench.log[0].text.find("HTTP 500: busy"), std::string::npos) << bench.log[0].text;
    EXPECT_NE(bench.log[1].text.find("answers again"), std::string::npos);
}

TEST(Delivery, AnOutageOfHoursCostsLessThanOneRequestASecond) {
    MockReceiver receiver;
    std::atomic<bool> down{true};
    receiver.decide([&](std::size_t, const auto&) { return Answer{down ? 503 : 204, "", {}}; });
    Bench bench(receiver.url());
    const std::uint64_t outage_ns = 2 * 3600 * kSecond;
    bench.clock.on_wait = [&](std::size_t) { down = bench.clock.now_ns() < kNow + outage_ns; };
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    const std::uint64_t took_s = (bench.clock.now_ns() - kNow) / kSecond;
    EXPECT_GE(took_s, 7200u);
    EXPECT_LE(took_s, 7205u);
    EXPECT_GT(receiver.requests().size(), 7200u / 5);
    EXPECT_LT(receiver.requests().size(), 7200u / 2);
    EXPECT_EQ(bench.log.size(), 2u);
    EXPECT_EQ(receiver.stored().size(), 1u);
}

TEST(Delivery, WaitsAsLongAsRetryAfterAsks) {
    MockReceiver receiver;
    receiver.decide([&](std::size_t number, const auto&) {
        const char* asked[] = {"17", "Tue, 14 Nov 2023 22:14:00 GMT", "86400", "0", "later"};
        if (number < 5) return Answer{number % 2 == 0 ? 503 : 429, "", {{"Retry-After", asked[number]}}};
        return Answer{};
    });
    Bench bench(receiver.url());
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    ASSERT_EQ(bench.clock.waits.size(), 5u);
    EXPECT_EQ(bench.clock.waits[0], 17 * kSecond);
    // kNow is 22:13:20; 17 s have gone.
    EXPECT_EQ(bench.clock.waits[1], 23 * kSecond);
    EXPECT_EQ(bench.clock.waits[2], 300 * kSecond);  // at most
    EXPECT_GE(bench.clock.waits[3], 240 * kMs);      // never less than the backoff
    EXPECT_LE(bench.clock.waits[3], 480 * kMs);
    EXPECT_GE(bench.clock.waits[4], 480 * kMs);
    EXPECT_LE(bench.clock.waits[4], 960 * kMs);
}

TEST(Delivery, GivesUpABatchInHandOnceAllOfItIsTooOld) {
    MockReceiver receiver;
    receiver.decide([](std::size_t, const auto&) { return Answer{503, "closed", {}}; });
    UpstreamOptions options;
    options.url = receiver.url();
    options.backlog_max = std::chrono::minutes(10);
    Bench bench(options);
    Batch batch(3);
    batch.samples[1].timestamp_ms += 60'000;  // The newest of them decides.
    Delivery::Outcome outcome = bench.delivery->deliver(batch.samples);
    EXPECT_FALSE(outcome.stopped);
    ASSERT_EQ(outcome.refused.size(), 3u);
    EXPECT_EQ(outcome.refused[0].reason, "too_old");
    const std::uint64_t took_s = (bench.clock.now_ns() - kNow) / kSecond;
    EXPECT_GE(took_s, 660u);
    EXPECT_LE(took_s, 666u);
    EXPECT_EQ(bench.stats.snapshot().samples_refused.at("too_old"), 3u);
    EXPECT_NE(bench.all_log().find("never took 3 samples"), std::string::npos) << bench.all_log();
    EXPECT_NE(bench.all_log().find("HTTP 503: closed"), std::string::npos) << bench.all_log();
}

TEST(Delivery, SendsWhatIsTooOldOnceAllTheSame) {
    MockReceiver receiver;
    UpstreamOptions options;
    options.url = receiver.url();
    options.backlog_max = std::chrono::minutes(10);
    Bench bench(options);
    Batch batch(1, kSampleMs - 3'600'000);  // Whoever hands it over has decided.
    EXPECT_TRUE(bench.delivery->deliver(batch.samples).refused.empty());
    EXPECT_EQ(receiver.stored().size(), 1u);
}

TEST(Delivery, Other4xxAreFinalForTheWholeBatch) {
    for (int status : {401, 402, 403, 404, 405, 408, 410, 418, 451, 301, 307}) {
        MockReceiver receiver;
        receiver.decide([&](std::size_t, const auto&) { return Answer{status, "go away", {}}; });
        Bench bench(receiver.url());
        Batch batch(8);
        Delivery::Outcome outcome = bench.delivery->deliver(batch.samples);
        EXPECT_EQ(outcome.refused.size(), 8u) << status;
        EXPECT_EQ(receiver.requests().size(), 1u) << status;
        EXPECT_TRUE(bench.clock.waits.empty());
        UpstreamStats stats = bench.stats.snapshot();
        EXPECT_EQ(stats.samples_refused.at("http_" + std::to_string(status)), 8u);
        EXPECT_EQ(stats.samples_sent, 0u);
        ASSERT_EQ(bench.log.size(), 1u);
        EXPECT_NE(bench.log[0].text.find("HTTP " + std::to_string(status) + ": go away"), std::string::npos);
    }
}

// Samples with these numbers make a request fail.
Bench* deliver_with_bad(MockReceiver& receiver, Bench& bench, const Batch& batch, std::set<std::size_t> bad, int status,
                        Delivery::Outcome* outcome) {
    receiver.decide([bad, status](std::size_t, const prometheus::WriteRequest& message) {
        for (std::size_t n : numbers(message)) {
            if (bad.contains(n)) return Answer{status, "sample " + std::to_string(n) + " is bad", {}};
        }
        Answer prometheus_decides;
        prometheus_decides.status = 0;
        return prometheus_decides;
    });
    *outcome = bench.delivery->deliver(batch.samples);
    return &bench;
}

// It stands in the agent's status, which could not be read with other bytes in it.
TEST(Delivery, WhatAReceiverSaysBecomesUtf8) {
    MockReceiver receiver;
    receiver.decide([](std::size_t, const auto&) { return Answer{404, "kein \xe4hnlicher Pfad", {}}; });
    Bench bench(receiver.url());
    EXPECT_EQ(bench.delivery->deliver(Batch(1).samples).refused.size(), 1u);
    EXPECT_EQ(bench.stats.snapshot().last_error, "HTTP 404: kein \xef\xbf\xbdhnlicher Pfad");
}

TEST(Delivery, FindsTheOneBadSeriesAmongTwoThousand) {
    for (std::size_t bad : {std::size_t{0}, std::size_t{999}, std::size_t{1234}, std::size_t{1999}}) {
        MockReceiver receiver;
        Bench bench(receiver.url());
        Batch batch(2000);
        Delivery::Outcome outcome;
        deliver_with_bad(receiver, bench, batch, {bad}, 400, &outcome);
        EXPECT_EQ(indices(outcome), std::vector<std::size_t>{bad});
        EXPECT_EQ(receiver.stored().size(), 1999u);
        EXPECT_EQ(receiver.repeated(), 0u);
        EXPECT_LE(receiver.requests().size(), static_cast<std::size_t>(2 * std::ceil(std::log2(2000)) + 1));
        UpstreamStats stats = bench.stats.snapshot();
        EXPECT_EQ(stats.samples_sent, 1999u);
        EXPECT_EQ(stats.samples_refused.at("http_400"), 1u);
        EXPECT_EQ(stats.retries, 0u);
        ASSERT_EQ(bench.log.size(), 1u);
        const std::string n = std::to_string(bad);
        EXPECT_NE(bench.log[0].text.find("s{n=\"" + n + "\"} at " + std::to_string(kSampleMs)), std::string::npos)
            << bench.log[0].text;
        EXPECT_NE(bench.log[0].text.find("HTTP 400: sample " + n + " is bad"), std::string::npos) << bench.log[0].text;
        EXPECT_EQ(receiver.breaches(), std::vector<std::string>{});
    }
}

TEST(Delivery, FindsSeveralBadSeriesAndLogsTheFirstFew) {
    MockReceiver receiver;
    Bench bench(receiver.url());
    Batch batch(2000);
    std::set<std::size_t> bad;
    for (std::size_t n = 0; n < 20; ++n) bad.insert(n * 100 + 3);
    Delivery::Outcome outcome;
    deliver_with_bad(receiver, bench, batch, bad, 400, &outcome);
    const std::vector<std::size_t> refused = indices(outcome);
    EXPECT_EQ(std::set<std::size_t>(refused.begin(), refused.end()), bad);
    EXPECT_EQ(receiver.stored().size(), 1980u);
    EXPECT_LE(receiver.requests().size(), 20u * 22 + 1);
    ASSERT_EQ(bench.log.size(), kRefusalsLoggedMax);
    EXPECT_NE(bench.log.back().text.find("only counted"), std::string::npos);
}

TEST(Delivery, HalvesOnEveryStatusThatAPartCanCause) {
    for (int status : {400, 409, 413, 422}) {
        MockReceiver receiver;
        Bench bench(receiver.url());
        Batch batch(16);
        Delivery::Outcome outcome;
        deliver_with_bad(receiver, bench, batch, {5}, status, &outcome);
        EXPECT_EQ(indices(outcome), std::vector<std::size_t>{5});
        EXPECT_EQ(receiver.stored().size(), 15u);
        EXPECT_EQ(bench.stats.snapshot().samples_refused.at("http_" + std::to_string(status)), 1u);
    }
}

TEST(Delivery, EndsAFruitlessSearchSoon) {
    MockReceiver receiver;
    receiver.decide([](std::size_t, const auto&) { return Answer{400, "out of bounds", {}}; });
    Bench bench(receiver.url());
    Batch batch(2000);
    Delivery::Outcome outcome = bench.delivery->deliver(batch.samples);
    EXPECT_EQ(outcome.refused.size(), 2000u);
    const std::vector<std::size_t> refused = indices(outcome);
    EXPECT_EQ(std::set<std::size_t>(refused.begin(), refused.end()).size(), 2000u);
    EXPECT_GE(receiver.requests().size(), kHalvingFruitlessMax);
    EXPECT_LE(receiver.requests().size(), kHalvingFruitlessMax + 12);
    EXPECT_EQ(bench.stats.snapshot().samples_refused.at("http_400"), 2000u);
}

// A VM whose clock was set back, say, with more series than a fruitless search looks at.
TEST(Delivery, LetsTheGoodHalfOfABatchArriveWhenAllOfTheOtherIsBad) {
    for (std::size_t first : {std::size_t{0}, std::size_t{1500}}) {
        MockReceiver receiver;
        Bench bench(receiver.url());
        Batch batch(2000);
        std::set<std::size_t> bad;
        for (std::size_t n = first; n < first + 100; ++n) bad.insert(n);
        Delivery::Outcome outcome;
        deliver_with_bad(receiver, bench, batch, bad, 400, &outcome);
        EXPECT_EQ(receiver.stored().size(), 1900u) << first;
        EXPECT_EQ(outcome.refused.size(), 100u);
    }
}

TEST(Delivery, EndsALongSearchAndCountsTheRest) {
    MockReceiver receiver;
    Bench bench(receiver.url());
    Batch batch(2000);
    std::set<std::size_t> bad;
    for (std::size_t n = 0; n < 2000; n += 2) bad.insert(n);  // every other one
    Delivery::Outcome outcome;
    deliver_with_bad(receiver, bench, batch, bad, 400, &outcome);
    EXPECT_LE(receiver.requests().size(), kHalvingRequestsMax + 12);
    EXPECT_GT(receiver.stored().size(), 100u);
    EXPECT_EQ(receiver.stored().size() + outcome.refused.size(), 2000u);
    const std::vector<std::size_t> refused = indices(outcome);
    for (std::size_t n : bad) EXPECT_EQ(std::count(refused.begin(), refused.end(), n), 1);
    UpstreamStats stats = bench.stats.snapshot();
    EXPECT_EQ(stats.samples_sent, receiver.stored().size());
    EXPECT_EQ(stats.samples_refused.at("http_400"), outcome.refused.size());
}

TEST(Delivery, RetriesInTheMiddleOfASearch) {
    MockReceiver receiver;
    receiver.decide([](std::size_t number, const prometheus::WriteRequest& message) {
        if (number % 3 == 1) return Answer{503, "", {}};
        return Answer{numbers(message).contains(6) ? 400 : 204, "", {}};
    });
    Bench bench(receiver.url());
    Batch batch(8);
    Delivery::Outcome outcome = bench.delivery->deliver(batch.samples);
    EXPECT_EQ(indices(outcome), std::vector<std::size_t>{6});
    EXPECT_EQ(receiver.stored().size(), 7u);
    EXPECT_EQ(bench.stats.snapshot().retries, bench.clock.waits.size());
    EXPECT_GT(bench.clock.waits.size(), 0u);
}

TEST(Delivery, AnAcceptedRequestWhoseAnswerWasLostIsHarmlessToRepeat) {
    MockReceiver receiver;
    receiver.decide([&](std::size_t number, const auto&) {
        Answer answer;
        answer.hang = number == 0;  // taken, but the sender never hears of it
        return answer;
    });
    Bench bench(receiver.url(), std::chrono::milliseconds(200));
    Batch batch(4);
    std::thread let_go([&] {
        EXPECT_TRUE(receiver.wait_for_requests(2));
        receiver.release();
    });
    EXPECT_TRUE(bench.delivery->deliver(batch.samples).refused.empty());
    let_go.join();
    ASSERT_GE(receiver.requests().size(), 2u);
    EXPECT_EQ(receiver.repeated() % 4, 0u);
    EXPECT_GT(receiver.repeated(), 0u);
    for (const auto& [series, samples] : receiver.stored()) EXPECT_EQ(samples.size(), 1u) << series;
    EXPECT_EQ(bench.stats.snapshot().samples_sent, 4u);
    EXPECT_NE(bench.log.at(0).text.find("imed out"), std::string::npos) << bench.log.at(0).text;
}

TEST(Delivery, RetriesARefusedConnectionUntilStopped) {
    ClosedPort closed;
    Bench bench(closed.url());
    bench.clock.on_wait = [&](std::size_t waits) {
        if (waits == 5) bench.sender->abort();
    };
    Delivery::Outcome outcome = bench.delivery->deliver(Batch(1).samples);
    EXPECT_TRUE(outcome.stopped);
    EXPECT_TRUE(outcome.refused.empty());
    UpstreamStats stats = bench.stats.snapshot();
    EXPECT_EQ(stats.requests, 5u);
    EXPECT_NE(stats.last_error.find("onnect"), std::string::npos) << stats.last_error;
    EXPECT_EQ(bench.log.size(), 1u);
    EXPECT_EQ(bench.log[0].text.find("1.2.3"), std::string::npos);
}

TEST(Delivery, RetriesAHostNameThatDoesNotResolve) {
    Bench bench("http://no-such-host.invalid:9090/api/v1/write");
    bench.clock.on_wait = [&](std::size_t waits) {
        if (waits == 2) bench.sender->abort();
    };
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).stopped);
    EXPECT_NE(bench.stats.snapshot().last_error.find("no-such-host.invalid"), std::string::npos);
}

TEST(Delivery, StopsInTheMiddleOfARequestThatNobodyAnswers) {
    MockReceiver receiver;
    receiver.decide([](std::size_t, const auto&) {
        Answer answer;
        answer.hang = true;
        return answer;
    });
    Bench bench(receiver.url(), std::chrono::minutes(10));
    Delivery::Outcome outcome;
    std::thread sending([&] { outcome = bench.delivery->deliver(Batch(1).samples); });
    EXPECT_TRUE(receiver.wait_for_requests(1));
    bench.pacer.stop();
    bench.sender->abort();
    sending.join();  // The test's own limit of time is far below the ten minutes.
    EXPECT_TRUE(outcome.stopped);
    EXPECT_EQ(bench.stats.snapshot().samples_sent, 0u);
}

TEST(Delivery, StopsInTheMiddleOfAWait) {
    MockReceiver receiver;
    receiver.decide([](std::size_t, const auto&) { return Answer{503, "", {{"Retry-After", "300"}}}; });
    UpstreamOptions options;
    options.url = receiver.url();
    Result<std::unique_ptr<Sender>> sender = make_sender(options);
    ASSERT_TRUE(sender.ok());
    Pacer pacer(Clock::real());
    StatsBoard stats;
    std::atomic<bool> waiting{false};
    Delivery delivery(
        options, **sender, pacer, stats, [](bool, const std::string&) {}, [&] { waiting = true; }, 1);
    Delivery::Outcome outcome;
    std::thread sending([&] { outcome = delivery.deliver(Batch(1).samples); });
    while (!waiting) std::this_thread::yield();
    pacer.stop();
    sending.join();
    EXPECT_TRUE(outcome.stopped);
}

TEST(HttpSender, KeepsALargeAnswerInBounds) {
    MockReceiver receiver;
    receiver.decide([](std::size_t, const auto&) { return Answer{400, std::string(8u << 20, 'x'), {}}; });
    UpstreamOptions options;
    options.url = receiver.url();
    Result<std::unique_ptr<HttpSender>> sender = HttpSender::create(options);
    ASSERT_TRUE(sender.ok());
    HttpReply reply = (*sender)->post("x", {});
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.body, std::string(kReplyTextMax, 'x'));
    EXPECT_EQ((*sender)->post("x", {}).status, 400);
}

TEST(HttpSender, FollowsNoRedirect) {
    MockReceiver receiver, elsewhere;
    receiver.decide([&](std::size_t, const auto&) { return Answer{307, "", {{"Location", elsewhere.url()}}}; });
    UpstreamOptions options;
    options.url = receiver.url();
    Result<std::unique_ptr<HttpSender>> sender = HttpSender::create(options);
    ASSERT_TRUE(sender.ok());
    EXPECT_EQ((*sender)->post("x", {}).status, 307);
    EXPECT_TRUE(elsewhere.requests().empty());
}

TEST(HttpSender, TakesNoProxyFromTheEnvironment) {
    MockReceiver receiver;
    ClosedPort closed;
    setenv("http_proxy", closed.url().c_str(), 1);
    UpstreamOptions options;
    options.url = receiver.url();
    Result<std::unique_ptr<HttpSender>> sender = HttpSender::create(options);
    ASSERT_TRUE(sender.ok());
    EXPECT_EQ((*sender)->post("x", {}).status, 204);
    unsetenv("http_proxy");
}

TEST(HttpSender, GoesOnAfterTheReceiverClosedTheConnection) {
    UpstreamOptions options;
    auto receiver = std::make_unique<MockReceiver>();
    receiver->decide([](std::size_t, const auto&) { return Answer{204, "", {{"Connection", "close"}}}; });
    options.url = receiver->url();
    Result<std::unique_ptr<HttpSender>> sender = HttpSender::create(options);
    ASSERT_TRUE(sender.ok());
    for (int i = 0; i < 3; ++i) EXPECT_EQ((*sender)->post("x", {}).status, 204);
    EXPECT_EQ(receiver->requests().size(), 3u);
}

}  // namespace
}  // namespace ringside::agent
