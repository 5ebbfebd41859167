#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "agent/api/alarms.h"
#include "tests/support/api_fixture.h"
#include "tests/support/occupied_pool.h"
#include "tests/support/very_long_query.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kNowMs = static_cast<std::int64_t>(kTestNowNs / 1'000'000);
constexpr std::int64_t kIntervalMs = 50;

ApiOptions quick() {
    ApiOptions options;
    options.queries.interval_ms_min = 1;
    options.queries.settle_ms = 0;
    return options;
}

v1::WatchQueryRequest watching(const std::string& text) {
    v1::WatchQueryRequest request;
    request.set_query(text);
    request.set_interval_ms(kIntervalMs);
    return request;
}

// With a clock that stands until it is moved.
class WatchFixture : public ApiFixture {
  public:
    explicit WatchFixture(ApiOptions options = quick(), const FairPool::Limits& turns = {})
        : ApiFixture(16, {}, std::move(options), patient(), turns) {}
    void move_clock(std::int64_t by_ms) { query_now_ns += static_cast<std::uint64_t>(by_ms) * 1'000'000; }
    void wait_for_watchers(double count) {
        MetricGauge& gauge =
            metrics.gauge("ringside_api_calls",
                          "gRPC calls under way: answers, watchers of events, queries, and watchers of queries.",
                          {{"kind", "query_watch"}});
        while (gauge.value() != count) std::this_thread::sleep_for(1ms);
    }
    MetricCounter& dropped(const char* reason) {
        return metrics.counter("ringside_api_watch_answers_dropped_total",
                               "Answers of watched queries that were left out, by reason.", {{"reason", reason}});
    }
};

// A watch that is still open.
class Watch {
  public:
    Watch(const ApiClient& client, const v1::WatchQueryRequest& request)
        : reader_(client.query->Watch(&context_, request)) {}
    // The first message of an answer that has more.
    void begin_answer() {
        v1::QueryResponse message;
        ASSERT_TRUE(reader_->Read(&message));
        ASSERT_FALSE(message.last());
    }
    // The next answer; empty at the end.
    std::vector<v1::QueryResponse> next() {
        std::vector<v1::QueryResponse> answer;
        for (v1::QueryResponse message; reader_->Read(&message);) {
            answer.push_back(message);
            if (message.last()) return answer;
        }
        return {};
    }
    grpc::Status finish() {
        while (!next().empty()) continue;
        return reader_->Finish();
    }
    void cancel() { context_.TryCancel(); }

  private:
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<v1::QueryResponse>> reader_;
};

TEST(QueryWatch, AnswersNowAndAtEachMultipleOfTheInterval) {
    WatchFixture fixture;
    fixture.move_clock(7);
    const ApiClient client = fixture.connect();
    Watch watch(client, watching("time()"));
    auto answer = watch.next();
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].time_ms(), kNowMs + 7);
    EXPECT_EQ(answer[0].scalar(), static_cast<double>(kNowMs + 7) / 1000);
    for (int i = 1; i < 20; ++i) {
        fixture.move_clock(kIntervalMs);
        answer = watch.next();
        ASSERT_EQ(answer.size(), 1u);
        EXPECT_EQ(answer[0].time_ms(), kNowMs + i * kIntervalMs);
        EXPECT_EQ(answer[0].dropped(), 0u);
    }
}

TEST(QueryWatch, SeesVmsThatComeAndGo) {
    WatchFixture fixture;
    const std::string query = "count(ringside_vm_up)";
    const ApiClient client = fixture.connect();
    Watch watch(client, watching(query));
    EXPECT_EQ(watch.next().at(0).samples_size(), 0);
    const std::string key = fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    fixture.move_clock(kIntervalMs);
    EXPECT_EQ(watch.next().at(0).samples(0).value(), 1);
    fixture.backend.evict(key);
    fixture.move_clock(kIntervalMs);
    EXPECT_EQ(watch.next().at(0).samples_size(), 0);
}

