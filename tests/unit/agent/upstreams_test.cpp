#include "agent/upstreams.h"

#include <gtest/gtest.h>

#include <thread>

#include "agent/base/clock.h"
#include "agent/log.h"
#include "agent/upstream/cursor_store.h"
#include "tests/support/fake_source.h"
#include "tests/support/mock_receiver.h"
#include "tests/support/temporary_folder.h"

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

class UpstreamsTest : public testing::Test {
  protected:
    UpstreamsTest() {
        set_log_level("off");
        config.state_directory = disk.path();
        config.instance = "host-1";
    }

    // A VM that ended a minute ago, after five seconds in which it counted.
    CatalogVmPtr add(const std::string& vm_id) {
        const std::uint64_t end_ns = realtime_ns() / kSecond * kSecond - 60 * kSecond;
        auto source = std::make_shared<FakeSource>(fake_vm(vm_id), fake_schema({fake_metric("c_total", {})}));
        source->info.created_ns = end_ns - 5 * kSecond;
        source->info.ended_ns = end_ns;
        source->info.state = VmState::kDrained;
        source->info.series_count = 1;
        source->add_series(0, 0, {});
        SeriesData& data = source->data[0];
        for (std::uint64_t n = 1; n <= 5; ++n) {
            data.end_ns.push_back(source->info.created_ns + n * kSecond);
            data.flags.push_back(0);
            data.value.push_back(n);
        }
        catalog.add_drained(source);
        return catalog.find(vm_key(source->info));
    }
    // What an earlier run left: this VM is done up to `acked_ns`.
    void leave_cursor(const std::string& upstream, const VmInfo& vm, std::uint64_t acked_ns, bool done) {
        auto store = CursorStore::open(FileSystem::real(), disk / "upstream/" + upstream + ".cursors", 10);
        ASSERT_TRUE(store.ok());
        Cursor cursor;
        cursor.vm_id = vm.vm_id;
        cursor.epoch = vm.epoch;
        cursor.acked_ns = acked_ns;
        cursor.last_ms = 1;
        cursor.done = done;
        store->put(cursor);
        ASSERT_TRUE(store->save().ok());
    }

    static constexpr std::uint64_t kSecond = 1'000'000'000;
    TemporaryFolder disk;
    EventBus events{100};
    Catalog catalog{CatalogOptions{}, events};
    Config config = default_config(Surroundings{});
    MockReceiver receiver;
};

TEST_F(UpstreamsTest, WithoutAnyNobodyNeedsAVm) {
    Upstreams upstreams(catalog, events);
    ASSERT_TRUE(upstreams.create(config).ok());
    EXPECT_FALSE(upstreams.needs("vm-1.00"));
    EXPECT_TRUE(upstreams.reports().empty());
}

TEST_F(UpstreamsTest, AVmIsNeededUntilEachOfThemIsDoneWithIt) {
    const CatalogVmPtr first = add("vm-1"), second = add("vm-2");
    config.upstreams = {{"one", receiver.url()}, {"two", receiver.url()}};
    leave_cursor("one", first->known(), 7, true);
    leave_cursor("two", first->known(), 7, true);
    leave_cursor("two", second->known(), 5, true);
    Upstreams upstreams(catalog, events);
    ASSERT_TRUE(upstreams.create(config).ok());
    EXPECT_FALSE(upstreams.needs(first->key()));
    EXPECT_TRUE(upstreams.needs(second->key()));
    EXPECT_TRUE(upstreams.needs("vm-3.00"));
}

