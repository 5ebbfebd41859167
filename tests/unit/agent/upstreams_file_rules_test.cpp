// The recording rules of the upstreams file.
#include "agent/upstreams_file_rules.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "agent/upstreams_file.h"
#include "tests/support/results.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

// Six lines, so that a rule's own first line is the eighth.
constexpr const char* kUpstreams = R"toml([upstream.central]
url = "http://127.0.0.1:9/w"

[upstream.watch]
url = "http://127.0.0.1:9/w"

)toml";

class UpstreamsFileRules : public testing::Test {
  protected:
    Result<std::vector<UpstreamOptions>> read(const std::string& rules) {
        std::ofstream(folder / "upstreams.toml") << kUpstreams << rules;
        UpstreamOptions defaults;
        defaults.state_directory = "/state";
        defaults.instance = "host";
        return read_upstreams_file(folder / "upstreams.toml", defaults);
    }
    std::string complaint(const std::string& rules) {
        auto result = read(rules);
        return result.ok() ? "" : result.error().message();
    }

    TemporaryFolder folder;
};

MetricInfo counter(const char* name) {
    MetricInfo metric;
    metric.name = name;
    metric.kind = Kind::kCounter;
    return metric;
}

TEST_F(UpstreamsFileRules, ReadsEveryKey) {
    auto upstreams = read(R"toml([[rule]]
name = "tenant:ops_total"
metrics = "ops_(read|write)_total"
by = ["tenant", "mode", "tenant"]
operation = "sum"
upstreams = ["central"]
keep-sources = false
[[rule]]
name = "fleet:latency"
metrics = ["latency_seconds"]
operation = "merge"
)toml");
    ASSERT_TRUE(upstreams.ok()) << message_of(upstreams);
    const UpstreamOptions &central = (*upstreams)[0], &watch = (*upstreams)[1];
    ASSERT_EQ(central.rules.size(), 2u);
    const Rule& rule = central.rules[0];
    EXPECT_EQ(rule.name, "tenant:ops_total");
    EXPECT_TRUE(rule.takes(counter("ops_read_total")));
    EXPECT_FALSE(rule.takes(counter("ops_read_total2")));
    EXPECT_EQ(rule.by, (std::vector<std::string>{"mode", "tenant"}));
    EXPECT_EQ(rule.operation, RuleOperation::kSum);
    EXPECT_EQ(central.rules[1].operation, RuleOperation::kMerge);
    EXPECT_FALSE(central.choice.takes(counter("ops_read_total")));
    EXPECT_TRUE(central.choice.takes(counter("latency_seconds")));
    ASSERT_EQ(watch.rules.size(), 1u);
    EXPECT_EQ(watch.rules[0].name, "fleet:latency");
    EXPECT_TRUE(watch.choice.takes(counter("ops_read_total")));
}

TEST_F(UpstreamsFileRules, SaysWhatIsWrongAndWhere) {
    const std::string good = "[[rule]]\nname = \"a\"\nmetrics = \"x\"\noperation = \"sum\"\n";
    ASSERT_EQ(complaint(good), "");
    struct Case {
        std::string rules;
        const char* words;
    };
    for (const Case& c : {
             Case{good + "by = 1", "line 11: rule.by: needs"},
             Case{"[[rule]]\noperation = \"avg\"", "line 8: rule.operation: 'avg' is no operation; use sum, min"},
             Case{"[[rule]]\nmetrics = \"(\"", "line 8: rule.metrics: the pattern '(' is not valid"},
             Case{"[[rule]]\nname = \"a\"\nmetrics = \"x\"", "line 7: the rule 'a' has no operation; "},
             Case{"[[rule]]\nname = \"a b\"\nmetrics = \"x\"\noperation = \"sum\"", "line 7: the rule 'a b' needs the"},
             Case{"[[rule]]\nmetrics = \"x\"\noperation = \"sum\"", "line 7: the rule '' needs the name of a metric"},
             Case{"[[rule]]\nname = \"a\"\noperation = \"sum\"", "line 7: the rule 'a' takes nothing; give it metrics"},
             Case{good + "by = \"le\"", "line 7: the rule 'a' cannot be by 'le'; name labels"},
             Case{good + "upstreams = \"away\"", "line 7: there is no [upstream.away] in this file"},
             Case{good + good, "line 11: the rule 'a' stands twice; names differ"},
             Case{good + "label = \"x\"", "line 11: there is no key \"label\" in [rule]"},
         }) {
        EXPECT_NE(complaint(c.rules).find(c.words), std::string::npos) << c.words << "\n" << complaint(c.rules);
    }
    EXPECT_NE(complaint(good + "by = 1").find("upstreams.toml"), std::string::npos);
}

}  // namespace
}  // namespace ringside::agent
