#include <gtest/gtest.h>

#include <bit>
#include <map>

#include "agent/api/series_reader.h"
#include "tests/support/api_fixture.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

v1::LabelMatcher matcher(const std::string& name, v1::LabelMatcher::Op op, const std::string& value) {
    v1::LabelMatcher made;
    made.set_name(name);
    made.set_op(op);
    made.set_value(value);
    return made;
}

v1::LabelMatcher named(const std::string& metric) { return matcher("__name__", v1::LabelMatcher::OP_EQUAL, metric); }

// "vm_id:metric{values}" of each series, in the order of the answer.
std::string listed(const Streamed<v1::ListSeriesResponse>& answer) {
    std::string text;
    for (const auto& message : answer.messages) {
        for (const v1::VmSeries& vm : message.vms()) {
            for (const v1::Series& series : vm.series()) {
                text += (text.empty() ? "" : " ") + vm.vm().vm_id() + ":" + series.metric();
                for (const v1::Label& label : series.labels()) text += "," + label.value();
            }
        }
    }
    return text;
}

// All points of an answer, put together again by VM and series.
std::map<std::pair<std::string, std::uint32_t>, v1::SeriesPoints> joined(
    const Streamed<v1::ReadSeriesResponse>& answer) {
    std::map<std::pair<std::string, std::uint32_t>, v1::SeriesPoints> all;
    for (const auto& message : answer.messages) {
        for (const v1::SeriesPoints& piece : message.series()) {
            auto& whole = all[{piece.vm().vm_id(), piece.series().index()}];
            EXPECT_TRUE(whole.end_ns().empty() || whole.end_ns(whole.end_ns_size() - 1) < piece.end_ns(0));
            whole.MergeFrom(piece);
        }
    }
    return all;
}

struct SeriesServiceTest : testing::Test {
    SeriesServiceTest() {
        key = fixture.backend.add({.vm_id = "vm-a", .uid = 1, .epoch = 1, .seed = 100, .counters = 4});
        fixture.backend.add({.vm_id = "vm-b", .uid = 2, .epoch = 2, .state = VmState::kDrained, .seed = 200});
    }
    std::string list(std::initializer_list<v1::LabelMatcher> matchers, std::uint32_t limit = 0) {
        v1::ListSeriesRequest request;
        for (const auto& one : matchers) *request.add_matchers() = one;
        request.set_limit(limit);
        const auto answer = client.list_series(request);
        if (!answer.status.ok()) return answer.status.error_message();
        truncated = !answer.messages.empty() && answer.messages.back().truncated();
        return listed(answer);
    }
    v1::ReadSeriesRequest read_of(const std::string& vm_id, const std::string& metric) {
        v1::ReadSeriesRequest request;
        request.mutable_vms()->add_vm_ids(vm_id);
        *request.add_matchers() = named(metric);
        return request;
    }

    ApiFixture fixture;
    std::string key;
    bool truncated = false;
    ApiClient client = fixture.connect();
};

TEST_F(SeriesServiceTest, ListsSeriesByEachKindOfMatcher) {
    using M = v1::LabelMatcher;
    EXPECT_EQ(list({named("requests_total")}),
              "vm-a:requests_total,disk0,read vm-a:requests_total,disk0,write vm-a:requests_total,disk1,read "
              "vm-a:requests_total,disk1,write vm-b:requests_total,disk0,read vm-b:requests_total,disk0,write");
    EXPECT_EQ(list({named("requests_total"), matcher("device", M::OP_NOT_EQUAL, "disk0")}),
              "vm-a:requests_total,disk1,read vm-a:requests_total,disk1,write");
    EXPECT_EQ(list({matcher("op", M::OP_REGEX, "r.*|x"), matcher("vm_id", M::OP_EQUAL, "vm-b")}),
              "vm-b:requests_total,disk0,read");
    EXPECT_EQ(list({matcher("op", M::OP_REGEX, "rea")}), "");  // Anchored at both ends.
    EXPECT_EQ(list({matcher("op", M::OP_NOT_REGEX, ".+"), matcher("__name__", M::OP_REGEX, ".*_seconds.*")}),
              "vm-a:cpu_seconds_total vm-a:latency_seconds vm-b:cpu_seconds_total vm-b:latency_seconds");
    EXPECT_EQ(list({named("build_info"), matcher("instance", M::OP_EQUAL, "host-1"),
                    matcher("job", M::OP_EQUAL, "ringside")}),
              "vm-a:build_info,1.2 vm-b:build_info,1.2");
    EXPECT_EQ(list({matcher("instance", M::OP_EQUAL, "host-2")}), "");
}