TEST_F(UpstreamsTest, TellsPositionsOfAnEarlierRunBeforeItPushes) {
    const CatalogVmPtr vm = add("vm-1");
    config.upstreams = {{"one", receiver.url()}, {"two", receiver.url()}};
    leave_cursor("one", vm->known(), 7, false);
    Upstreams upstreams(catalog, events);
    ASSERT_TRUE(upstreams.create(config).ok());
    const auto positions = upstreams.positions(*vm);
    ASSERT_EQ(positions.size(), 2u);
    EXPECT_EQ(positions[0].upstream, "one");
    EXPECT_EQ(positions[0].acknowledged_ns, 7u);
    EXPECT_FALSE(positions[0].done);
    EXPECT_EQ(positions[1].acknowledged_ns, 0u);
}

TEST_F(UpstreamsTest, SaysThatALagIsNotKnownBeforeItHasLooked) {
    const CatalogVmPtr vm = add("vm-1");
    config.upstreams = {{"one", receiver.url()}};
    Upstreams upstreams(catalog, events);
    ASSERT_TRUE(upstreams.create(config).ok());
    EXPECT_EQ(upstreams.reports()[0].lag_ns, std::nullopt);
    EXPECT_EQ(upstreams.positions(*vm)[0].lag_ns, std::nullopt);
    upstreams.start();
    upstreams.stop(std::chrono::minutes(1));
    EXPECT_EQ(upstreams.reports()[0].lag_ns, 0u);
    EXPECT_EQ(upstreams.positions(*vm)[0].lag_ns, 0u);
}

TEST_F(UpstreamsTest, TellsHowFarBehindAnUpstreamIsThatIsAway) {
    ClosedPort away;
    const CatalogVmPtr vm = add("vm-1");
    config.upstreams = {{"away", away.url()}};
    Upstreams upstreams(catalog, events);
    ASSERT_TRUE(upstreams.create(config).ok());
    upstreams.start();
    upstreams.stop(std::chrono::hours(1));
    EXPECT_EQ(upstreams.positions(*vm)[0].lag_ns, 5 * kSecond);
    EXPECT_GT(upstreams.reports()[0].lag_ns, 55 * kSecond);
}

// Its last error is the newest one, not the first of a series, which alone is in the log.
TEST_F(UpstreamsTest, TellsWhenAReceiverFailedLast) {
    ClosedPort away;
    add("vm-1");
    config.upstreams = {{"away", away.url()}};
    Upstreams upstreams(catalog, events);
    ASSERT_TRUE(upstreams.create(config).ok());
    upstreams.start();
    auto later_than = [&](std::uint64_t time_ns) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
        std::uint64_t last_ns = 0;
        while ((last_ns = upstreams.reports()[0].last_error_ns) <= time_ns &&
               std::chrono::steady_clock::now() < until) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return last_ns;
    };
    const std::uint64_t first_ns = later_than(0);
    EXPECT_GT(later_than(first_ns), first_ns);
    upstreams.stop(std::chrono::hours(1));
}

TEST_F(UpstreamsTest, AStopPushesWhatIsDue) {
    config.upstreams = {{"one", receiver.url()}, {"two", receiver.url()}};
    Upstreams upstreams(catalog, events);
    ASSERT_TRUE(upstreams.create(config).ok());
    upstreams.start();
    const std::string key = add("vm-1")->key();
    upstreams.stop(std::chrono::minutes(1));
    EXPECT_FALSE(upstreams.needs(key));
    EXPECT_FALSE(receiver.stored().empty());
}

TEST_F(UpstreamsTest, AStopDoesNotWaitForAReceiverThatIsAway) {
    ClosedPort away;
    config.upstreams = {{"away", away.url()}, {"here", receiver.url()}};
    const std::string key = add("vm-1")->key();
    Upstreams upstreams(catalog, events);
    ASSERT_TRUE(upstreams.create(config).ok());
    upstreams.start();
    upstreams.stop(std::chrono::hours(1));
    EXPECT_TRUE(upstreams.needs(key));
    EXPECT_FALSE(receiver.stored().empty());
    EXPECT_FALSE(upstreams.reports()[0].last_error.empty());
    upstreams.stop(std::chrono::hours(1));
}

}  // namespace
}  // namespace ringside::agent
