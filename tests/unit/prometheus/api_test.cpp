#include "agent/prometheus/api.h"

#include <gtest/gtest.h>
#include <snappy.h>

#include <nlohmann/json.hpp>

#include "agent/base/crc32c.h"
#include "tests/support/promql_memory_source.h"

namespace ringside::agent {
namespace {

using nlohmann::json;
using promql::labels_of;

constexpr std::int64_t kNowMs = 1'000'000;

// Series of a test's own, now being 1,000 s.
class MemoryBackend : public QueryBackend {
  public:
    mutable promql::MemorySource series;
    std::vector<std::string> gaps;

    std::int64_t now_ms() const override { return kNowMs; }
    std::unique_ptr<QuerySession> open(const Caller&) const override { return std::make_unique<Session>(*this); }
    std::map<std::string, std::vector<MetricMetadata>> metadata(const Caller&) const override {
        return {{"a_total", {{"counter", "A.", ""}, {"gauge", "B.", "seconds"}}}, {"b", {{"gauge", "", ""}}}};
    }

  private:
    struct Session : QuerySession {
        explicit Session(const MemoryBackend& backend) : owner(backend) {}
        promql::SampleSource& source() override { return owner.series; }
        std::vector<std::string> warnings() const override { return owner.gaps; }
        std::vector<ReadReport> reports() const override { return {{"x", {{1, 2}}, kColumnValue, 3, 24, 999'000}}; }
        const MemoryBackend& owner;
    };
};

class PrometheusApiTest : public testing::Test {
  protected:
    PrometheusApiTest() {
        for (std::int64_t t = 0; t <= kNowMs; t += 10'000) {
            backend_.series.add(labels_of({{"__name__", "up"}, {"job", "a"}}), t, static_cast<double>(t) / 1000);
            backend_.series.add(labels_of({{"__name__", "up"}, {"job", "b"}, {"instance", "i"}}), t, 1.5);
        }
        backend_.series.add(labels_of({{"__name__", "gone"}, {"job", "a"}}), kNowMs - 20'000, 1);
        backend_.series.add(labels_of({{"__name__", "gone"}, {"job", "a"}}), kNowMs - 10'000, promql::stale_value());
    }

    HttpAnswer answer(const HttpRequest& request) const {
        FairPool::Turn turn(hung_up_);
        return api_.answer(request, turn);
    }
    HttpAnswer get(const std::string& path, const std::string& query = "") const {
        return answer({.method = "GET", .path = percent_decoded(path), .query = query});
    }
    // The answer as JSON; each has to be one.
    json ask(const std::string& path, const std::string& query = "") const {
        const HttpAnswer got = get("/api/v1/" + path, query);
        EXPECT_EQ(got.content_type, "application/json");
        return json::parse(got.body);
    }
    // "400 bad_data: text".
    std::string failure(const std::string& path, const std::string& query) const {
        const HttpAnswer got = get("/api/v1/" + path, query);
        const json body = json::parse(got.body);
        EXPECT_EQ(body["status"], "error") << got.body;
        return std::to_string(got.status) + " " + body.value("errorType", "") + ": " + body.value("error", "");
    }

    MemoryBackend backend_;
    std::atomic<bool> hung_up_{false};
    QueryHost host_{backend_, {}, {.threads = 1}};
    PrometheusApi api_{{.version = "1.2.3"}, host_};
};

TEST_F(PrometheusApiTest, AnswersInstantQueries) {
    EXPECT_EQ(get("/api/v1/query", "query=1%2B1&time=4").body,
              R"({"status":"success","data":{"resultType":"scalar","result":[4,"2"]}})");
    EXPECT_EQ(
        get("/api/v1/query", "query=up{job=\"a\"}&time=1000.5").body,
        R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[1000.500,"1000"]}]}})");
    EXPECT_EQ(get("/api/v1/query", "query=%22x%22&time=1").body,
              R"({"status":"success","data":{"resultType":"string","result":[1,"x"]}})");
    EXPECT_EQ(get("/api/v1/query", "query=nothing").body,
              R"({"status":"success","data":{"resultType":"vector","result":[]}})");
    EXPECT_EQ(ask("query", "query=up{job=\"a\"}[15s]")["data"]["result"][0]["values"],
              json::parse(R"([[990,"990"],[1000,"1000"]])"));
}

// At which time it is asked says little, how often in a range much.
TEST_F(PrometheusApiTest, KnowsWhatAQueryUsedWhenItWasAskedBefore) {
    HttpRequest request{.method = "GET", .path = "/api/v1/query", .query = "time=1&query=up%2B1"};
    EXPECT_FALSE(api_.expected(request));
    answer(request);
    request.query = "query=up%2B1&time=7";
    EXPECT_TRUE(api_.expected(request));
    request.query = "query=up%2B2";
    EXPECT_FALSE(api_.expected(request));
    request.path = "/api/v1/query_range";
    request.query = "query=up%2b1&start=1&end=100&step=1";
    EXPECT_FALSE(api_.expected(request));
    answer(request);
    request.query = "step=10&query=up%2b1&start=1001&end=2000";
    EXPECT_TRUE(api_.expected(request));
    request.query = "step=1&query=up%2b1";
    EXPECT_FALSE(api_.expected(request)) << "which is an error";
    request.path = "/api/v1/labels";
    request.query = "";
    EXPECT_FALSE(api_.expected(request));
}

TEST_F(PrometheusApiTest, TakesNowWhereNoTimeIsGiven) {
    EXPECT_EQ(ask("query", "query=time()")["data"]["result"][1], "1000");
}

TEST_F(PrometheusApiTest, AnswersPostedForms) {
    const HttpAnswer got = answer({.method = "POST",
                                   .path = "/api/v1/query",
                                   .query = "",
                                   .body = "query=2*3&time=1",
                                   .content_type = "application/x-www-form-urlencoded"});
    EXPECT_EQ(json::parse(got.body)["data"]["result"][1], "6");
}

TEST_F(PrometheusApiTest, AnswersRangeQueries) {
    EXPECT_EQ(
        get("/api/v1/query_range", "query=sum(up{job=\"a\"})&start=100&end=120&step=10s").body,
        R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[100,"100"],[110,"110"],[120,"120"]]}]}})");
    EXPECT_EQ(ask("query_range", "query=nothing&start=1&end=2&step=1")["data"]["result"], json::array());
}