TEST_F(SeriesServiceTest, AsksToTryAgainWhileTheFirstScanRuns) {
    fixture.backend.is_ready = false;
    v1::ReadSeriesRequest of_one;
    of_one.mutable_vms()->add_vm_ids("vm-b");
    const auto listed = client.list_series({});
    const auto latest = client.latest({});
    const auto read = client.read_series(of_one);
    EXPECT_TRUE(listed.messages.empty() && latest.messages.empty() && read.messages.empty());
    for (const grpc::Status& status : {listed.status, latest.status, read.status}) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
        EXPECT_EQ(info_of(status).reason(), v1::ERROR_REASON_STARTING);
    }
}

TEST_F(SeriesServiceTest, CutsAListAtItsLimitAndSaysSo) {
    EXPECT_EQ(list({named("requests_total")}, 2), "vm-a:requests_total,disk0,read vm-a:requests_total,disk0,write");
    EXPECT_TRUE(truncated);
    list({named("requests_total")}, 6);
    EXPECT_FALSE(truncated);
}

TEST_F(SeriesServiceTest, RefusesMatchersThatCannotBe) {
    using M = v1::LabelMatcher;
    EXPECT_NE(list({matcher("a", M::OP_UNSPECIFIED, "b")}).find("matchers[0]: op"), std::string::npos);
    EXPECT_NE(list({named("x"), matcher("a", M::OP_REGEX, "(")}).find("matchers[1]: "), std::string::npos);
    EXPECT_NE(list({matcher("", M::OP_EQUAL, "b")}).find("matchers[0]: "), std::string::npos);
    EXPECT_NE(list({matcher("a", M::OP_REGEX, std::string(1025, 'x'))}).find("1024"), std::string::npos);
    v1::ListSeriesRequest many;
    for (int i = 0; i < 65; ++i) *many.add_matchers() = named("x");
    EXPECT_EQ(client.list_series(many).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SeriesServiceTest, ReadsTheColumnsOfEachKind) {
    v1::ReadSeriesRequest request;
    request.mutable_vms()->add_vm_ids("vm-a");
    request.set_resolution_s(1);
    request.set_begin_ns(kTestNowNs - 3 * kSecond);
    const auto answer = client.read_series(request);
    ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
    const auto all = joined(answer);
    ASSERT_EQ(all.size(), 8u);  // Not the info series: it has no windows.
    for (const auto& [where, points] : all) {
        ASSERT_EQ(points.end_ns_size(), 3) << points.series().metric();
        EXPECT_EQ(points.end_ns(0), kTestNowNs - 2 * kSecond);
        EXPECT_EQ(points.flags(1), 0u);
        EXPECT_EQ(points.flags(2), static_cast<std::uint32_t>(v1::POINT_FLAG_OPEN));
        const std::uint64_t k = 299;  // of the newest window
        const std::string& metric = points.series().metric();
        if (metric == "requests_total") {
            EXPECT_EQ(points.value_u64(2), 100 + 1000 * where.second + k);
            EXPECT_EQ(points.value_f64_size() + points.count_size() + points.last_size() + points.buckets_size(), 0);
        } else if (metric == "cpu_seconds_total") {
            EXPECT_EQ(points.value_f64(2), 100 + k / 8.0);
            EXPECT_EQ(points.value_u64_size(), 0);
        } else if (metric == "queue_depth") {
            EXPECT_EQ(points.count(2), k + 1);
            EXPECT_EQ(points.sum(2), k / 2.0);
            EXPECT_EQ(points.min(2), -1.0 * k);
            EXPECT_EQ(points.max(2), k);
            EXPECT_EQ(points.last(2), 100 + k);
        } else if (metric == "memory_bytes") {
            EXPECT_EQ(points.count(2), kSecond);
            EXPECT_EQ(points.last(2), 100.0 + 4096 * k);
        } else {
            EXPECT_EQ(metric, "latency_seconds");
            EXPECT_EQ(points.count(2), k);
            ASSERT_EQ(points.buckets_size(), 3 * 9);
            EXPECT_EQ(points.buckets(2 * 9 + 4), k + 4);
            EXPECT_EQ(points.series().histogram().bucket_count(), 8u);
        }
    }
}

TEST_F(SeriesServiceTest, ReadsOnlyTheColumnsAndWindowsAskedFor) {
    v1::ReadSeriesRequest request = read_of("vm-a", "queue_depth");
    request.set_resolution_s(1);
    request.set_begin_ns(kTestNowNs - 10 * kSecond);
    request.set_end_ns(kTestNowNs - 5 * kSecond);
    request.add_columns(v1::COLUMN_MAX);
    request.add_columns(v1::COLUMN_LAST);
    const auto all = joined(client.read_series(request));
    ASSERT_EQ(all.size(), 1u);
    const v1::SeriesPoints& points = all.begin()->second;
    ASSERT_EQ(points.end_ns_size(), 5);  // begin is not part of it, end is
    EXPECT_EQ(points.end_ns(0), kTestNowNs - 9 * kSecond);
    EXPECT_EQ(points.end_ns(4), kTestNowNs - 5 * kSecond);
    EXPECT_EQ(points.max_size(), 5);
    EXPECT_EQ(points.last_size(), 5);
    EXPECT_EQ(points.sum_size() + points.count_size() + points.min_size(), 0);
}

TEST_F(SeriesServiceTest, LeavesOutTheOpenWindowWhereToldTo) {
    v1::ReadSeriesRequest request = read_of("vm-a", "queue_depth");
    request.set_resolution_s(1);
    request.set_closed_only(true);
    const auto all = joined(client.read_series(request));
    EXPECT_EQ(all.begin()->second.end_ns_size(), 299);
}

TEST_F(SeriesServiceTest, PicksTheFinestTierThatReachesBack) {
    v1::ReadSeriesRequest request = read_of("vm-a", "queue_depth");
    // The last 300 s come from 300 windows of 1 s, also when the request was a moment on its way.
    request.set_begin_ns(kTestNowNs - 301 * kSecond);
    EXPECT_EQ(joined(client.read_series(request)).begin()->second.resolution_s(), 1u);
    request.set_begin_ns(kTestNowNs - 302 * kSecond);
    const auto coarse = joined(client.read_series(request)).begin()->second;
    EXPECT_EQ(coarse.resolution_s(), 10u);
    EXPECT_EQ(coarse.min_size(), 0);  // which that tier does not keep
    EXPECT_EQ(coarse.max_size(), coarse.end_ns_size());
    request.set_begin_ns(0);
    EXPECT_EQ(joined(client.read_series(request)).begin()->second.resolution_s(), 10u);
}

TEST_F(SeriesServiceTest, ReadsDrainedVmsLikeLiveOnes) {
    v1::ReadSeriesRequest request = read_of("vm-b", "cpu_seconds_total");
    request.set_resolution_s(1);
    const auto all = joined(client.read_series(request));
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all.begin()->second.end_ns_size(), 300);
    EXPECT_EQ(all.begin()->second.value_f64(0), 200.0);
    EXPECT_EQ(all.begin()->second.flags(299), 0u);
}

