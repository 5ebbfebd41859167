// What leaves the archive when it is too old or too large: oldest end first, and last what an upstream still needs.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/support/results.h"
#include "tests/unit/archive/store_fixture.h"

namespace ringside::agent {
namespace {

TEST_F(ArchiveStoreTest, EvictsByAge) {
    ArchiveStore store(files_, options_);
    for (std::uint64_t days : {1, 14, 16, 30}) {
        MemorySource source = vm_that_ended(days, days);
        ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    }
    std::uint64_t bytes = store.status().bytes;
    std::vector<Eviction> evicted = store.maintain(kNow, {});
    ASSERT_EQ(evicted.size(), 2u);
    EXPECT_EQ(evicted[0].key, key(vm_that_ended(30, 30)));
    EXPECT_EQ(evicted[1].key, key(vm_that_ended(16, 16)));
    EXPECT_EQ(evicted[0].reason, EvictReason::kAge);
    ArchiveStatus status = store.status();
    EXPECT_EQ(status.evicted_files[0], 2u);
    EXPECT_EQ(status.evicted_bytes[0], evicted[0].bytes + evicted[1].bytes);
    EXPECT_EQ(status.bytes, bytes - status.evicted_bytes[0]);
    EXPECT_EQ(names().size(), 2u);
    EXPECT_TRUE(store.maintain(kNow, {}).empty());
}

TEST_F(ArchiveStoreTest, AgeSparesWhatAnUpstreamStillNeeds) {
    ArchiveStore store(files_, options_);
    MemorySource source = vm_that_ended(1, 100);
    ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    EXPECT_TRUE(store.maintain(kNow, [](const std::string&) { return true; }).empty());
    EXPECT_EQ(store.maintain(kNow + 60 * kNsPerS, [](const std::string&) { return false; }).size(), 1u);
}

TEST_F(ArchiveStoreTest, AsksOnceAMinuteWhetherOldFilesAreNeeded) {
    ArchiveStore store(files_, options_);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        MemorySource source = vm_that_ended(seed, seed <= 10 ? 20 : 1);
        ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    }
    std::uint64_t asked = 0;
    auto needed = [&](const std::string&) { return ++asked > 0; };
    auto asked_at = [&](std::uint64_t now_ns) {
        asked = 0;
        EXPECT_TRUE(store.maintain(now_ns, needed).empty());
        return asked;
    };
    EXPECT_EQ(asked_at(kNow), 10u);
    files_.reset();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(asked_at(kNow + 1), 0u);
    EXPECT_EQ(files_.calls(), 0u) << "a call that evicts nothing touches no file";
    MemorySource older = vm_that_ended(30, 30);
    ASSERT_TRUE(store.add(older, older.info, kNow).ok());
    EXPECT_EQ(asked_at(kNow + 2), 11u) << "one came that was not asked for";
    EXPECT_EQ(asked_at(kNow + 3), 0u);
    EXPECT_EQ(asked_at(kNow + 60 * kNsPerS), 11u);
    EXPECT_EQ(asked_at(kNow), 11u) << "the clock went back";
}

TEST_F(ArchiveStoreTest, ATenantOverItsSharePaysForItAlone) {
    std::vector<MemorySource> sources;
    ArchiveStore store(files_, options_);
    for (std::uint64_t days : {9, 8, 7, 6, 5, 4}) {
        sources.push_back(vm_that_ended(1, days));  // all of one size
        sources.back().info.vm_id = "vm-" + std::to_string(days);
        sources.back().info.uid = days == 9 || days == 4 ? 1000 : 2000;
        ASSERT_TRUE(store.add(sources.back(), sources.back().info, kNow).ok());
    }
    const std::uint64_t one = store.status().bytes / 6;
    ArchiveBounds bounds{20 * one, 15 * 86400, 12};  // 2.4 files a tenant
    store.set_bounds(bounds);
    auto needed = [&](const std::string& which) { return which == key(sources[2]); };
    std::vector<Eviction> evicted = store.maintain(kNow, needed);
    ASSERT_EQ(evicted.size(), 2u);
    EXPECT_EQ(evicted[0].key, key(sources[1]));
    EXPECT_EQ(evicted[1].key, key(sources[3])) << "the next one is needed";
    EXPECT_EQ(evicted[0].reason, EvictReason::kTenant);
    EXPECT_NE(store.find(key(sources[0])), nullptr) << "the oldest of all is another tenant's";

    bounds.tenant_percent = 7;
    store.set_bounds(bounds);
    evicted = store.maintain(kNow, [&](const std::string& which) { return which != key(sources[5]); });
    ASSERT_EQ(evicted.size(), 2u);
    EXPECT_EQ(evicted[0].key, key(sources[5]));
    EXPECT_EQ(evicted[0].reason, EvictReason::kTenant);
    EXPECT_EQ(evicted[1].key, key(sources[2]));
    EXPECT_EQ(evicted[1].reason, EvictReason::kTenantUnsent);
    EXPECT_EQ(store.status().evicted_files[static_cast<std::size_t>(EvictReason::kTenantUnsent)], 1u);
    EXPECT_TRUE(store.maintain(kNow, needed).empty());
}

TEST_F(ArchiveStoreTest, WithoutAShareOrABoundATenantMayHaveAll) {
    ArchiveStore store(files_, options_);
    MemorySource source = vm_that_ended(1, 1);
    ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    EXPECT_TRUE(store.maintain(kNow, {}).empty());
    store.set_bounds({UINT64_MAX, 15 * 86400, 1});
    EXPECT_TRUE(store.maintain(kNow, {}).empty());
}

TEST_F(ArchiveStoreTest, BytesTakeTheOldestThatNobodyNeedsAndOnlyThenTheOthers) {
    std::vector<MemorySource> sources;
    {
        ArchiveStore store(files_, options_);
        for (std::uint64_t days : {5, 4, 3, 2, 1}) {
            sources.push_back(vm_that_ended(days, days));
            ASSERT_TRUE(store.add(sources.back(), sources.back().info, kNow).ok());
        }
    }
    auto needed = [&](const std::string& one) { return one == key(sources[0]) || one == key(sources[2]); };
    auto bytes_of = [&](std::size_t i) {
        struct stat status {};
        lstat((options_.directory + "/" + key(sources[i]) + ".rsa").c_str(), &status);
        return static_cast<std::uint64_t>(status.st_size);
    };
    {
        options_.bounds.max_bytes = bytes_of(0) + bytes_of(2) + bytes_of(4);
        ArchiveStore store(files_, options_);
        std::vector<Eviction> evicted = store.maintain(kNow, needed);
        ASSERT_EQ(evicted.size(), 2u);
        EXPECT_EQ(evicted[0].key, key(sources[1]));
        EXPECT_EQ(evicted[1].key, key(sources[3]));
        EXPECT_EQ(evicted[0].reason, EvictReason::kBytes);
    }
    options_.bounds.max_bytes = bytes_of(2);
    ArchiveStore store(files_, options_);
    std::vector<Eviction> evicted = store.maintain(kNow, needed);
    ASSERT_EQ(evicted.size(), 2u);
    EXPECT_EQ(evicted[0].key, key(sources[4]));
    EXPECT_EQ(evicted[0].reason, EvictReason::kBytes);
    EXPECT_EQ(evicted[1].key, key(sources[0]));
    EXPECT_EQ(evicted[1].reason, EvictReason::kBytesUnsent);
    EXPECT_EQ(store.status().evicted_files[static_cast<std::size_t>(EvictReason::kBytesUnsent)], 1u);
    EXPECT_NE(store.find(key(sources[2])), nullptr);
}

TEST_F(ArchiveStoreTest, KeepsNewBoundsFromTheNextRoundOn) {
    MemorySource source = vm_that_ended(1, 1);
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    EXPECT_TRUE(store.maintain(kNsPerS, {}).empty());
    store.set_bounds({1, kArchiveAgeWithoutLimit});
    EXPECT_EQ(store.bounds().max_bytes, 1u);
    std::vector<Eviction> evicted = store.maintain(kNsPerS, {});
    ASSERT_EQ(evicted.size(), 1u);
    EXPECT_EQ(evicted[0].reason, EvictReason::kBytes);
}

TEST_F(ArchiveStoreTest, QuarantinedFilesGoBeforeGoodOnes) {
    MemorySource source = vm_that_ended(1, 1);
    {
        ArchiveStore store(files_, options_);
        ASSERT_TRUE(store.add(source, source.info, kNow).ok());
        options_.bounds.max_bytes = store.status().bytes + 1000;
    }
    std::ofstream(options_.directory + "/bad.rsa") << std::string(5000, 'x');
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.open().ok());
    EXPECT_EQ(store.status().quarantined_files, 2u);
    // A time at which nothing is old.
    EXPECT_TRUE(store.maintain(kNsPerS, {}).empty());
    EXPECT_LT(store.status().quarantined_bytes, 5000u);
    EXPECT_LE(store.status().bytes + store.status().quarantined_bytes, options_.bounds.max_bytes);
    EXPECT_NE(store.find(key(source)), nullptr);
}

TEST_F(ArchiveStoreTest, AVmThatEndedInTheFutureAgesFromItsArchiving) {
    ArchiveStore store(files_, options_);
    MemorySource source = vm_that_ended(1, 0);
    source.info.ended_ns = kNow + 5000 * kDay;
    MemorySource silent = vm_that_ended(2, 0);
    silent.info.ended_ns = 0;
    ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    ASSERT_TRUE(store.add(silent, silent.info, kNow).ok());
    EXPECT_TRUE(store.maintain(kNow + 14 * kDay, {}).empty());
    EXPECT_EQ(store.maintain(kNow + 16 * kDay, {}).size(), 2u);
}

TEST_F(ArchiveStoreTest, AClockBeforeTheAgeEvictsNothing) {
    ArchiveStore store(files_, options_);
    MemorySource source = vm_that_ended(1, 0);
    source.info.ended_ns = 1;
    ASSERT_TRUE(store.add(source, source.info, 2).ok());
    EXPECT_TRUE(store.maintain(3, {}).empty());
}
}  // namespace
}  // namespace ringside::agent
