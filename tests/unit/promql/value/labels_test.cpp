#include "agent/promql/value/labels.h"
#include "agent/base/text.h"

#include <gtest/gtest.h>

#include <vector>

namespace ringside::agent::promql {
namespace {

Labels labels(std::initializer_list<std::pair<const char*, const char*>> pairs) {
    LabelsBuilder builder;
    for (auto [name, value] : pairs) builder.set(name, value);
    return builder.labels();
}

TEST(Labels, AreSortedWhateverTheOrderTheyWereSetIn) {
    EXPECT_EQ(labels({{"b", "2"}, {"a", "1"}}), labels({{"a", "1"}, {"b", "2"}}));
    EXPECT_EQ(labels({{"b", "2"}, {"a", "1"}}).text(), R"({a="1", b="2"})");
}

TEST(Labels, AnEmptyValueIsNoLabel) {
    EXPECT_TRUE(labels({{"a", ""}}).empty());
    EXPECT_EQ(labels({{"a", "1"}, {"a", ""}}), Labels());
}

// XXH64 over length-prefixed strings, as limit_ratio() of Prometheus chooses series by it: computed there.
TEST(Labels, HashIsThatOfPrometheus) {
    EXPECT_EQ(Labels().hash(), 0xef46db3751d8e999u);
    EXPECT_NE(labels({{"a", "bc"}}).hash(), labels({{"ab", "c"}}).hash());
}

TEST(Labels, CompareByTheFirstLabelThatDiffers) {
    EXPECT_LT(labels({{"a", "1"}}), labels({{"a", "2"}}));
    EXPECT_LT(labels({{"a", "1"}}), labels({{"a", "1"}, {"b", "1"}}));
    EXPECT_LT(labels({{"a", "9"}}), labels({{"b", "1"}}));
}

TEST(Labels, LoseWhatDescribesTheMetric) {
    Labels all = labels({{"__name__", "m"}, {"__type__", "counter"}, {"__unit__", "s"}, {"job", "a"}});
    EXPECT_EQ(all.without_metadata(), labels({{"job", "a"}}));
}

TEST(Labels, TextQuotesNamesThatAreNone) {
    EXPECT_EQ(labels({{"a.b", "x\"\n"}}).text(), "{\"a.b\"=\"x\\\"\\n\"}");
    EXPECT_EQ(quote(std::string_view("\x00\xff\xc3\xa9", 4)), "\"\\x00\\xff\xc3\xa9\"");
}

TEST(LabelsBuilder, KeepsAndErasesByName) {
    Labels all = labels({{"a", "1"}, {"b", "2"}, {"c", "3"}});
    std::vector<std::string> names = {"c", "a", "missing"};
    LabelsBuilder kept(all), rest(all);
    kept.keep(names);
    rest.erase(names);
    EXPECT_EQ(kept.labels(), labels({{"a", "1"}, {"c", "3"}}));
    EXPECT_EQ(rest.labels(), labels({{"b", "2"}}));
}

}  // namespace
}  // namespace ringside::agent::promql
