#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>

#include "agent/api/query_calls.h"
#include "tests/support/api_fixture.h"
#include "tests/support/occupied_pool.h"
#include "tests/support/very_long_query.h"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kNowMs = static_cast<std::int64_t>(kTestNowNs / 1'000'000);
// The newest window is open and no sample yet.
constexpr std::int64_t kNewestMs = kNowMs - 1000;

v1::QueryRequest at_now(const std::string& text) {
    v1::QueryRequest request;
    request.set_query(text);
    return request;
}

v1::QueryRangeRequest over(const std::string& text, std::int64_t begin_ms, std::int64_t end_ms, std::int64_t step_ms) {
    v1::QueryRangeRequest request;
    request.set_query(text);
    request.set_begin_ms(begin_ms);
    request.set_end_ms(end_ms);
    request.set_step_ms(step_ms);
    return request;
}

std::string text_of(const google::protobuf::RepeatedPtrField<v1::QueryLabel>& labels) {
    std::string text;
    for (const v1::QueryLabel& label : labels) {
        text += (text.empty() ? "" : ",") + label.name() + "=" + label.value();
    }
    return text;
}

// All samples of a vector.
std::vector<v1::QuerySample> samples_of(const Streamed<v1::QueryResponse>& answer) {
    std::vector<v1::QuerySample> samples;
    for (const auto& message : answer.messages) {
        samples.insert(samples.end(), message.samples().begin(), message.samples().end());
    }
    return samples;
}

double value_of(const Streamed<v1::QueryResponse>& answer) {
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
    const auto samples = samples_of(answer);
    EXPECT_EQ(samples.size(), 1u);
    return samples.size() == 1 ? samples[0].value() : -1;
}

TEST(QueryService, AnswersAtOneTime) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "vm-1", .uid = 1, .seed = 500});
    const ApiClient client = fixture.connect();
    const auto answer = client.ask(at_now("requests_total{device=\"disk0\",op=\"read\"}"));
    ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
    ASSERT_EQ(answer.messages.size(), 1u);
    const v1::QueryResponse& message = answer.messages[0];
    EXPECT_EQ(message.type(), v1::QUERY_RESULT_TYPE_VECTOR);
    EXPECT_EQ(message.time_ms(), kNowMs);
    EXPECT_TRUE(message.last());
    ASSERT_EQ(message.samples_size(), 1);
    EXPECT_EQ(text_of(message.samples(0).labels()),
              "__name__=requests_total,device=disk0,instance=host-1,job=ringside,op=read,vm_id=vm-1");
    EXPECT_EQ(message.samples(0).value(), 500 + 298);

    v1::QueryRequest earlier = at_now("requests_total{device=\"disk0\",op=\"read\"}");
    earlier.set_time_ms(kNewestMs - 100'000);
    EXPECT_EQ(value_of(client.ask(earlier)), 500 + 198);
}

TEST(QueryService, AnswersScalarsAndStrings) {
    ApiFixture fixture;
    const ApiClient client = fixture.connect();
    const auto scalar = client.ask(at_now("1 + 1")).messages;
    ASSERT_EQ(scalar.size(), 1u);
    EXPECT_EQ(scalar[0].type(), v1::QUERY_RESULT_TYPE_SCALAR);
    EXPECT_EQ(scalar[0].scalar(), 2);
    EXPECT_FALSE(scalar[0].has_text());
    const auto text = client.ask(at_now("\"a\"")).messages;
    ASSERT_EQ(text.size(), 1u);
    EXPECT_EQ(text[0].type(), v1::QUERY_RESULT_TYPE_STRING);
    EXPECT_EQ(text[0].text(), "a");
    EXPECT_FALSE(text[0].has_scalar());
}

