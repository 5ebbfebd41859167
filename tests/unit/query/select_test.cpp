#include "agent/query/select.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/fake_source.h"

namespace ringside::agent {
namespace {

const HostLabels kHost{"host-1", "ringside"};

class SelectTest : public testing::Test {
  protected:
    void add_vm(const std::string& vm_id, std::vector<SeriesInfo> series, const std::string& component = "") {
        auto source = std::make_shared<FakeSource>(fake_vm(vm_id, 1, component), schema);
        source->list = std::move(series);
        auto layout = layouts.intern(schema, source->list);
        ASSERT_TRUE(layout.ok()) << layout.error().message();
        vms.push_back(std::make_shared<const CatalogVm>(source->info, source, *layout));
    }

    // "vm_id:index,index vm_id:index": what a selector selects.
    std::string selected(const std::string& text) {
        auto selector = parse_selector(text);
        if (!selector) return selector.error().message();
        std::string out;
        for (const SelectedVm& vm : select(vms, *selector, kHost).vms) {
            out += (out.empty() ? "" : " ") + vm.vm->known().vm_id + ":";
            for (Row row : *vm.rows) out += std::to_string(vm.layout->series_index(row)) + ",";
            out.pop_back();
        }
        return out;
    }

    std::shared_ptr<SchemaInfo> schema =
        fake_schema({fake_metric("blocks_total", {"device", "op"}), fake_metric("up", {}), fake_metric("net", {"op"})});
    LayoutTable layouts;
    std::vector<CatalogVmPtr> vms;
};

TEST_F(SelectTest, ChoosesRowsByTheirLabelsAndVmsByTheAgents) {
    std::vector<SeriesInfo> series = {{0, 0, {"vda", "read"}, 0},
                                      {1, 0, {"vda", "write"}, 0},
                                      {2, 0, {"vdb", ""}, 0},
                                      {100, 1, {}, 0},
                                      {101, 2, {"read"}, 0}};
    add_vm("vm-1", series);
    add_vm("vm-2", series);
    add_vm("vm-2", {{100, 1, {}, 0}}, "virtiofsd");
    EXPECT_EQ(selected("blocks_total"), "vm-1:0,1,2 vm-2:0,1,2");
    EXPECT_EQ(selected("blocks_total{op!=\"read\"}"), "vm-1:1,2 vm-2:1,2");
    EXPECT_EQ(selected("{op=\"read\"}"), "vm-1:0,101 vm-2:0,101");
    EXPECT_EQ(selected("{op=~\"r.*|w.*\",device!=\"\"}"), "vm-1:0,1 vm-2:0,1");
    EXPECT_EQ(selected("{op=\"\"}"), "vm-1:2,100 vm-2:2,100 vm-2:100");
    EXPECT_EQ(selected("up{vm_id=\"vm-2\"}"), "vm-2:100 vm-2:100");
    EXPECT_EQ(selected("up{vm_id=\"vm-2\",component=\"\"}"), "vm-2:100");
    EXPECT_EQ(selected("up{component=~\".+\"}"), "vm-2:100");
    EXPECT_EQ(selected("up{instance=\"host-1\",job!=\"x\",vm_id!~\".*2\"}"), "vm-1:100");
    EXPECT_EQ(selected("up{instance=\"host-2\"}"), "");
    EXPECT_EQ(selected("nothing"), "");
    EXPECT_EQ(selected("{}"), "vm-1:0,1,2,100,101 vm-2:0,1,2,100,101 vm-2:100");
    EXPECT_EQ(selected("up{nolabel=\"\"}"), "vm-1:100 vm-2:100 vm-2:100");
    EXPECT_EQ(selected("up{nolabel=\"x\"}"), "");
}

TEST_F(SelectTest, WorksOncePerLayout) {
    for (int i = 0; i < 10; ++i) add_vm("vm-" + std::to_string(i), {{0, 0, {"vda", "read"}, 0}});
    auto selection = select(vms, *parse_selector("blocks_total"), kHost);
    ASSERT_EQ(selection.vms.size(), 10u);
    for (const SelectedVm& vm : selection.vms) EXPECT_EQ(vm.rows, selection.vms[0].rows);
}

TEST_F(SelectTest, NamesVmsThatCannotBeLookedAt) {
    add_vm("vm-1", {{100, 1, {}, 0}});
    auto failing = std::make_shared<FakeSource>(fake_vm("vm-2"), schema);
    failing->failing = true;
    VmInfo drained = failing->info;
    drained.state = VmState::kDrained;
    vms.push_back(std::make_shared<const CatalogVm>(drained, failing, layouts));
    auto selection = select(vms, *parse_selector("up"), kHost);
    EXPECT_EQ(selection.vms.size(), 1u);
    ASSERT_EQ(selection.warnings.size(), 1u);
    EXPECT_NE(selection.warnings[0].find("vm-2"), std::string::npos);
    EXPECT_TRUE(select(vms, *parse_selector("up{vm_id=\"vm-1\"}"), kHost).warnings.empty());
}

// Random VMs and random selectors against the plain definition: build each series' labels, try each matcher.
class SelectOracle : public SelectTest {
  protected:
    template <typename T>
    const T& pick(const std::vector<T>& from) {
        return from[random() % from.size()];
    }

