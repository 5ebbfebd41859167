#include "agent/http/codec.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "agent/http/form.h"
#include "agent/http/gzip.h"
#include "agent/http/pages.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kHeader = 4096, kBody = 100;

// What a reader makes of bytes that come in pieces of `piece`.
struct Reading {
    HttpReader reader{kHeader, kBody};
    std::string rest;

    explicit Reading(const std::string& bytes, std::size_t piece = std::string::npos) {
        for (std::size_t at = 0; at < bytes.size() && reader.error_status() == 0; at += std::min(piece, bytes.size())) {
            rest += bytes.substr(at, piece);
            reader.take(rest);
        }
    }
};

TEST(HttpReader, ReadsARequestWhateverPiecesItComesIn) {
    const std::string bytes =
        "POST /a%20b/c?q=1%2B1 HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nAccept-Encoding: br, gzip\r\n"
        "Authorization: Bearer t\r\nContent-Length: 5\r\n\r\nhello";
    for (std::size_t piece : {1u, 2u, 7u, 1000u}) {
        Reading reading(bytes, piece);
        ASSERT_TRUE(reading.reader.is_whole()) << piece;
        const HttpRequest request = reading.reader.request();
        EXPECT_EQ(request.method, "POST");
        EXPECT_EQ(request.path, "/a b/c");
        EXPECT_EQ(request.query, "q=1%2B1");
        EXPECT_EQ(request.body, "hello");
        EXPECT_EQ(request.content_type, "text/plain");
        EXPECT_EQ(request.authorization, "Bearer t");
        EXPECT_TRUE(request.takes_gzip);
        EXPECT_TRUE(request.keep_alive);
    }
}

