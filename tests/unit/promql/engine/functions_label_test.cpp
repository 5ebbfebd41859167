// label_replace, label_join, sort_by_label, info: what the scripts of Prometheus leave open.
#include <gtest/gtest.h>

#include "agent/promql/engine/natural_order.h"
#include "tests/unit/promql/engine/evaluate.h"

namespace ringside::agent::promql {
namespace {

MemorySource source_of(
    std::initializer_list<std::initializer_list<std::pair<std::string_view, std::string_view>>> all) {
    MemorySource source;
    double value = 0;
    for (const auto& labels : all) source.add(labels_of(labels), 0, ++value);
    return source;
}

std::string at_zero(const std::string& query, MemorySource& source) { return text_of(instant(query, 0, source)); }

TEST(LabelReplace, RefersToWhatWasCaptured) {
    MemorySource source = source_of({{{"__name__", "m"}, {"a", "x-7"}}});
    auto replaced = [&](const std::string& replacement) {
        return at_zero("label_replace(m, \"b\", \"" + replacement + "\", \"a\", \"(?P<left>[a-z])-(.)\")", source);
    };
    EXPECT_EQ(replaced("$1$2"), "{__name__=\"m\", a=\"x-7\", b=\"x7\"} 1");
    EXPECT_EQ(replaced("${left}_$left"), "{__name__=\"m\", a=\"x-7\", b=\"x_x\"} 1");
    EXPECT_EQ(replaced("$$1"), "{__name__=\"m\", a=\"x-7\", b=\"$1\"} 1");
    // The longest name counts, and what nothing captured is empty.
    EXPECT_EQ(replaced("<$1x$3${none}>"), "{__name__=\"m\", a=\"x-7\", b=\"<>\"} 1");
    EXPECT_EQ(replaced("$ ${ ${1"), "{__name__=\"m\", a=\"x-7\", b=\"$ ${ ${1\"} 1");
    EXPECT_EQ(replaced(""), "{__name__=\"m\", a=\"x-7\"} 1");
}

TEST(LabelReplace, MatchesTheWholeValueAcrossLines) {
    MemorySource source = source_of({{{"__name__", "m"}, {"a", "x\ny"}}});
    EXPECT_EQ(at_zero("label_replace(m, \"a\", \"all\", \"a\", \"x.*\")", source), "{__name__=\"m\", a=\"all\"} 1");
    EXPECT_EQ(at_zero("label_replace(m, \"a\", \"all\", \"a\", \"x\")", source), "{__name__=\"m\", a=\"x\\ny\"} 1");
}

TEST(LabelReplace, SaysWhatItCannotUse) {
    MemorySource source = source_of({{{"__name__", "m"}}});
    EXPECT_EQ(at_zero("label_replace(m, \"\", \"x\", \"a\", \".*\")", source),
              "error: invalid destination label name in label_replace(): ");
    EXPECT_NE(at_zero("label_replace(m, \"b\", \"x\", \"a\", \"(\")", source)
                  .find("error: invalid regular expression in label_replace(): (: "),
              std::string::npos);
    EXPECT_NE(at_zero("label_replace(m, \"b\", \"x\", \"a\", \"" + std::string(2000, 'x') + "\")", source).find("1024"),
              std::string::npos);
    EXPECT_EQ(at_zero("label_join(m, \"b\", \"x\", \"\")", source),
              "error: invalid source label name in label_join(): ");
}

TEST(LabelReplace, GivesANameThatStays) {
    MemorySource source = source_of({{{"__name__", "m"}}});
    EngineOptions options;
    for (const bool delayed : {false, true}) {
        options.delayed_name_removal = delayed;
        EXPECT_EQ(text_of(instant("label_replace(abs(m), \"__name__\", \"n\", \"\", \"\")", 0, source, options)),
                  "{__name__=\"n\"} 1");
    }
}

TEST(SortByLabel, ComparesNumbersInText) {
    EXPECT_TRUE(natural_less("cpu2", "cpu10"));
    EXPECT_FALSE(natural_less("cpu10", "cpu2"));
    EXPECT_TRUE(natural_less("1.2.3", "1.11.3"));
    EXPECT_TRUE(natural_less("", "a"));
    EXPECT_TRUE(natural_less("a", "a1"));
    EXPECT_TRUE(natural_less("a1b", "a1c"));
    EXPECT_TRUE(natural_less("9", "a"));
    // More digits than any machine word has.
    EXPECT_TRUE(natural_less("2", "10000000000000000000000"));
    EXPECT_TRUE(natural_less("10", "10000000000000000000000"));
    EXPECT_FALSE(natural_less("01", "1"));
    EXPECT_FALSE(natural_less("1", "01"));
}

TEST(Info, NeverTakesAPatternForAFleet) {
    MemorySource source;
    for (int vm = 0; vm < 500; ++vm) {
        const std::string name = "vm-with-a-long-name-" + std::to_string(vm);
        source.add(labels_of({{"__name__", "m"}, {"instance", name}}), 0, vm);
        source.add(labels_of({{"__name__", "target_info"}, {"instance", name}, {"tenant", "t" + std::to_string(vm)}}),
                   0, 1);
    }
    const auto result = instant("count(count by (tenant) (info(m)))", 0, source);
    EXPECT_EQ(text_of(result), "{} 500");
}

TEST(Info, RefusesTwoThatAreAsNew) {
    MemorySource source = source_of({{{"__name__", "m"}, {"job", "j"}},
                                     {{"__name__", "target_info"}, {"job", "j"}, {"a", "1"}},
                                     {{"__name__", "target_info"}, {"job", "j"}, {"a", "2"}}});
    EXPECT_EQ(at_zero("info(m)", source),
              "error: found duplicate series for info metric: existing {__name__=\"target_info\", a=\"1\", job=\"j\"} "
              "@ 0, new "
              "{__name__=\"target_info\", a=\"2\", job=\"j\"} @ 0");
}

TEST(Info, RefusesHistogramsAsInfo) {
    MemorySource source = source_of({{{"__name__", "m"}, {"job", "j"}}});
    FloatHistogram histogram;
    histogram.count = histogram.sum = 1;
    source.add(labels_of({{"__name__", "target_info"}, {"job", "j"}, {"a", "1"}}), 0, histogram);
    EXPECT_EQ(at_zero("info(m)", source), "error: info sample should be float");
}

TEST(Label, GrowsNoLabelWithoutEnd) {
    MemorySource source = source_of({{{"__name__", "m"}, {"a", std::string(1000, 'x')}}});
    std::string query = "m";
    for (int i = 0; i < 5; ++i) query = "label_replace(" + query + ", \"a\", \"$1$1\", \"a\", \"(.*)\")";
    EXPECT_TRUE(at_zero(query, source).starts_with("{__name__=")) << "32,000 bytes";
    for (int i = 0; i < 2; ++i) query = "label_replace(" + query + ", \"a\", \"$1$1\", \"a\", \"(.*)\")";
    EXPECT_EQ(at_zero(query, source), "error: label_replace() would make a label of more than 65536 bytes");
    std::string groups, labels;
    for (int i = 0; i < 70; ++i) {
        groups += "$1";
        labels += ", \"a\"";
    }
    EXPECT_EQ(at_zero("label_replace(m, \"b\", \"" + groups + "\", \"a\", \"(.*)\")", source),
              "error: label_replace() would make a label of more than 65536 bytes");
    EXPECT_EQ(at_zero("label_join(m, \"b\", \"\"" + labels + ")", source),
              "error: label_join() would make a label of more than 65536 bytes");
}

TEST(Info, LeavesAloneWhatHasNoTarget) {
    MemorySource source = source_of({{{"__name__", "m"}}, {{"__name__", "target_info"}, {"a", "1"}}});
    EXPECT_EQ(at_zero("info(m)", source), "{__name__=\"m\"} 1");
    EXPECT_EQ(at_zero("info(m, {a=\"1\"})", source), "");
}

}  // namespace
}  // namespace ringside::agent::promql