    void add_random_vm(int number) {
        // Every second VM is like the one before, so that layouts are shared.
        std::vector<SeriesInfo> series;
        if (number % 2 == 1) series = *vms.back()->source()->series();
        std::uint32_t index = 0;
        const std::uint32_t count = series.empty() ? 1 + static_cast<std::uint32_t>(random() % 6) : 0;
        for (std::uint32_t i = 0; i < count; ++i) {
            SeriesInfo one;
            one.index = index += 1 + static_cast<std::uint32_t>(random() % 2);
            one.metric = static_cast<std::uint32_t>(random() % schema->metrics.size());
            for (std::size_t l = 0; l < schema->metrics[one.metric].label_names.size(); ++l) {
                one.label_values.push_back(pick(values));
            }
            series.push_back(std::move(one));
        }
        add_vm("vm-" + std::to_string(number), std::move(series), pick(components));
    }

    Selector random_selector() {
        Selector selector;
        const std::size_t count = random() % 4;
        for (std::size_t i = 0; i < count; ++i) {
            auto op = static_cast<MatchOp>(random() % 4);
            const bool regex = op == MatchOp::kRegex || op == MatchOp::kNotRegex;
            auto matcher = Matcher::make(pick(labels), op, regex ? pick(patterns) : pick(values));
            EXPECT_TRUE(matcher.ok());
            selector.matchers.push_back(*matcher);
        }
        return selector;
    }

    std::vector<std::pair<std::string, std::uint32_t>> naive(const Selector& selector) {
        std::vector<std::pair<std::string, std::uint32_t>> found;
        for (const CatalogVmPtr& vm : vms) {
            const auto all_series = vm->source()->series();
            for (const SeriesInfo& series : *all_series) {
                LabelSet all = series_labels(*schema, series, agent_labels(vm->known(), kHost));
                bool passes = true;
                for (const Matcher& matcher : selector.matchers) {
                    passes &= matcher.matches(label_value(all, matcher.label()));
                }
                if (passes) found.emplace_back(vm->key(), series.index);
            }
        }
        return found;
    }

    std::mt19937_64 random;
    const std::vector<std::string> values = {"", "read", "write", "vda", "vm-1", "up"};
    const std::vector<std::string> patterns = {"", ".*", ".+", "r.*", "read|write", "v.*|", "vm-[0-9]", "[^r].*"};
    const std::vector<std::string> labels = {"__name__",  "device", "op",       "vm_id",
                                             "component", "job",    "instance", "absent"};
    const std::vector<std::string> components = {"", "", "read", "disk"};
};

TEST_F(SelectOracle, AgreesWithTheDefinition) {
    const char* given = std::getenv("RINGSIDE_TEST_SEED");
    const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    SCOPED_TRACE("RINGSIDE_TEST_SEED=" + std::to_string(seed));
    random.seed(seed);
    std::size_t hits = 0;
    for (int round = 0; round < 60; ++round) {
        vms.clear();
        for (int i = 0; i < 30; ++i) add_random_vm(i);
        EXPECT_LE(layouts.size(), vms.size() / 2);
        for (int i = 0; i < 40; ++i) {
            Selector selector = random_selector();
            std::vector<std::pair<std::string, std::uint32_t>> found;
            for (const SelectedVm& vm : select(vms, selector, kHost).vms) {
                EXPECT_FALSE(vm.rows->empty());
                for (Row row : *vm.rows) found.emplace_back(vm.vm->key(), vm.layout->series_index(row));
            }
            ASSERT_EQ(found, naive(selector)) << selector.text();
            hits += found.empty() ? 0 : 1;
        }
    }
    EXPECT_GT(hits, 300u);  // of 2,400: else the selectors select too little to prove anything
}

}  // namespace
}  // namespace ringside::agent