TEST(HttpReader, ReadsBodiesInChunks) {
    Reading reading("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                    1);
    ASSERT_TRUE(reading.reader.is_whole());
    EXPECT_EQ(reading.reader.request().body, "abcde");
}

TEST(HttpReader, LeavesTheNextRequestAlone) {
    Reading reading("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n");
    ASSERT_TRUE(reading.reader.is_whole());
    EXPECT_EQ(reading.reader.request().path, "/a");
    EXPECT_EQ(reading.rest, "GET /b HTTP/1.1\r\n");
}

TEST(HttpReader, TellsWhoWantsTheConnectionToStay) {
    EXPECT_FALSE(Reading("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").reader.request().keep_alive);
    EXPECT_FALSE(Reading("GET / HTTP/1.0\r\n\r\n").reader.request().keep_alive);
}

TEST(HttpReader, TellsWhoTakesGzip) {
    const auto takes = [](const std::string& accepted) {
        return Reading("GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: " + accepted + "\r\n\r\n")
            .reader.request()
            .takes_gzip;
    };
    for (const char* text : {"gzip", "GZIP", "deflate, gzip;q=0.5", "*", "gzip ;q=1", "*;q=0, gzip"})
        EXPECT_TRUE(takes(text)) << text;
    for (const char* text : {"", "br", "gzip;q=0", "gzip;q=0.000", "x-gzipped", "*, gzip;q=0"})
        EXPECT_FALSE(takes(text)) << text;
}

TEST(HttpReader, RefusesWhatIsNoRequest) {
    for (const char* bytes :
         {"GET\r\n\r\n", "GET / SPDY/9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/3.0\r\nHost: x\r\n\r\n",
          "\x16\x03\x01\x02\x01\x01\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n",
          "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
          // What two servers could take for two different ends of a body.
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc",
          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\nGET / HTTP/1.1\r\n",
          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
        EXPECT_EQ(Reading(bytes).reader.error_status(), 400) << bytes;
    }
}

TEST(HttpReader, RefusesWhatIsTooLarge) {
    EXPECT_EQ(Reading("GET / HTTP/1.1\r\nX: " + std::string(kHeader, 'x')).reader.error_status(), 431);
    EXPECT_EQ(Reading("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n").reader.error_status(), 413);
    EXPECT_EQ(Reading("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + std::string(64, 'x') +
                      "\r\n40\r\n" + std::string(64, 'x') + "\r\n")
                  .reader.error_status(),
              413);
    EXPECT_EQ(Reading("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
                  .reader.error_status(),
              417);
}

// However many lines it is in, and however they come.
TEST(HttpReader, LimitsAllHeadersTogether) {
    std::string bytes = "GET / HTTP/1.1\r\nHost: x\r\n";
    const std::string line = "X: " + std::string(30, 'x') + "\r\n";
    for (std::size_t i = 0; i < kHeader / 32; ++i) bytes += line;
    for (std::size_t piece : {std::size_t{1}, line.size(), std::size_t{4096}}) {
        EXPECT_EQ(Reading(bytes, piece).reader.error_status(), 431) << piece;
    }
    HttpReader reader(kHeader, 100);
    std::string rest = "GET / HTTP/1.1\r\n";
    for (std::size_t i = 0; i < kHeader / 32 && reader.error_status() == 0; ++i) reader.take(rest += line);
    EXPECT_EQ(reader.error_status(), 431);
}

TEST(HttpReader, LimitsWhatIsInChunksBesideTheirContent) {
    const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    // A line before a chunk, and a field after the last one, that do not end; and many such lines.
    EXPECT_EQ(Reading(head + "1;" + std::string(2 * kHeader, 'x'), 100).reader.error_status(), 400);
    EXPECT_EQ(Reading(head + "0\r\nX: " + std::string(2 * kHeader, 'x'), 100).reader.error_status(), 400);
    std::string many = head;
    for (int i = 0; i < 90; ++i) many += "1;" + std::string(kHeader / 2, 'x') + "\r\nx\r\n";
    EXPECT_EQ(Reading(many, 100).reader.error_status(), 413);
}

TEST(HttpReader, LooksAtNoHeaderBehindABody) {
    Reading reading(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nAuthorization: Bearer "
        "t\r\n\r\n");
    ASSERT_TRUE(reading.reader.is_whole());
    const HttpRequest request = reading.reader.request();
    EXPECT_EQ(request.authorization, "");
    EXPECT_EQ(request.body, "a");
}

TEST(HttpHead, SaysWhatFollows) {
    const HttpAnswer answer{.status = 503, .content_type = "a/b", .headers = {{"Allow", "GET"}}};
    EXPECT_EQ(http_head(answer, 12, true),
              "HTTP/1.1 503 Service Unavailable\r\nConnection: keep-alive\r\nAllow: GET\r\nContent-Type: a/b\r\n"
              "Content-Length: 12\r\n\r\n");
    EXPECT_EQ(http_head({.status = 204}, 0, false), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}

TEST(HttpForm, ReadsBodyAndQuery) {
    const HttpForm form({.method = "POST",
                         .path = "/",
                         .query = "match[]=a&match%5B%5D=b%26c&empty&query=late",
                         .body = "query=1+%2B+1&&x=%zz%4",
                         .content_type = "Application/X-www-form-urlencoded; charset=utf-8"});
    EXPECT_EQ(form.get("query"), "1 + 1");
    EXPECT_EQ(form.all("match[]"), (std::vector<std::string>{"a", "b&c"}));
    EXPECT_EQ(form.get("empty"), "");
    EXPECT_EQ(form.all("empty").size(), 1u);
    EXPECT_TRUE(form.all("nothing").empty());
    EXPECT_EQ(form.get("x"), "%zz%4");
}

TEST(HttpForm, DoesNotTakeAnotherBodyForAForm) {
    const HttpForm form({.method = "POST", .path = "/", .query = "", .body = "query=1", .content_type = "text/plain"});
    EXPECT_EQ(form.get("query"), "");
}

TEST(Gzip, GivesBackWhatWentIn) {
    std::string plain;
    for (unsigned i = 0; i < 100'000; ++i) plain += std::to_string(i * i);
    const std::string packed = gzipped(plain);
    EXPECT_LT(packed.size(), plain.size());
    std::string out(plain.size() + 1, '\0');
    z_stream stream{};
    ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    inflateEnd(&stream);
    EXPECT_EQ(out, plain);
}

TEST(HttpPages, ShowTheAgentsOwnMetricsToOperatorsAlone) {
    Metrics metrics;
    const HttpPages pages = http_pages(metrics, [] { return true; });
    HttpRequest request;
    request.method = "GET";
    request.caller = {.uid = 1000, .is_operator = false};
    request.path = "/metrics";
    EXPECT_EQ(pages(request)->status, 403);
    request.path = "/-/ready";
    EXPECT_EQ(pages(request)->status, 200);
}

TEST(HttpPages, ServeMetricsHealthAndReadiness) {
    Metrics metrics;
    metrics.counter("ringside_x_total", "X.").add(3);
    bool ready = false;
    const HttpPages pages = http_pages(metrics, [&] { return ready; });
    const auto get = [&](const char* path) { return pages({.method = "GET", .path = path, .query = ""}); };
    EXPECT_NE(get("/metrics")->body.find("\nringside_x_total 3\n"), std::string::npos);
    EXPECT_EQ(get("/metrics")->content_type, "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_EQ(get("/-/healthy")->status, 200);
    EXPECT_EQ(get("/-/ready")->status, 503);
    ready = true;
    EXPECT_EQ(get("/-/ready")->status, 200);
    for (const char* path : {"/", "/metrics/", "/-/", "/-/healthy/x", "//metrics"}) EXPECT_FALSE(get(path)) << path;
    for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
        const auto answer = pages({.method = method, .path = "/metrics", .query = ""});
        EXPECT_EQ(answer->status, 405) << method;
        EXPECT_EQ(answer->headers, (std::vector<std::pair<std::string, std::string>>{{"Allow", "GET, HEAD"}}));
    }
}

}  // namespace
}  // namespace ringside::agent