// Megabytes an answer: none of them fits what gRPC takes in advance.
TEST(QueryWatch, GivesASlowReaderTheNewestAndHoldsOneAnswer) {
    ApiOptions options = quick();
    options.queries.answer_bytes_max = 8'000'000;
    WatchFixture fixture(std::move(options));
    fixture.backend.add({.vm_id = "vm-1", .uid = 1, .counters = 16'000, .windows = 4});
    const ApiClient client = fixture.connect();
    Watch watch(client, watching("requests_total * 0 + time()"));
    auto answer = watch.next();
    ASSERT_GT(answer.size(), 2u);
    fixture.move_clock(kIntervalMs);
    std::size_t late = 0;
    std::int64_t before_ms = answer.back().time_ms();
    for (int round = 0; round < 5; ++round) {
        // It does not read while ten answers would have come. All of them together would not be held: two are
        // over the bound.
        for (int i = 0; i < 10; ++i) {
            fixture.move_clock(kIntervalMs);
            std::this_thread::sleep_for(2ms);
        }
        answer = watch.next();
        ASSERT_FALSE(answer.empty());
        const auto passed = static_cast<std::uint64_t>((answer.back().time_ms() - before_ms) / kIntervalMs);
        EXPECT_EQ(answer.back().dropped(), passed - 1) << "between " << before_ms << " and " << answer.back().time_ms();
        late += answer.back().dropped();
        before_ms = answer.back().time_ms();
        std::size_t samples = 0;
        for (const auto& message : answer) samples += static_cast<std::size_t>(message.samples_size());
        EXPECT_EQ(samples, 16'000u);
    }
    EXPECT_GE(late, 10u);  // else nobody was slow here
    // What is on its way when the reader comes back may be older, one answer and the end of another; then comes that of now.
    fixture.move_clock(kIntervalMs);
    const std::int64_t newest_ms = kNowMs + 52 * kIntervalMs;
    for (int reads = 0; reads < 3 && before_ms != newest_ms; ++reads) {
        answer = watch.next();
        ASSERT_FALSE(answer.empty());
        before_ms = answer.back().time_ms();
    }
    EXPECT_EQ(before_ms, newest_ms);
    EXPECT_GE(fixture.dropped("late").value(), late);
}

TEST(QueryWatch, LeavesOutWhatFindsNoPlace) {
    WatchFixture fixture(quick(), {.threads = 1, .queue_max = 0});
    const ApiClient client = fixture.connect();
    Watch watch(client, watching("vector(1)"));
    ASSERT_FALSE(watch.next().empty());
    MetricCounter& busy = fixture.dropped("busy");
    {
        // Its own evaluation may still be giving back its place.
        while (fixture.query_host.pool.counts().short_jobs != 0) std::this_thread::sleep_for(1ms);
        OccupiedPool occupied(fixture.query_host.pool, 1);
        fixture.move_clock(kIntervalMs);
        while (busy.value() == 0) std::this_thread::sleep_for(1ms);
        EXPECT_EQ(busy.value(), 1u);
    }
    while (fixture.query_host.pool.counts().short_jobs != 0) std::this_thread::sleep_for(1ms);
    fixture.move_clock(kIntervalMs);
    const auto answer = watch.next();
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].dropped(), 1u);
    EXPECT_EQ(answer[0].time_ms(), kNowMs + 2 * kIntervalMs);
}

TEST(QueryWatch, LeavesOutWhatOthersHaveTheSamplesFor) {
    WatchFixture fixture;
    fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    const ApiClient client = fixture.connect();
    Watch watch(client, watching("sum(count_over_time(requests_total[5m]))"));
    ASSERT_FALSE(watch.next().empty());
    {
        std::vector<std::unique_ptr<SampleBudget::Share>> others;
        for (int i = 0; i < 30; ++i) others.push_back(std::make_unique<SampleBudget::Share>(fixture.query_host.budget));
        fixture.move_clock(kIntervalMs);
        while (fixture.dropped("busy").value() == 0) std::this_thread::sleep_for(1ms);
    }
    fixture.move_clock(kIntervalMs);
    EXPECT_EQ(watch.next().at(0).dropped(), 1u);
}

TEST(QueryWatch, GoesOnWhenTheClockGoesBack) {
    WatchFixture fixture;
    const ApiClient client = fixture.connect();
    Watch watch(client, watching("time()"));
    ASSERT_FALSE(watch.next().empty());
    fixture.query_now_ns -= 3'600'000'000'000;
    const auto answer = watch.next();
    ASSERT_EQ(answer.size(), 1u);
    EXPECT_EQ(answer[0].time_ms(), kNowMs - 3'600'000);
    EXPECT_EQ(answer[0].dropped(), 0u);
}

TEST(QueryWatch, ShowsTenantsTheirOwnVmsAlone) {
    WatchFixture fixture;
    fixture.backend.add({.vm_id = "mine", .uid = 1001});
    fixture.backend.add({.vm_id = "theirs", .uid = 1002});
    const ApiClient tenant = fixture.connect_as({1001, false});
    Watch watch(tenant, watching("count(ringside_vm_up)"));
    EXPECT_EQ(watch.next().at(0).samples(0).value(), 1);
}

TEST(QueryWatch, RefusesRequestsThatCannotBe) {
    ApiFixture fixture;
    const ApiClient client = fixture.connect();
    const auto failure = [&](std::int64_t interval_ms, const std::string& text, std::int64_t lookback_ms) {
        v1::WatchQueryRequest request = watching(text);
        request.set_interval_ms(interval_ms);
        request.set_lookback_ms(lookback_ms);
        return Watch(client, request).finish();
    };
    EXPECT_EQ(failure(999, "1", 0).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(failure(86'400'001, "1", 0).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(failure(1000, "1", -1).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    const grpc::Status bad = failure(1000, "sum(", 0);
    EXPECT_EQ(info_of(bad).reason(), v1::ERROR_REASON_BAD_QUERY);
}

TEST(QueryWatch, EndsWithAnEvaluationThatFails) {
    WatchFixture fixture;
    const ApiClient client = fixture.connect();
    Watch watch(client, watching("requests_total + on () requests_total"));
    ASSERT_FALSE(watch.next().empty());
    fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    fixture.move_clock(kIntervalMs);
    EXPECT_EQ(watch.finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST(QueryWatch, EndsWhileItWaitsWhenTheCallerIsGone) {
    WatchFixture fixture;
    const ApiClient client = fixture.connect();
    Watch watch(client, watching("vector(1)"));
    ASSERT_FALSE(watch.next().empty());
    fixture.wait_for_watchers(1);
    watch.cancel();
    EXPECT_EQ(watch.finish().error_code(), grpc::StatusCode::CANCELLED);
    fixture.wait_for_watchers(0);
}

// Its answer lies with gRPC, which takes no more of it.
TEST(QueryWatch, EndsWhileItsAnswerIsNotReadWhenTheCallerIsGone) {
    WatchFixture fixture;
    fixture.backend.add({.vm_id = "vm-1", .uid = 1, .counters = 16'000, .windows = 4});
    const ApiClient client = fixture.connect();
    Watch watch(client, watching("requests_total"));
    watch.begin_answer();
    watch.cancel();
    fixture.wait_for_watchers(0);
}

TEST(QueryWatch, EndsWhileItIsEvaluatedWhenTheCallerIsGone) {
    WatchFixture fixture;
    const ApiClient client = fixture.connect();
    Watch watch(client, watching(kVeryLong));
    const auto long_running = [&] { return fixture.query_host.pool.counts().long_running; };
    while (long_running() != 1) std::this_thread::sleep_for(1ms);
    watch.cancel();
    EXPECT_EQ(watch.finish().error_code(), grpc::StatusCode::CANCELLED);
    while (long_running() != 0) std::this_thread::sleep_for(1ms);
}

TEST(QueryWatch, EndsWhenTheAgentStops) {
    WatchFixture fixture;
    const ApiClient client = fixture.connect();
    v1::WatchQueryRequest rare = watching("vector(1)");
    rare.set_interval_ms(3'600'000);
    Watch watch(client, rare);
    ASSERT_FALSE(watch.next().empty());
    std::thread stopper([&] { fixture.server->stop(); });
    const grpc::Status status = watch.finish();
    stopper.join();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_STOPPING);
}

TEST(QueryWatch, EndsWithTheAgentThoughItsAnswerIsNotRead) {
    ApiOptions options = quick();
    options.stop_timeout = 1ms;
    WatchFixture fixture(std::move(options));
    fixture.backend.add({.vm_id = "vm-1", .uid = 1, .counters = 16'000, .windows = 4});
    const ApiClient client = fixture.connect();
    Watch watch(client, watching("requests_total"));
    watch.begin_answer();
    fixture.server->stop();
    fixture.wait_for_watchers(0);
    EXPECT_FALSE(watch.finish().ok());
}

TEST(QueryWatch, RefusesMoreWatchersThanThereMayBe) {
    ApiOptions options = quick();
    options.calls.query_watchers.one_tenant = 2;
    WatchFixture fixture(std::move(options));
    const ApiClient tenant = fixture.connect_as({1001, false});
    Watch one(tenant, watching("vector(1)"));
    Watch other(tenant, watching("vector(1)"));
    fixture.wait_for_watchers(2);
    Watch third(tenant, watching("vector(1)"));
    const grpc::Status status = third.finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_BUSY);
}

TEST(Alarms, WakeInTheOrderOfTheirTimes) {
    struct Sleeper : Waiter {
        Sleeper(std::vector<int>& order, std::atomic<int>& count, int number)
            : woken(order), awake(count), name(number) {}
        void wake() override {
            woken.push_back(name);
            ++awake;
        }
        bool is_cancelled() const override { return false; }
        std::vector<int>& woken;  // by the alarms' thread alone
        std::atomic<int>& awake;
        int name;
    };
    std::vector<int> order;
    std::atomic<int> awake = 0;
    Sleeper first(order, awake, 1), second(order, awake, 2), third(order, awake, 3), never(order, awake, 4);
    Alarms alarms;
    const auto now = std::chrono::steady_clock::now();
    alarms.wait(third, now + 3ms);
    alarms.wait(never, now + 2ms);
    alarms.wait(first, now + 1ms);
    alarms.wait(second, now + 2ms);
    EXPECT_TRUE(alarms.cancel(never));
    EXPECT_FALSE(alarms.cancel(never));
    alarms.start();
    for (int i = 0; i < 60'000 && awake != 3; ++i) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(Alarms, WakeEverybodyWhenTheyEnd) {
    struct Sleeper : Waiter {
        void wake() override { ++woken; }
        bool is_cancelled() const override { return false; }
        std::atomic<int> woken = 0;
    } sleeper, late;
    Alarms alarms;
    alarms.start();
    alarms.wait(sleeper, std::chrono::steady_clock::now() + 1h);
    alarms.stop();
    EXPECT_EQ(sleeper.woken, 1);
    alarms.wait(late, std::chrono::steady_clock::now() + 1h);
    EXPECT_EQ(late.woken, 1);
    EXPECT_TRUE(alarms.ended());
}

}  // namespace
}  // namespace ringside::agent