TEST_F(PrometheusApiTest, RefusesBadParameters) {
    EXPECT_EQ(failure("query", "query=up&time=x"),
              "400 bad_data: invalid parameter \"time\": Invalid time value for 'time': cannot parse \"x\" to a valid "
              "timestamp");
    EXPECT_EQ(failure("query_range", "query=up&start=x&end=2&step=1"),
              "400 bad_data: invalid parameter \"start\": cannot parse \"x\" to a valid timestamp");
    EXPECT_EQ(failure("query_range", "query=up&start=1&end=2&step="),
              "400 bad_data: invalid parameter \"step\": cannot parse \"\" to a valid duration");
    EXPECT_EQ(failure("series", "match[]=up&end=x"),
              "400 bad_data: invalid parameter \"end\": Invalid time value for 'end': cannot parse \"x\" to a valid "
              "timestamp");
    EXPECT_EQ(failure("labels", "match[]=up{"),
              "400 bad_data: invalid parameter \"match[]\": selector, 1:4: parse error: unexpected end of input inside "
              "braces; a selector looks like name{label=\"value\"}");
    EXPECT_EQ(failure("label/%ff/values", ""), "400 bad_data: invalid label name: \"\\xff\"");
    EXPECT_EQ(failure("metadata", "limit=x"), "400 bad_data: limit must be a number");
    EXPECT_EQ(failure("query", "query="),
              "400 bad_data: invalid parameter \"query\": 1:1: parse error: no expression found in input");
    EXPECT_EQ(failure("query", "query=up{").substr(0, 52), "400 bad_data: invalid parameter \"query\": 1:4: parse ");
    EXPECT_EQ(failure("query", "query=up&limit=-1"),
              "400 bad_data: invalid parameter \"limit\": limit must be non-negative");
    EXPECT_EQ(failure("query", "query=up&timeout=x"),
              "400 bad_data: invalid parameter \"timeout\": cannot parse \"x\" to a valid duration");
    EXPECT_EQ(failure("query_range", "query=up&end=2&step=1"),
              "400 bad_data: invalid parameter \"start\": cannot parse \"\" to a valid timestamp");
    EXPECT_EQ(failure("query_range", "query=up&start=2&end=1&step=1"),
              "400 bad_data: invalid parameter \"end\": end timestamp must not be before start time");
    EXPECT_EQ(
        failure("query_range", "query=up&start=1&end=2&step=0"),
        "400 bad_data: invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try "
        "a positive integer");
    EXPECT_EQ(
        failure("query_range", "query=up[1m]&start=1&end=2&step=1"),
        "400 bad_data: invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be "
        "Scalar or instant Vector");
}