TEST_F(SeriesServiceTest, RefusesReadsThatCannotBe) {
    v1::ReadSeriesRequest request = read_of("vm-a", "queue_depth");
    request.set_resolution_s(7);
    auto answer = client.read_series(request);
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(answer.status.error_message(), "no VM that was chosen has a tier of 7 s; there are 1 s, 10 s");
    EXPECT_EQ(info_of(answer.status).reason(), v1::ERROR_REASON_NO_SUCH_TIER);
    request.set_resolution_s(1);
    request.set_begin_ns(5);
    request.set_end_ns(5);
    EXPECT_EQ(client.read_series(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    request.set_end_ns(0);
    request.add_columns(v1::COLUMN_UNSPECIFIED);
    EXPECT_EQ(client.read_series(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    request.clear_columns();
    request.mutable_vms()->add_vm_ids("vm-c");
    answer = client.read_series(request);
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(answer.status.error_message(), "there is no VM 'vm-c'; did you mean vm-a or vm-b?");
}

TEST_F(SeriesServiceTest, NamesWhatItCouldNotReadAndGivesTheRest) {
    fixture.backend.source(key)->errors.insert({{0, 0}, error(Code::kUnavailable, "the segment stayed busy")});
    v1::ReadSeriesRequest request = read_of("vm-a", "requests_total");
    request.set_resolution_s(1);
    const auto answer = client.read_series(request);
    EXPECT_TRUE(answer.status.ok());
    EXPECT_EQ(joined(answer).size(), 3u);
    ASSERT_EQ(answer.messages.back().warnings_size(), 1);
    const std::string& warning = answer.messages.back().warnings(0);
    EXPECT_NE(warning.find("requests_total was left out: the segment stayed busy"), std::string::npos) << warning;
    EXPECT_NE(warning.find("vm-a."), std::string::npos) << warning;
}

TEST_F(SeriesServiceTest, GivesTheLatestValueOfEachSeriesWithItsAge) {
    v1::LatestRequest request;
    const auto answer = client.latest(request);
    ASSERT_TRUE(answer.status.ok());
    std::map<std::string, v1::LatestValue> latest;
    for (const auto& message : answer.messages) {
        for (const auto& value : message.values()) {
            latest[value.vm().vm_id() + ":" + std::to_string(value.series().index())] = value;
        }
    }
    EXPECT_EQ(latest.size(), 8u + 6u);
    const v1::LatestValue& counter = latest.at("vm-a:3");
    EXPECT_EQ(counter.value_u64(), 100u + 3000 + 299);
    EXPECT_EQ(counter.end_ns(), kTestNowNs);
    EXPECT_EQ(counter.age_ns(), 0u);
    EXPECT_EQ(counter.resolution_s(), 1u);
    EXPECT_EQ(counter.flags(), static_cast<std::uint32_t>(v1::POINT_FLAG_OPEN));
    EXPECT_FALSE(counter.has_last());
    EXPECT_FALSE(counter.has_value_f64());
    EXPECT_EQ(latest.at("vm-b:2").value_f64(), 200 + 299 / 8.0);
    EXPECT_EQ(latest.at("vm-a:5").last(), 399.0);
    EXPECT_EQ(latest.at("vm-a:7").buckets_size(), 9);
    EXPECT_EQ(latest.at("vm-a:7").buckets(8), 299u + 8);
}

TEST_F(SeriesServiceTest, FindsTheLatestValueOfASeriesThatWasIdleForLong) {
    auto source = fixture.backend.source(key);
    SeriesData& fine = source->runs[{5, 0}];
    fine = {};
    SeriesData& coarse = source->runs[{5, 1}];
    const std::size_t oldest = 1;
    coarse.end_ns.resize(oldest);
    coarse.flags.resize(oldest);
    coarse.count.resize(oldest);
    coarse.sum.resize(oldest);
    coarse.min.resize(oldest);
    coarse.max.resize(oldest);
    coarse.last.resize(oldest);
    v1::LatestRequest request;
    *request.add_matchers() = named("queue_depth");
    request.mutable_vms()->add_vm_ids("vm-a");
    const auto answer = client.latest(request);
    ASSERT_EQ(answer.messages.size(), 1u);
    const v1::LatestValue& value = answer.messages[0].values(0);
    EXPECT_EQ(value.resolution_s(), 10u);
    EXPECT_EQ(value.end_ns(), coarse.end_ns[0]);
    EXPECT_EQ(value.age_ns(), kTestNowNs - coarse.end_ns[0]);
}

TEST(SeriesService, ReadsThroughADrainThatHappensMeanwhile) {
    ApiFixture fixture;
    const std::string key =
        fixture.backend.add({.vm_id = "big", .uid = 1, .seed = 5, .counters = 400, .windows = 3000, .buckets = 8});
    const ApiClient client = fixture.connect();
    v1::ReadSeriesRequest request;
    request.mutable_vms()->add_vm_ids("big");
    request.set_resolution_s(1);
    request.set_closed_only(true);
    grpc::ClientContext context;
    auto reader = client.series->ReadSeries(&context, request);
    Streamed<v1::ReadSeriesResponse> answer;
    answer.messages.emplace_back();
    ASSERT_TRUE(reader->Read(&answer.messages.back()));
    fixture.backend.exit(key, ExitCause::kKilled);
    ASSERT_TRUE(fixture.backend.drain(key).ok());
    for (v1::ReadSeriesResponse message; reader->Read(&message);) answer.messages.push_back(message);
    EXPECT_TRUE(reader->Finish().ok());
    const auto all = joined(answer);
    EXPECT_EQ(all.size(), 404u);
    for (const auto& [where, points] : all) EXPECT_EQ(points.end_ns_size(), 2999) << where.second;
}

TEST(SeriesService, WarnsOfAVmThatIsEvictedWhileItIsRead) {
    ApiFixture fixture;
    const std::string key = fixture.backend.add(
        {.vm_id = "big", .uid = 1, .state = VmState::kDrained, .counters = 400, .windows = 3000, .buckets = 8});
    const ApiClient client = fixture.connect();
    v1::ReadSeriesRequest request;
    request.set_resolution_s(1);
    grpc::ClientContext context;
    auto reader = client.series->ReadSeries(&context, request);
    v1::ReadSeriesResponse message;
    ASSERT_TRUE(reader->Read(&message));
    fixture.backend.evict(key);
    std::string warnings;
    while (reader->Read(&message)) {
        for (const std::string& warning : message.warnings()) warnings += warning;
    }
    EXPECT_TRUE(reader->Finish().ok());
    EXPECT_NE(warnings.find("was evicted from the archive"), std::string::npos);
}

TEST(SeriesService, CutsLargeAnswersIntoMessagesBelowOneMegabyte) {
    ApiFixture fixture;
    // 20,000 windows of 161 buckets: 26 MB for the histogram alone, many times what a message may hold.
    fixture.backend.add({.vm_id = "big", .uid = 1, .seed = 9, .counters = 8, .windows = 20'000, .buckets = 160});
    v1::ReadSeriesRequest request;
    request.set_resolution_s(1);
    const auto answer = fixture.connect().read_series(request);
    ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
    EXPECT_GT(answer.messages.size(), 20u);
    for (const auto& message : answer.messages) EXPECT_LT(message.ByteSizeLong(), 1u << 20);
    const auto all = joined(answer);
    ASSERT_EQ(all.size(), 12u);
    for (const auto& [where, points] : all) {
        ASSERT_EQ(points.end_ns_size(), 20'000) << points.series().metric();
        for (int k = 0; k < 20'000; ++k)
            ASSERT_EQ(points.end_ns(k), kTestNowNs - (19'999 - static_cast<std::uint64_t>(k)) * kSecond);
    }
    const v1::SeriesPoints& histogram = all.at({"big", 11});
    ASSERT_EQ(histogram.buckets_size(), 20'000 * 161);
    for (int k = 0; k < 20'000; k += 997)
        EXPECT_EQ(histogram.buckets(k * 161 + 160), static_cast<std::uint64_t>(k) + 160);
}

TEST(SeriesService, ListsManySeriesInMessagesBelowOneMegabyte) {
    ApiFixture fixture;
    for (int i = 0; i < 3; ++i) {
        fixture.backend.add({.vm_id = "vm-" + std::to_string(i), .uid = 1, .counters = 15'000, .windows = 1});
    }
    const auto answer = fixture.connect().list_series({});
    ASSERT_TRUE(answer.status.ok());
    std::size_t count = 0;
    for (const auto& message : answer.messages) {
        EXPECT_LT(message.ByteSizeLong(), 1u << 20);
        for (const auto& vm : message.vms()) count += static_cast<std::size_t>(vm.series_size());
    }
    EXPECT_GT(answer.messages.size(), 3u);
    EXPECT_EQ(count, 3u * 15'005);
}

TEST(SeriesService, WarnsOfVmsThatLackTheTier) {
    ApiFixture fixture;
    fixture.backend.add({.vm_id = "has", .uid = 1});
    const std::string other = fixture.backend.add({.vm_id = "lacks", .uid = 1, .buckets = 9});
    fixture.backend.source(other)->layout->tiers[0].resolution_s = 2;
    v1::ReadSeriesRequest request;
    request.set_resolution_s(1);
    const auto answer = fixture.connect().read_series(request);
    ASSERT_TRUE(answer.status.ok());
    for (const auto& [where, points] : joined(answer)) EXPECT_EQ(where.first, "has");
    std::string warnings;
    for (const auto& message : answer.messages) {
        for (const std::string& warning : message.warnings()) warnings += warning;
    }
    EXPECT_NE(warnings.find("it has no tier of 1 s"), std::string::npos);
}

TEST(PiecewiseRead, EndsOverAnyRingAndRange) {
    MetricInfo metric;
    metric.kind = Kind::kHistogram;
    metric.bucket_count = 2048;
    SchemaInfo schema;
    schema.tiers = {{1, 1'000'000, kColumnsAll}};
    VmInfo vm;
    vm.last_write_ns = kTestNowNs;
    MemorySource source;
    *source.layout = schema;
    source.layout->metrics = {metric};
    source.list = {{0, 0, {}, 0}};
    for (const std::uint64_t end_ns : {kTestNowNs, UINT64_MAX, std::uint64_t{1}}) {
        PiecewiseRead read(schema, metric, vm, {.tier = 0, .begin_ns = 0, .end_ns = end_ns}, kTestNowNs);
        int pieces = 0;
        while (!read.done() && pieces < 100'000) {
            EXPECT_TRUE(read.next(source, 0).ok());
            ++pieces;
        }
        EXPECT_LT(pieces, 50'000);  // 1,000,000 windows, 23 a piece
    }
}

}  // namespace
}  // namespace ringside::agent