TEST(QueryService, AnswersOverARange) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    const auto answer = fixture.connect().ask(
        over("requests_total{device=\"disk0\",op=\"read\"}", kNewestMs - 20'000, kNewestMs, 10'000));
    ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
    ASSERT_EQ(answer.messages.size(), 1u);
    EXPECT_EQ(answer.messages[0].type(), v1::QUERY_RESULT_TYPE_MATRIX);
    EXPECT_EQ(answer.messages[0].time_ms(), kNewestMs);
    ASSERT_EQ(answer.messages[0].series_size(), 1);
    const v1::QuerySeries& series = answer.messages[0].series(0);
    EXPECT_EQ(std::vector<std::int64_t>(series.time_ms().begin(), series.time_ms().end()),
              (std::vector<std::int64_t>{kNewestMs - 20'000, kNewestMs - 10'000, kNewestMs}));
    EXPECT_EQ(std::vector<double>(series.value().begin(), series.value().end()), (std::vector<double>{278, 288, 298}));
}

TEST(QueryService, AnswersWithHistograms) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "vm-1", .uid = 1, .buckets = 4});
    const auto samples = samples_of(fixture.connect().ask(at_now("latency_seconds")));
    ASSERT_EQ(samples.size(), 1u);
    const v1::QueryHistogram& histogram = samples[0].histogram();
    EXPECT_EQ(histogram.sum(), 298 / 4.0);
    EXPECT_EQ(histogram.scale(), 2);
    EXPECT_FALSE(histogram.is_custom());
    EXPECT_EQ(histogram.zero_count(), 298);
    ASSERT_EQ(histogram.positive_index_size(), 4);
    ASSERT_EQ(histogram.positive_count_size(), 4);
    EXPECT_EQ(histogram.positive_index(0), -3);
    EXPECT_EQ(histogram.positive_count(0), 298 + 1);
}

TEST(QueryService, TellsWhatItRead) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    const auto answer = fixture.connect().ask(at_now("max_over_time(queue_depth[30s])"));
    ASSERT_EQ(answer.messages.size(), 1u);
    const v1::QueryStats& stats = answer.messages[0].stats();
    EXPECT_GT(stats.samples_read(), 0u);
    EXPECT_GT(stats.evaluation_ns(), 0u);
    ASSERT_EQ(stats.selections_size(), 1);
    const v1::QuerySelection& selection = stats.selections(0);
    EXPECT_NE(selection.selector().find("queue_depth"), std::string::npos);
    ASSERT_EQ(selection.tiers_size(), 1);
    EXPECT_EQ(selection.tiers(0).resolution_s(), 1u);
    EXPECT_EQ(selection.tiers(0).series(), 1u);
    EXPECT_NE(std::ranges::find(selection.columns(), "max"), selection.columns().end());
    EXPECT_EQ(std::ranges::find(selection.columns(), "sum"), selection.columns().end());
    EXPECT_GE(selection.windows(), 29u);
    EXPECT_GT(selection.bytes(), 0u);
    EXPECT_EQ(selection.newest_ms(), kNewestMs);
    EXPECT_EQ(selection.newest_age_ms(), 1000);
}