TEST_F(PrometheusApiTest, AllowsElevenThousandStepsAndNoMore) {
    EXPECT_EQ(ask("query_range", "query=1&start=0&end=11000&step=1")["data"]["result"][0]["values"].size(), 11'001u);
    EXPECT_EQ(failure("query_range", "query=1&start=0&end=11001&step=1"),
              "400 bad_data: exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
              "resolution "
              "(?step=XX)");
}

TEST_F(PrometheusApiTest, TellsWhatIsWrongWithTheData) {
    EXPECT_EQ(failure("query", "query=up%20*%20on()%20up").substr(0, 15), "422 execution: ");
    QueryHost host(backend_, {.samples_max = 1}, {.threads = 1});
    const PrometheusApi small({}, host);
    FairPool::Turn turn(hung_up_);
    const HttpAnswer got = small.answer({.method = "GET", .path = "/api/v1/query", .query = "query=up[1m]"}, turn);
    EXPECT_EQ(got.status, 422);
    EXPECT_NE(got.body.find("too many samples"), std::string::npos) << got.body;
}

TEST_F(PrometheusApiTest, StopsQueriesOutOfTimeOrWithoutAClient) {
    EXPECT_EQ(failure("query", "query=up&timeout=0").substr(0, 13), "503 timeout: ");
    hung_up_ = true;
    EXPECT_EQ(failure("query", "query=up").substr(0, 14), "499 canceled: ");
}

TEST_F(PrometheusApiTest, CutsResultsAtTheLimitAndSaysSo) {
    const json body = ask("query", "query=up&limit=1");
    EXPECT_EQ(body["data"]["result"].size(), 1u);
    EXPECT_EQ(body["warnings"], json({"results truncated due to limit"}));
    EXPECT_FALSE(ask("query", "query=up&limit=2").contains("warnings"));
    for (const char* path : {"series", "labels", "label/job/values"}) {
        const json cut = ask(path, "match[]=up&limit=1");
        EXPECT_EQ(cut["data"].size(), 1u) << path;
        EXPECT_EQ(cut["warnings"], json({"results truncated due to limit"})) << path;
    }
}

TEST_F(PrometheusApiTest, TellsWhatIsMissing) {
    backend_.gaps = {"web-7 is in quarantine"};
    backend_.series.warnings = {"a tier is gone"};
    EXPECT_EQ(ask("query", "query=up")["warnings"], json({"a tier is gone", "web-7 is in quarantine"}));
    EXPECT_EQ(ask("labels")["warnings"], json({"a tier is gone", "web-7 is in quarantine"}));
    backend_.series.warnings.clear();
    for (int i = 0; i < 30; ++i) backend_.series.warnings.push_back("w" + std::to_string(100 + i));
    const json many = ask("query", "query=up");
    EXPECT_EQ(many["warnings"].size(), 11u);
    EXPECT_EQ(many["warnings"][10], "21 more warning annotations omitted");
}

TEST_F(PrometheusApiTest, TellsInfosApartFromWarnings) {
    const json body = ask("query", "query=rate(up[1m])");
    EXPECT_FALSE(body.contains("warnings"));
    ASSERT_EQ(body["infos"].size(), 1u) << body;
    EXPECT_TRUE(body["infos"][0].get<std::string>().ends_with(" (1:6)")) << body;
}

TEST_F(PrometheusApiTest, HeedsTheLookbackOfAQuery) {
    EXPECT_EQ(ask("query", "query=count(up)&time=1200")["data"]["result"][0]["value"][1], "2");
    EXPECT_TRUE(ask("query", "query=count(up)&time=1200&lookback_delta=1m")["data"]["result"].empty());
}

TEST_F(PrometheusApiTest, GivesStatsToWhoAsks) {
    EXPECT_FALSE(ask("query", "query=up")["data"].contains("stats"));
    const json stats = ask("query", "query=up&stats=all")["data"]["stats"];
    EXPECT_GE(stats["samples"]["totalQueryableSamples"], 2);
    EXPECT_TRUE(stats["timings"]["evalTotalTime"].is_number());
    EXPECT_EQ(
        stats["ringside"]["selections"],
        json::parse(
            R"([{"selector":"x","seriesByTierSeconds":{"1":2},"windows":3,"bytes":24,"columns":["value"],"newest":999}])"));
}

TEST_F(PrometheusApiTest, FindsSeriesLabelsAndValues) {
    EXPECT_EQ(ask("series", "match[]=up{job=\"a\"}&match[]={job=\"a\"}")["data"],
              json::parse(R"([{"__name__":"gone","job":"a"},{"__name__":"up","job":"a"}])"));
    EXPECT_EQ(failure("series", ""), "400 bad_data: no match[] parameter provided");
    EXPECT_EQ(failure("series", "match[]={}"),
              "400 bad_data: invalid parameter \"match[]\": match[] must contain at least one non-empty matcher");
    EXPECT_EQ(ask("labels")["data"], json({"__name__", "instance", "job"}));
    EXPECT_EQ(ask("labels", "match[]=gone")["data"], json({"__name__", "job"}));
    EXPECT_EQ(ask("label/__name__/values")["data"], json({"gone", "up"}));
    EXPECT_EQ(ask("label/U__job/values", "match[]=up")["data"], json({"a", "b"}));
    EXPECT_EQ(ask("label/nothing/values")["data"], json::array());
    EXPECT_EQ(ask("series", "match[]=up&start=5&end=1")["data"], json::array());
}

TEST_F(PrometheusApiTest, ShowsNothingThatIsNoUtf8) {
    backend_.series.add(labels_of({{"__name__", "odd"}, {"a", "\xff"}}), kNowMs, 1);
    backend_.series.add(labels_of({{"__name__", "odd"}, {"a", "\xfe"}, {"b\xff", "x"}}), kNowMs, 1);
    backend_.series.warnings = {"not \xff either"};
    const json replaced = "\xef\xbf\xbd";
    EXPECT_EQ(ask("label/a/values")["data"], json({replaced}));
    EXPECT_EQ(ask("labels", "match[]=odd")["data"], json({"__name__", "a", "b\xef\xbf\xbd"}));
    EXPECT_EQ(ask("series", "match[]=odd")["data"][0]["a"], replaced);
    EXPECT_EQ(ask("query", "query=odd")["data"]["result"][1]["metric"]["a"], replaced);
    EXPECT_EQ(ask("query", "query=odd")["warnings"][0], "not \xef\xbf\xbd either");
    EXPECT_TRUE(failure("query", "query=%22%ff").starts_with("400 bad_data: "));
}

TEST_F(PrometheusApiTest, TellsMetadata) {
    EXPECT_EQ(ask("metadata")["data"], json::parse(R"({"a_total":[{"type":"counter","help":"A.","unit":""},
        {"type":"gauge","help":"B.","unit":"seconds"}],"b":[{"type":"gauge","help":"","unit":""}]})"));
    EXPECT_EQ(ask("metadata", "limit=1&limit_per_metric=1")["data"],
              json::parse(R"({"a_total":[{"type":"counter","help":"A.","unit":""}]})"));
    EXPECT_EQ(ask("metadata", "metric=b")["data"].size(), 1u);
}

