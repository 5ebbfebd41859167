#include "tools/ringsidectl/query_unit.h"

#include <gtest/gtest.h>

#include "agent/promql/syntax/parser.h"

namespace ringside::ctl {
namespace {

namespace promql = agent::promql;

// "bytes/s", "seconds", "" and so on.
std::string unit(const char* query) {
    const auto expr = promql::parse_query(query, promql::ParseOptions::all());
    if (!expr.ok()) return expr.error().message();
    const QueryUnit found = unit_of(**expr);
    return found.unit + (found.per_second ? "/s" : "");
}

TEST(QueryUnit, IsTheEndOfTheName) {
    EXPECT_EQ(unit("vmm_memory_bytes"), "bytes");
    EXPECT_EQ(unit("vmm_net_bytes_total{direction=\"rx\"}"), "bytes");
    EXPECT_EQ(unit("delay_seconds"), "seconds");
    EXPECT_EQ(unit("requests_total"), "");
    EXPECT_EQ(unit("bytes_per_request"), "");
    EXPECT_EQ(unit("{job=\"a\"}"), "");
}

TEST(QueryUnit, IsASecondOfRates) {
    EXPECT_EQ(unit("rate(net_bytes_total[1m])"), "bytes/s");
    EXPECT_EQ(unit("sum by (vm_id) (irate(busy_seconds_total[30s]))"), "seconds/s");
    EXPECT_EQ(unit("topk(3, rate(requests_total[30s]))"), "/s");
    EXPECT_EQ(unit("increase(net_bytes_total[1m])"), "bytes");
    EXPECT_EQ(unit("deriv(rate(net_bytes_total[1m])[5m:])"), "");
}

TEST(QueryUnit, SurvivesWhatKeepsIt) {
    EXPECT_EQ(unit("max_over_time((avg(mem_bytes))[5m:10s])"), "bytes");
    EXPECT_EQ(unit("histogram_quantile(0.99, sum(rate(delay_seconds[1m])))"), "seconds");
    EXPECT_EQ(unit("-round(mem_bytes, 4096)"), "bytes");
    EXPECT_EQ(unit("a_bytes - b_bytes"), "bytes");
    EXPECT_EQ(unit("a_bytes > 1000"), "bytes");
    EXPECT_EQ(unit("1000 < a_bytes"), "bytes");
    EXPECT_EQ(unit("a_bytes and on (vm_id) b_seconds"), "bytes");
    EXPECT_EQ(unit("a_bytes or b_bytes"), "bytes");
}

TEST(QueryUnit, IsNotToldWhereItIsNotSure) {
    EXPECT_EQ(unit("a_bytes * 8"), "");
    EXPECT_EQ(unit("a_bytes / b_bytes"), "");
    EXPECT_EQ(unit("a_bytes + b_seconds"), "");
    EXPECT_EQ(unit("a_bytes > bool 5"), "");
    EXPECT_EQ(unit("count(a_bytes)"), "");
    EXPECT_EQ(unit("stdvar(a_bytes)"), "");
    EXPECT_EQ(unit("resets(a_bytes[5m])"), "");
    EXPECT_EQ(unit("time()"), "");
    EXPECT_EQ(unit("42"), "");
}

}  // namespace
}  // namespace ringside::ctl
