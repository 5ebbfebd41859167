// The keys of the upstreams file that say what an upstream takes.
#include "agent/upstreams_file_choice.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/support/results.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

class UpstreamsFileChoice : public testing::Test {
  protected:
    Result<void> read(const std::string& text) {
        choice = {};
        const std::string path = folder / "choice.toml";
        std::ofstream(path) << text;
        return TomlTable::read_file(path, [&](TomlTable& table) { read_choice(table, choice); });
    }
    std::string complaint(const std::string& text) {
        Result<void> result = read(text);
        return result.ok() ? "" : result.error().message();
    }

    TemporaryFolder folder;
    RollupChoice choice;
};

TEST_F(UpstreamsFileChoice, TakesEverythingByItself) {
    ASSERT_TRUE(read("").ok());
    EXPECT_TRUE(choice.takes("anything"));
    EXPECT_EQ(choice.columns, kColumnsAll);
    EXPECT_EQ(choice.resolution_s, 0u);
    EXPECT_EQ(choice.histograms, std::nullopt);
    EXPECT_TRUE(choice.short_vms);
    EXPECT_TRUE(choice.relabeling.empty());
}

TEST_F(UpstreamsFileChoice, ReadsEveryKey) {
    Result<void> done = read(R"toml(
metrics = ["cpu_.*", "vm_info"]
drop-metrics = "cpu_steal.*"
columns = ["max", "buckets"]
tier = "10s"
histograms = "native"
short-vms = "10s"
[[relabel]]
action = "drop"
source-labels = ["mode", "vcpu"]
separator = "/"
regex = "idle/.*"
[[relabel]]
source-labels = "__name__"
regex = "cpu_(.*)"
target-label = "__name__"
replacement = "guest_$1"
)toml");
    ASSERT_TRUE(done.ok()) << message_of(done);
    EXPECT_TRUE(choice.takes("cpu_seconds_total"));
    EXPECT_FALSE(choice.takes("cpu_steal_total"));
    EXPECT_FALSE(choice.takes("memory_bytes"));
    EXPECT_EQ(choice.columns, kColumnMax | kColumnBuckets);
    EXPECT_EQ(choice.resolution_s, 10u);
    EXPECT_EQ(choice.histograms, HistogramForm::kNative);
    EXPECT_TRUE(choice.short_vms);
    LabelSet idle = {{"__name__", "cpu_total"}, {"mode", "idle"}, {"vcpu", "1"}};
    EXPECT_EQ(choice.relabeling.apply(idle), Relabeled::kDropped);
    LabelSet user = {{"__name__", "cpu_total"}, {"mode", "user"}, {"vcpu", "1"}};
    EXPECT_EQ(choice.relabeling.apply(user), Relabeled::kLeaves);
    EXPECT_EQ(label_value(user, kNameLabel), "guest_total");
}

TEST_F(UpstreamsFileChoice, SaysWhatIsWrongAndWhere) {
    struct Case {
        const char *text, *words;
    };
    for (const Case& c : {
             Case{"metrics = [\"(\"]", "line 1: metrics: the pattern '(' is not valid"},
             Case{"\ncolumns = []", "line 2: columns: the list is empty"},
             Case{"\ncolumns = [\"avg\"]", "line 2: columns: 'avg' is no column"},
             Case{"tier = \"1500ms\"", "line 1: tier: is no resolution of a tier"},
             Case{"histograms = \"both\"", "line 1: histograms: use native or classic"},
             Case{"short-vms = true", "line 1: short-vms: "},
             Case{"short-vms = \"1s\"", "line 1: short-vms: use 10s or off"},
             Case{"[[relabel]]\naction = \"hashmod\"", "line 2: relabel.action: 'hashmod' is no action"},
             Case{"[[relabel]]\naction = \"drop\"", "relabel rule 1: source-labels is empty"},
             Case{"[[relabel]]\nlabel = \"x\"", "there is no key \"label\""},
         }) {
        EXPECT_NE(complaint(c.text).find(c.words), std::string::npos) << complaint(c.text);
    }
}

}  // namespace
}  // namespace ringside::agent