TEST_F(PrometheusApiTest, AnswersTheProbesOfGrafana) {
    EXPECT_EQ(ask("status/buildinfo")["data"]["version"], "1.2.3");
    EXPECT_FALSE(ask("status/buildinfo")["data"].contains("features"));
    EXPECT_EQ(ask("query_exemplars", "query=test&start=1435781430000&end=1435781431000")["data"], json::array());
    EXPECT_EQ(ask("rules")["data"], json::parse(R"({"groups":[]})"));
    EXPECT_EQ(ask("alerts")["data"], json::parse(R"({"alerts":[]})"));
}

TEST_F(PrometheusApiTest, FormatsAndParsesQueries) {
    EXPECT_EQ(ask("format_query", "query=sum(up)by(job)")["data"], "sum by (job) (up)");
    EXPECT_EQ(failure("format_query", "query=sum(").substr(0, 14), "400 bad_data: ");
    EXPECT_EQ(ask("parse_query", "query=-rate(up{job!=\"a\"}[5m]%20@%20start())")["data"], json::parse(R"({
        "type":"unaryExpr","op":"-","expr":{"type":"call",
        "func":{"name":"rate","argTypes":["matrix"],"variadic":0,"returnType":"vector"},
        "args":[{"type":"matrixSelector","range":300000,"name":"up","offset":0,"matchers":[
        {"name":"job","value":"a","type":"!="},{"name":"__name__","value":"up","type":"="}],
        "timestamp":null,"startOrEnd":"start","anchored":false,"smoothed":false}]}})"));
    EXPECT_EQ(ask("parse_query", "query=a%20*%20on(x)%20group_left(y)%20topk(2,(b))")["data"]["matching"],
              json::parse(R"({
        "card":"many-to-one","labels":["x"],"on":true,"include":["y"],"fillValues":{"lhs":null,"rhs":null}})"));
}

