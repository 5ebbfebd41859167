// What the answers of an OTLP receiver lead to: exact counts, and waits in virtual time.
#include "agent/upstream/otlp_sender.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <fstream>
#include <string>
#include <thread>

#include "agent/upstream/otlp_status.h"
#include "opentelemetry/error_details.pb.h"
#include "tests/support/otlp_receiver.h"
#include "tests/support/raw_server.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/upstream/delivery_fixture.h"

namespace ringside::agent {
namespace {

UpstreamOptions otlp_to(const std::string& url) {
    UpstreamOptions options;
    options.url = url;
    options.protocol = Protocol::kOtlpGrpc;
    options.timeout = std::chrono::seconds(20);
    return options;
}

OtlpReceiver::Answer code(int number, const std::string& text = "") {
    OtlpReceiver::Answer answer;
    answer.code = number;
    answer.text = text;
    return answer;
}

std::string retry_in(std::int64_t seconds, std::int32_t nanos) {
    otlp::RetryInfo info;
    info.mutable_retry_delay()->set_seconds(seconds);
    info.mutable_retry_delay()->set_nanos(nanos);
    otlp::ErrorStatus status;
    status.add_details()->set_type_url("type.googleapis.com/google.rpc.DebugInfo");
    otlp::ErrorDetail& detail = *status.add_details();
    detail.set_type_url("type.googleapis.com/google.rpc.RetryInfo");
    detail.set_value(info.SerializeAsString());
    return status.SerializeAsString();
}

// Numbers n of the series in a request of a Batch.
std::set<std::size_t> numbers(const OtlpReceiver::Request& request) {
    std::set<std::size_t> all;
    for (const auto& point : request.message.resource_metrics(0).scope_metrics(0).metrics(0).gauge().data_points()) {
        all.insert(std::stoul(point.attributes(0).value().string_value()));
    }
    return all;
}

TEST(OtlpSender, CallsTheMethodOfTheProtocolWithTheBatch) {
    OtlpReceiver receiver;
    Bench bench(otlp_to(receiver.url()));
    EXPECT_TRUE(bench.delivery->deliver(Batch(3).samples).refused.empty());
    const auto requests = receiver.requests();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(requests[0].method, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
    EXPECT_EQ(numbers(requests[0]), (std::set<std::size_t>{0, 1, 2}));
    EXPECT_EQ(requests[0].metadata.find("user-agent")->second.find("ringside-agent/1.2.3 "), 0u);
    const UpstreamStats stats = bench.stats.snapshot();
    EXPECT_EQ(stats.samples_sent, 3u);
    EXPECT_EQ(stats.bytes_sent, requests[0].bytes.size());
    EXPECT_TRUE(bench.log.empty());
}

TEST(OtlpSender, RepeatsTheSameBytesOnTheCodesThatMayPass) {
    const int passing[] = {1, 4, 10, 11, 14, 15};
    OtlpReceiver receiver;
    receiver.decide([&](std::size_t number, const auto&) { return code(number < 6 ? passing[number] : 0, "busy"); });
    Bench bench(otlp_to(receiver.url()));
    EXPECT_TRUE(bench.delivery->deliver(Batch(3).samples).refused.empty());
    const auto requests = receiver.requests();
    ASSERT_EQ(requests.size(), 7u);
    for (const auto& request : requests) EXPECT_EQ(request.bytes, requests[0].bytes);
    EXPECT_EQ(bench.stats.snapshot().retries, 6u);
    EXPECT_EQ(bench.clock.waits.size(), 6u);
    EXPECT_NE(bench.log.at(0).text.find("gRPC CANCELLED: busy"), std::string::npos) << bench.log[0].text;
}

TEST(OtlpSender, OtherCodesAreFinal) {
    for (int number : {2, 5, 6, 7, 9, 12, 13, 16}) {
        OtlpReceiver receiver;
        receiver.decide([&](std::size_t, const auto&) { return code(number, "no"); });
        Bench bench(otlp_to(receiver.url()));
        EXPECT_EQ(bench.delivery->deliver(Batch(4).samples).refused.size(), 4u) << number;
        EXPECT_EQ(receiver.requests().size(), 1u) << number;
        EXPECT_EQ(bench.stats.snapshot().samples_refused.at(grpc_reason(number)), 4u);
        EXPECT_NE(bench.log.at(0).text.find("gRPC " + grpc_code_name(number) + ": no"), std::string::npos);
    }
}

TEST(OtlpSender, HalvesDownToTheBadPoint) {
    for (int number : {3, 8}) {  // INVALID_ARGUMENT, RESOURCE_EXHAUSTED without a time to come back
        OtlpReceiver receiver;
        receiver.decide([&](std::size_t, const OtlpReceiver::Request& request) {
            return code(numbers(request).contains(5) ? number : 0);
        });
        Bench bench(otlp_to(receiver.url()));
        EXPECT_EQ(indices(bench.delivery->deliver(Batch(16).samples)), std::vector<std::size_t>{5});
        EXPECT_EQ(bench.stats.snapshot().samples_sent, 15u);
    }
}

TEST(OtlpSender, WaitsAsLongAsRetryInfoAsks) {
    OtlpReceiver receiver;
    receiver.decide([](std::size_t number, const auto&) {
        OtlpReceiver::Answer answer = code(number == 0 ? 8 : number == 1 ? 14 : 0);
        if (number < 2) answer.details = retry_in(number == 0 ? 17 : 4000, 500'000'000);
        return answer;
    });
    Bench bench(otlp_to(receiver.url()));
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    ASSERT_EQ(bench.clock.waits.size(), 2u);
    EXPECT_EQ(bench.clock.waits[0], 17 * kSecond + 500 * kMs);
    EXPECT_EQ(bench.clock.waits[1], 300 * kSecond);  // at most
}

TEST(OtlpStatus, ReadsAWaitOnlyWhereThereIsOne) {
    EXPECT_EQ(retry_delay_ns(""), std::nullopt);
    EXPECT_EQ(retry_delay_ns("\xff\xff"), std::nullopt);
    EXPECT_EQ(retry_delay_ns(retry_in(0, 0)), 0u);
    EXPECT_EQ(retry_delay_ns(retry_in(-5, -5)), 0u);
    EXPECT_EQ(retry_delay_ns(retry_in(INT64_MAX, INT32_MAX)), 365 * 24 * 3600 * kSecond + kSecond - 1);
    EXPECT_EQ(grpc_reason(99), "grpc_unknown");
}

TEST(OtlpSender, CountsWhatAPartialSuccessRejectsAndNeverRepeatsIt) {
    OtlpReceiver receiver;
    receiver.decide([](std::size_t, const auto&) {
        OtlpReceiver::Answer answer;
        answer.response.mutable_partial_success()->set_rejected_data_points(2);
        answer.response.mutable_partial_success()->set_error_message("too many attributes");
        return answer;
    });
    Bench bench(otlp_to(receiver.url()));
    const Delivery::Outcome outcome = bench.delivery->deliver(Batch(5).samples);
    EXPECT_TRUE(outcome.refused.empty());
    EXPECT_EQ(outcome.unnamed, 2u);
    EXPECT_EQ(receiver.requests().size(), 1u);
    EXPECT_EQ(bench.stats.snapshot().samples_sent, 3u);
    EXPECT_EQ(bench.stats.snapshot().samples_refused.at("grpc_partial_success"), 2u);
    EXPECT_NE(bench.log.at(0).text.find("too many attributes"), std::string::npos);
}

TEST(OtlpSender, CountsWhatIsRejectedForAReasonThatIsNoUtf8) {
    OtlpReceiver receiver;
    receiver.decide([](std::size_t, const auto&) {
        OtlpReceiver::Answer answer;
        answer.response.mutable_partial_success()->set_rejected_data_points(1);
        answer.response.mutable_partial_success()->set_error_message("cut \xc3");
        return answer;
    });
    Bench bench(otlp_to(receiver.url()));
    EXPECT_EQ(bench.delivery->deliver(Batch(2).samples).unnamed, 1u);
    EXPECT_EQ(bench.stats.snapshot().samples_sent, 1u);
}

TEST(OtlpSender, AWarningWithoutRejectedPointsIsOnlyLogged) {
    OtlpReceiver receiver;
    receiver.decide([](std::size_t, const auto&) {
        OtlpReceiver::Answer answer;
        answer.response.mutable_partial_success()->set_error_message("deprecated");
        return answer;
    });
    Bench bench(otlp_to(receiver.url()));
    EXPECT_EQ(bench.delivery->deliver(Batch(5).samples).unnamed, 0u);
    EXPECT_EQ(bench.stats.snapshot().samples_sent, 5u);
    EXPECT_NE(bench.log.at(0).text.find("warns: deprecated"), std::string::npos);
}

TEST(OtlpSender, ShowsATokenThatIsReadAgainAndATenant) {
    TemporaryFolder folder;
    std::ofstream(folder / "token") << "old\n";
    OtlpReceiver receiver;
    receiver.decide([&](std::size_t number, const auto&) {
        std::ofstream(folder / "token") << "newer\n";
        return code(number == 0 ? 16 : 0);
    });
    UpstreamOptions options = otlp_to(receiver.url());
    options.auth.bearer_token_file = folder / "token";
    options.headers = {{"X-Scope-OrgID", "edge"}};
    Bench bench(options);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    const auto requests = receiver.requests();
    ASSERT_EQ(requests.size(), 2u);
    EXPECT_EQ(requests[0].metadata.find("authorization")->second, "Bearer old");
    EXPECT_EQ(requests[1].metadata.find("authorization")->second, "Bearer newer");
    EXPECT_EQ(requests[1].metadata.find("x-scope-orgid")->second, "edge");
    // A token that stays bad is final, and the log says what to do.
    receiver.decide([](std::size_t, const auto&) { return code(16, "expired"); });
    EXPECT_EQ(bench.delivery->deliver(Batch(1).samples).refused.size(), 1u);
    EXPECT_EQ(receiver.requests().size(), 3u);
    EXPECT_NE(bench.all_log().find("put a good token into " + folder.path()), std::string::npos) << bench.all_log();
    EXPECT_EQ(bench.all_log().find("newer"), std::string::npos);
}

// gRPC ends the process for metadata that is no printable ASCII.
TEST(OtlpSender, WaitsForATokenThatCanBeSent) {
    TemporaryFolder folder;
    std::ofstream(folder / "token") << "\xef\xbb\xbfs3cret\n";
    OtlpReceiver receiver;
    UpstreamOptions options = otlp_to(receiver.url());
    options.auth.bearer_token_file = folder / "token";
    Bench bench(options);
    bench.clock.on_wait = [&](std::size_t) { std::ofstream(folder / "token") << "better\n"; };
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    ASSERT_EQ(receiver.requests().size(), 1u);
    EXPECT_EQ(receiver.requests()[0].metadata.find("authorization")->second, "Bearer better");
    EXPECT_NE(bench.all_log().find("printable ASCII"), std::string::npos) << bench.all_log();
    EXPECT_EQ(bench.all_log().find("s3cret"), std::string::npos);
}

TEST(OtlpSender, SendsAgainWhatGotNoAnswerInTime) {
    OtlpReceiver receiver;
    receiver.decide([](std::size_t number, const auto&) {
        OtlpReceiver::Answer answer;
        answer.hang = number == 0;
        return answer;
    });
    UpstreamOptions options = otlp_to(receiver.url());
    options.timeout = std::chrono::milliseconds(300);
    Bench bench(options);
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).refused.empty());
    EXPECT_GE(receiver.requests().size(), 2u);
    EXPECT_EQ(receiver.requests()[0].bytes, receiver.requests()[1].bytes);
    EXPECT_NE(bench.log.at(0).text.find("DEADLINE_EXCEEDED"), std::string::npos) << bench.log[0].text;
}

TEST(OtlpSender, StopsInTheMiddleOfACallThatNobodyAnswers) {
    OtlpReceiver receiver;
    receiver.decide([](std::size_t, const auto&) {
        OtlpReceiver::Answer answer;
        answer.hang = true;
        return answer;
    });
    UpstreamOptions options = otlp_to(receiver.url());
    options.timeout = std::chrono::minutes(10);
    Bench bench(options);
    Delivery::Outcome outcome;
    std::thread sending([&] { outcome = bench.delivery->deliver(Batch(1).samples); });
    EXPECT_TRUE(receiver.wait_for_requests(1));
    bench.pacer.stop();
    bench.sender->abort();
    sending.join();  // The test's own limit of time is far below the ten minutes.
    EXPECT_TRUE(outcome.stopped);
    EXPECT_EQ(bench.stats.snapshot().requests, 0u);  // nothing is known of it
}

TEST(OtlpSender, RetriesARefusedConnectionUntilStopped) {
    ClosedPort closed;
    Bench bench(otlp_to("http://127.0.0.1:" + std::to_string(closed.port())));
    bench.clock.on_wait = [&](std::size_t waits) {
        if (waits == 5) bench.sender->abort();
    };
    EXPECT_TRUE(bench.delivery->deliver(Batch(1).samples).stopped);
    EXPECT_EQ(bench.stats.snapshot().requests, 5u);
    EXPECT_EQ(bench.log.size(), 1u);
    EXPECT_NE(bench.log[0].text.find("gRPC UNAVAILABLE"), std::string::npos) << bench.log[0].text;
}

// Moves bytes between two sockets until one of them ends. How many came from `a`.
std::size_t pump(int a, int b) {
    std::size_t from_a = 0;
    auto copy = [](int from, int to) {
        std::size_t total = 0;
        char bytes[4096];
        for (ssize_t got; (got = recv(from, bytes, sizeof bytes, 0)) > 0; total += static_cast<std::size_t>(got)) {
            RawServer::write(to, std::string(bytes, static_cast<std::size_t>(got)));
        }
        shutdown(to, SHUT_WR);
        return total;
    };
    std::thread there([&] { from_a = copy(a, b); });
    copy(b, a);
    there.join();
    return from_a;
}

// The proxy also shows how many bytes a request takes, and that gzip makes them fewer.
TEST(OtlpSender, GoesThroughAnHttpProxyAndCompresses) {
    OtlpReceiver receiver;
    std::size_t sizes[2] = {};
    for (const bool gzip : {false, true}) {
        {
            RawServer proxy([&](RawServer& server, int fd, std::size_t) {
                server.read_request(fd);
                sockaddr_in address{};
                address.sin_family = AF_INET;
                address.sin_port = htons(static_cast<std::uint16_t>(receiver.port()));
                address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                const int there = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                ASSERT_EQ(connect(there, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
                RawServer::write(fd, "HTTP/1.1 200 OK\r\n\r\n");
                sizes[gzip] += pump(fd, there);
                close(there);
            });
            UpstreamOptions options = otlp_to("http://receiver.invalid:4317");  // The proxy finds it.
            options.proxy = "http://" + proxy.address();
            options.gzip = gzip;
            Bench bench(options);
            EXPECT_TRUE(bench.delivery->deliver(Batch(500).samples).refused.empty());
            ASSERT_EQ(proxy.requests().size(), 1u);
            EXPECT_EQ(proxy.requests()[0].find("CONNECT receiver.invalid:4317 HTTP/1."), 0u) << proxy.requests()[0];
        }
    }
    const auto requests = receiver.requests();
    ASSERT_EQ(requests.size(), 2u);
    EXPECT_EQ(requests[0].bytes, requests[1].bytes);
    EXPECT_GT(sizes[0], requests[0].bytes.size());
    EXPECT_LT(sizes[1], sizes[0] / 2);
}

}  // namespace
}  // namespace ringside::agent