TEST(QueryService, CutsLargeAnswersIntoMessagesBelowOneMiB) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "vm-1", .uid = 1, .counters = 8000, .windows = 20});
    fixture.backend.add({.vm_id = "vm-2", .uid = 1, .counters = 30});
    const ApiClient client = fixture.connect();
    const auto vector = client.ask(at_now("requests_total{vm_id=\"vm-1\"}"));
    ASSERT_TRUE(vector.status.ok()) << vector.status.error_message();
    EXPECT_GT(vector.messages.size(), 2u);
    EXPECT_EQ(samples_of(vector).size(), 8000u);
    for (std::size_t i = 0; i < vector.messages.size(); ++i) {
        EXPECT_LT(vector.messages[i].ByteSizeLong(), std::size_t{1} << 20);
        EXPECT_EQ(vector.messages[i].last(), i + 1 == vector.messages.size());
        EXPECT_EQ(vector.messages[i].has_stats(), vector.messages[i].last());
    }
    // 30 series of 11,001 points are 5 MiB: a series goes on over messages.
    const auto matrix = client.ask(over("requests_total{vm_id=\"vm-2\"} * 0 + 1", kNewestMs - 11'000, kNewestMs, 1));
    ASSERT_TRUE(matrix.status.ok()) << matrix.status.error_message();
    std::size_t series = 0, points = 0;
    std::int64_t last_ms = 0;
    for (const auto& message : matrix.messages) {
        EXPECT_LT(message.ByteSizeLong(), std::size_t{1} << 20);
        for (const v1::QuerySeries& one : message.series()) {
            if (!one.continued()) {
                ++series;
                last_ms = 0;
                EXPECT_GT(one.labels_size(), 0);
            }
            points += static_cast<std::size_t>(one.time_ms_size());
            for (std::int64_t time_ms : one.time_ms()) {
                ASSERT_GT(time_ms, last_ms);
                last_ms = time_ms;
            }
        }
    }
    EXPECT_EQ(series, 30u);
    EXPECT_EQ(points, 30u * 11'001);
}

TEST(QueryService, SaysWhereAQueryIsWrong) {
    ApiFixture fixture;
    const grpc::Status status = fixture.connect().ask(at_now("sum(\n  up")).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_NE(status.error_message().find("2:5: parse error: "), std::string::npos) << status.error_message();
    const v1::ErrorInfo info = info_of(status);
    EXPECT_EQ(info.reason(), v1::ERROR_REASON_BAD_QUERY);
    EXPECT_EQ(info.query_line(), 2u);
    EXPECT_EQ(info.query_column(), 5u);
}

TEST(QueryService, RefusesRequestsThatCannotBe) {
    ApiFixture fixture;
    const ApiClient client = fixture.connect();
    EXPECT_EQ(client.ask(over("1", 1, 2, 0)).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(client.ask(over("1", 2, 1, 1)).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(client.ask(over("1", 0, 11'001, 1)).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(client.ask(over("up[1m]", 0, 1, 1)).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    v1::QueryRequest request = at_now("1");
    request.set_lookback_ms(-1);
    EXPECT_EQ(client.ask(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    request = at_now("1");
    request.set_timeout_ms(-1);
    EXPECT_EQ(client.ask(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(QueryService, TellsWhatTheDataDoNotAllow) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    const grpc::Status status = fixture.connect().ask(at_now("requests_total + on () requests_total")).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_QUERY_FAILED);
}

TEST(QueryService, SaysWhatItLacks) {
    ApiFixture fixture;
    fixture.backend.quarantine("bad.seg", 1);
    const auto answer = fixture.connect().ask(at_now("vector(1)"));
    ASSERT_EQ(answer.messages.size(), 1u);
    ASSERT_EQ(answer.messages[0].warnings_size(), 1);
    EXPECT_NE(answer.messages[0].warnings(0).find("bad.seg"), std::string::npos);
}

// Clients refuse whole messages with a string that is no UTF-8.
TEST(QueryService, KeepsBytesThatAreNoUtf8OutOfItsAnswers) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    const ApiClient client = fixture.connect();
    const auto text = client.ask(at_now(R"("a\xff")"));
    ASSERT_EQ(text.messages.size(), 1u) << text.status.error_message();
    EXPECT_EQ(text.messages[0].text(), "a\ufffd");
    const auto samples = samples_of(client.ask(at_now(R"(label_replace(vector(1), "a", "\xff", "", ""))")));
    ASSERT_EQ(samples.size(), 1u);
    EXPECT_EQ(text_of(samples[0].labels()), "a=\ufffd");
    const grpc::Status refused = client.ask(at_now(R"(label_replace(vector(1), "\xff", "b", "", ""))")).status;
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_NE(refused.error_message().find("\ufffd"), std::string::npos) << refused.error_message();
    EXPECT_EQ(info_of(refused).reason(), v1::ERROR_REASON_QUERY_FAILED);
    fixture.backend.quarantine("bad\xff.seg", 1);
    const auto warned = client.ask(at_now("vector(1)"));
    ASSERT_EQ(warned.messages.size(), 1u) << warned.status.error_message();
    ASSERT_EQ(warned.messages[0].warnings_size(), 1);
    EXPECT_NE(warned.messages[0].warnings(0).find("bad"), std::string::npos) << warned.messages[0].warnings(0);
}

TEST(QueryService, EndsAQueryThatFindsNoMemory) {
    ApiFixture fixture;
    const ApiClient client = fixture.connect();
    v1::QueryRequest request = at_now("vector(1)");
    request.set_time_ms(kNowMs);
    fixture.has_no_memory = true;
    EXPECT_EQ(client.ask(request).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    fixture.has_no_memory = false;
    EXPECT_EQ(value_of(client.ask(request)), 1);
}

TEST(QueryService, LetsKnownQuickQueriesPassThoseThatWait) {
    ApiFixture fixture(16, {}, {}, ApiFixture::patient(), {.threads = 1});
    const ApiClient client = fixture.connect();
    fixture.query_host.costs.put({.is_operator = true}, {.text = "vector(1)"}, {100us, false});
    OccupiedPool occupied(fixture.query_host.pool, 1);
    auto unknown = std::async(std::launch::async, [&] { return client.ask(at_now("vector(2)")); });
    occupied.wait_for_others(1);
    auto quick = std::async(std::launch::async, [&] { return client.ask(at_now("vector(1)")); });
    EXPECT_EQ(quick.wait_for(60s), std::future_status::ready);
    EXPECT_NE(unknown.wait_for(0s), std::future_status::ready);
    occupied.let_go();
    EXPECT_EQ(value_of(unknown.get()), 2);
    EXPECT_EQ(value_of(quick.get()), 1);
}

TEST(QueryService, ShowsTenantsTheirOwnVmsAlone) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "mine", .uid = 1001});
    fixture.backend.add({.vm_id = "theirs", .uid = 1002});
    fixture.backend.quarantine("bad.seg", 1002);
    const ApiClient tenant = fixture.connect_as({1001, false});
    const auto answer = tenant.ask(at_now("count by (vm_id) (requests_total)"));
    EXPECT_EQ(value_of(answer), 2);
    EXPECT_EQ(text_of(samples_of(answer)[0].labels()), "vm_id=mine");
    EXPECT_EQ(answer.messages[0].warnings_size(), 0);
    EXPECT_EQ(value_of(tenant.ask(at_now("absent(requests_total{vm_id=\"theirs\"})"))), 1);
    EXPECT_EQ(value_of(tenant.ask(at_now("count(ringside_vm_info)"))), 1);
    EXPECT_EQ(samples_of(fixture.connect().ask(at_now("count by (vm_id) (requests_total)"))).size(), 2u);
}

TEST(QueryService, KeepsItsLimits) {
    QueryLimits limits = ApiFixture::patient();
    limits.samples_max = 100;
    ApiFixture fixture(16, {}, {}, limits);
    fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    const ApiClient client = fixture.connect();
    const grpc::Status many = client.ask(at_now("requests_total[5m]")).status;
    EXPECT_EQ(many.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(info_of(many).reason(), v1::ERROR_REASON_QUERY_SAMPLES);
    EXPECT_EQ(info_of(many).limit(), 100u);
}

TEST(QueryService, LeavesSamplesToOtherQueries) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "vm-1", .uid = 1});
    std::vector<std::unique_ptr<SampleBudget::Share>> others;
    for (int i = 0; i < 30; ++i) others.push_back(std::make_unique<SampleBudget::Share>(fixture.query_host.budget));
    const grpc::Status busy = fixture.connect().ask(at_now("requests_total[5m]")).status;
    EXPECT_EQ(busy.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(info_of(busy).reason(), v1::ERROR_REASON_BUSY);
}

TEST(QueryService, CountsTheTimeOfWaiting) {
    ApiFixture fixture(16, {}, {}, ApiFixture::patient(), {.threads = 1});
    OccupiedPool occupied(fixture.query_host.pool, 1);
    const ApiClient client = fixture.connect();
    v1::QueryRequest request = at_now("vector(1)");
    request.set_timeout_ms(1);
    auto late = std::async(std::launch::async, [&] { return client.ask(request).status; });
    occupied.wait_for_others(1);
    // Calls that are no queries are answered meanwhile.
    EXPECT_FALSE(client.get_status().version().empty());
    std::this_thread::sleep_for(2ms);
    occupied.let_go();
    const grpc::Status status = late.get();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_QUERY_TIME);
}

TEST(QueryService, EndsTheQueryOfACallerThatIsGone) {
    ApiFixture fixture;
    const ApiClient client = fixture.connect();
    grpc::ClientContext context;
    const auto reader = client.query->Query(&context, at_now(kVeryLong));
    const auto long_running = [&] { return fixture.query_host.pool.counts().long_running; };
    while (long_running() != 1) std::this_thread::sleep_for(1ms);
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
    while (long_running() != 0) std::this_thread::sleep_for(1ms);
}

TEST(QueryService, EndsLongQueriesWhenTheAgentStops) {
    ApiOptions options;
    options.stop_timeout = 1ms;
    ApiFixture fixture(16, {}, std::move(options));
    const ApiClient client = fixture.connect();
    auto status = std::async(std::launch::async, [&] { return client.ask(at_now(kVeryLong)).status; });
    while (fixture.query_host.pool.counts().long_running != 1) std::this_thread::sleep_for(1ms);
    fixture.server->stop();
    EXPECT_FALSE(status.get().ok());
    while (fixture.query_host.pool.counts().long_running != 0) std::this_thread::sleep_for(1ms);
}

TEST(QueryService, RefusesAnswersThatAreTooLarge) {
    ApiOptions options;
    options.queries.answer_bytes_max = 8'000'000;
    ApiFixture fixture(16, {}, std::move(options));
    fixture.backend.add({.vm_id = "vm-1", .uid = 1001, .counters = 16'000, .windows = 4});
    fixture.backend.add({.vm_id = "vm-2", .uid = 1001, .counters = 16'000, .windows = 4});
    const ApiClient client = fixture.connect();
    const grpc::Status refused = client.ask(at_now("requests_total")).status;
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(info_of(refused).reason(), v1::ERROR_REASON_ANSWER_BYTES);
    EXPECT_EQ(info_of(refused).limit(), 4'000'000u);
    EXPECT_TRUE(client.ask(at_now("requests_total{vm_id=\"vm-1\"}")).status.ok());
    // Of a tenant half as much.
    const grpc::Status of_tenant =
        fixture.connect_as({1001, false}).ask(at_now("requests_total{vm_id=\"vm-1\"}")).status;
    EXPECT_EQ(info_of(of_tenant).reason(), v1::ERROR_REASON_ANSWER_BYTES);
    EXPECT_EQ(info_of(of_tenant).limit(), 2'000'000u);
}

TEST(QueryService, KeepsRoomForOthersWhileACallerDoesNotRead) {
    ApiOptions options;
    options.queries.answer_bytes_max = 8'000'000;
    ApiFixture fixture(16, {}, std::move(options));
    fixture.backend.add({.vm_id = "vm-1", .uid = 1, .counters = 16'000, .windows = 4});
    const ApiClient slow = fixture.connect(), quick = fixture.connect();
    grpc::ClientContext context;
    const auto unread = slow.query->Query(&context, at_now("requests_total"));
    v1::QueryResponse first;
    ASSERT_TRUE(unread->Read(&first));
    const grpc::Status refused = quick.ask(at_now("requests_total")).status;
    EXPECT_EQ(info_of(refused).reason(), v1::ERROR_REASON_BUSY) << refused.error_message();
    EXPECT_EQ(value_of(quick.ask(at_now("count(requests_total)"))), 16'000);
    context.TryCancel();
    EXPECT_EQ(unread->Finish().error_code(), grpc::StatusCode::CANCELLED);
    while (fixture.calls("Query", "cancelled") == 0) std::this_thread::sleep_for(1ms);
    EXPECT_TRUE(quick.ask(at_now("requests_total")).status.ok());
}

TEST(AnswerBudget, GivesAnAnswerHalfOfWhatIsFree) {
    AnswerBudget budget(1000);
    const Caller tenant{1001, false}, root{0, true};
    EXPECT_EQ(budget.most(root), 500u);
    EXPECT_EQ(budget.most(tenant), 250u);
    {
        const auto one = budget.hold(250, tenant);
        EXPECT_TRUE(one);
        EXPECT_FALSE(budget.hold(126, tenant));
        const auto other = budget.hold(125, tenant);
        EXPECT_TRUE(other);
        EXPECT_FALSE(budget.hold(313, root));
        const auto third = budget.hold(312, root);
        EXPECT_TRUE(third);
        EXPECT_EQ(budget.held(), 687u);
    }
    EXPECT_EQ(budget.held(), 0u);
    EXPECT_TRUE(budget.hold(500, root));
    EXPECT_FALSE(budget.hold(501, root));
}

TEST(QueryService, RefusesMoreQueriesThanMayWait) {
    ApiOptions options;
    options.calls.queries.one_tenant = 1;
    ApiFixture fixture(16, {}, std::move(options), ApiFixture::patient(), {.threads = 1, .queue_max = 1});
    OccupiedPool occupied(fixture.query_host.pool, 1);
    const ApiClient tenant = fixture.connect_as({1001, false});
    auto waiting = std::async(std::launch::async, [&] { return tenant.ask(at_now("vector(1)")).status; });
    occupied.wait_for_others(1);
    const auto busy = [](const grpc::Status& status) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
        return info_of(status).reason() == v1::ERROR_REASON_BUSY;
    };
    EXPECT_TRUE(busy(tenant.ask(at_now("vector(1)")).status));             // this tenant has one already
    EXPECT_TRUE(busy(fixture.connect().ask(at_now("vector(1)")).status));  // one waits already
    occupied.let_go();
    EXPECT_TRUE(waiting.get().ok());
}

TEST(QueryService, IsNotReadyBeforeTheFirstScan) {
    ApiFixture fixture;
    fixture.backend.is_ready = false;
    const grpc::Status status = fixture.connect().ask(at_now("1")).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_STARTING);
}

TEST(QueryMessages, KeepCustomBoundsAndNegativeBuckets) {
    promql::FloatHistogram histogram;
    histogram.schema = promql::kCustomSchema;
    histogram.custom_bounds = {1, 2.5};
    histogram.positive = {{0, 3}, {2, 4.5}};
    v1::QueryHistogram wire;
    to_wire(histogram, &wire);
    EXPECT_TRUE(wire.is_custom());
    EXPECT_EQ(wire.scale(), 0);
    EXPECT_EQ(wire.custom_bounds_size(), 2);
    EXPECT_EQ(wire.positive_index(1), 2);
    EXPECT_EQ(wire.positive_count(1), 4.5);
    histogram = {};
    histogram.schema = -2;
    histogram.negative = {{-1, 7}};
    wire.Clear();
    to_wire(histogram, &wire);
    EXPECT_EQ(wire.scale(), -2);
    EXPECT_EQ(wire.negative_index(0), -1);
    EXPECT_EQ(wire.negative_count(0), 7);
}

}  // namespace
}  // namespace ringside::agent