TEST_F(PrometheusApiTest, FederatesTheNewestSamples) {
    const HttpAnswer got = get("/federate", "match[]=up&match[]={job=\"a\"}");
    EXPECT_EQ(got.content_type, "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(
        got.body,
        "# TYPE up untyped\nup{instance=\"i\",job=\"b\"} 1.5 1000000\nup{job=\"a\",instance=\"\"} 1000 1000000\n");
    EXPECT_EQ(get("/federate", "match[]=up{").status, 400);
    EXPECT_TRUE(get("/federate", "match[]=up{").body.starts_with("selector, 1:4: parse error: unexpected end of "));
    EXPECT_EQ(get("/federate", "match[]=gone").body, "") << "it has ended";
    EXPECT_EQ(backend_.series.selections.back().wanted_ms, kNowMs);
    EXPECT_EQ(get("/federate").body, "");
}

TEST_F(PrometheusApiTest, AllowsWhatEachPageTakes) {
    EXPECT_EQ(answer({.method = "DELETE", .path = "/api/v1/query", .query = ""}).status, 405);
    EXPECT_EQ(answer({.method = "POST", .path = "/api/v1/label/x/values", .query = ""}).status, 405);
    EXPECT_EQ(answer({.method = "GET", .path = "/api/v1/read", .query = ""}).status, 405);
    const HttpAnswer options = answer({.method = "OPTIONS", .path = "/api/v1/query", .query = ""});
    EXPECT_EQ(options.status, 204);
    EXPECT_EQ(options.headers,
              (std::vector<std::pair<std::string, std::string>>{{"Allow", "GET, HEAD, POST, OPTIONS"}}));
    for (const char* path : {"/api/v1/query", "/api/v1/label/x/values", "/federate"})
        EXPECT_TRUE(PrometheusApi::serves(path));
    for (const char* path :
         {"/", "/api/v1", "/api/v1/query/", "/api/v1/label//values", "/api/v1/admin/tsdb/snapshot"}) {
        EXPECT_FALSE(PrometheusApi::serves(path)) << path;
    }
    EXPECT_EQ(PrometheusApi::busy().status, 503);
}

