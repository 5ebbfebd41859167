#include "agent/upstreams.h"

#include <gtest/gtest.h>

#include "tests/support/fake_source.h"

namespace ringside::agent {
namespace {

class CatalogSourcesTest : public testing::Test {
  protected:
    std::string add(const std::string& vm_id) {
        auto source = std::make_shared<FakeSource>(fake_vm(vm_id), fake_schema({}));
        catalog.add_drained(source);
        return vm_key(source->info);
    }
    std::vector<std::string> keys() {
        std::vector<std::string> keys;
        for (const UpstreamSource& source : sources.sources()) {
            EXPECT_EQ(vm_key(source.source->vm()), source.key);
            keys.push_back(source.key);
        }
        return keys;
    }

    EventBus events{100};
    Catalog catalog{CatalogOptions{}, events};
    CatalogSources sources{catalog};
};

TEST_F(CatalogSourcesTest, ListsWhatTheCatalogHas) {
    EXPECT_TRUE(keys().empty());
    const std::string first = add("vm-1");
    EXPECT_EQ(keys(), std::vector<std::string>{first});
    const std::string second = add("vm-2");
    EXPECT_EQ(keys(), (std::vector<std::string>{first, second}));
    catalog.remove(first);
    EXPECT_EQ(keys(), std::vector<std::string>{second});
}

TEST(Upstreams, WithoutAnyNobodyNeedsAVm) {
    EventBus events{10};
    Catalog catalog{CatalogOptions{}, events};
    Upstreams upstreams(catalog, events);
    ASSERT_TRUE(upstreams.create(Config{}).ok());
    EXPECT_FALSE(upstreams.needs("vm-1.00"));
    EXPECT_TRUE(upstreams.reports().empty());
}

}  // namespace
}  // namespace ringside::agent