// {queries: [{start 975 s, end 995 s, matchers: [__name__ = "up", job =~ "a|x"]}]}, written by hand.
std::string read_request() {
    const auto field = [](char tag, const std::string& bytes) {
        return std::string{tag} + static_cast<char>(bytes.size()) + bytes;
    };
    const auto varint = [](std::uint64_t value) {
        std::string out;
        for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
        return out + static_cast<char>(value);
    };
    const std::string name = field(0x12, "__name__") + field(0x1a, "up");
    const std::string job = "\x08\x02" + field(0x12, "job") + field(0x1a, "a|x");
    const std::string query =
        "\x08" + varint(970'000) + "\x10" + varint(990'000) + field(0x1a, name) + field(0x1a, job);
    std::string packed;
    const std::string request = field(0x0a, query);
    snappy::Compress(request.data(), request.size(), &packed);
    return packed;
}

TEST_F(PrometheusApiTest, AnswersRemoteReadWithItsBothEnds) {
    const HttpAnswer got = answer(
        {.method = "POST", .path = "/api/v1/read", .query = "", .body = read_request(), .content_encoding = "snappy"});
    ASSERT_EQ(got.status, 200) << got.body;
    EXPECT_EQ(got.content_type, "application/x-protobuf");
    std::string bytes;
    ASSERT_TRUE(snappy::Uncompress(got.body.data(), got.body.size(), &bytes));
    // One result, one series of two labels, samples at 970, 980 and 990 s.
    const std::string labels =
        "\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x08\x0a\x03job\x12\x01"
        "a";
    EXPECT_NE(bytes.find(labels), std::string::npos);
    std::size_t samples = 0;
    for (std::size_t at = 0; (at = bytes.find("\x12\x0d\x09", at)) != std::string::npos; ++at) ++samples;
    EXPECT_EQ(samples, 3u);
}

// The same with the fields behind the queries: which answers the asker takes.
std::string read_request_accepting(const std::string& types) {
    std::string request, packed;
    const std::string plain = read_request();
    snappy::Uncompress(plain.data(), plain.size(), &request);
    request += types;
    snappy::Compress(request.data(), request.size(), &packed);
    return packed;
}

TEST_F(PrometheusApiTest, StreamsChunksToWhoTakesThem) {
    const auto read = [&](const std::string& types) {
        return answer({.method = "POST", .path = "/api/v1/read", .query = "", .body = read_request_accepting(types)});
    };
    const std::string packed = "\x12\x01\x01", plain = "\x10\x01", unknown_first = "\x10\x05\x10\x01";
    for (const std::string& types : {packed, plain, unknown_first}) {
        const HttpAnswer got = read(types);
        EXPECT_EQ(got.content_type, "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse");
        EXPECT_TRUE(got.headers.empty());
        const std::size_t size = static_cast<unsigned char>(got.body[0]);
        ASSERT_EQ(got.body.size(), 5 + size);
        std::uint32_t checksum = 0;
        for (int i = 1; i <= 4; ++i) checksum = checksum << 8 | static_cast<unsigned char>(got.body[i]);
        EXPECT_EQ(checksum, crc32c(std::string_view(got.body).substr(5)));
        EXPECT_NE(got.body.find(std::string("\x18\x01\x22", 3)), std::string::npos) << "a chunk of kind XOR";
    }
    EXPECT_EQ(read(std::string("\x10\x00\x10\x01", 4)).content_type, "application/x-protobuf");
    EXPECT_EQ(read("\x10\x07").status, 400);
}

TEST_F(PrometheusApiTest, RefusesBrokenRemoteReads) {
    const std::string whole = read_request();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_EQ(answer({.method = "POST", .path = "/api/v1/read", .query = "", .body = whole.substr(0, size)}).status,
                  400)
            << size;
    }
    EXPECT_EQ(answer({.method = "POST", .path = "/api/v1/read", .query = "", .body = whole, .content_encoding = "gzip"})
                  .status,
              400);
}

}  // namespace
}  // namespace ringside::agent
