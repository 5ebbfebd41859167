#include "agent/archive/store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/support/results.h"
#include "tests/unit/archive/store_fixture.h"

namespace ringside::agent {
namespace {

TEST_F(ArchiveStoreTest, GivesBackWhatItWasGivenAlsoAfterARestart) {
    std::vector<MemorySource> sources;
    for (std::uint64_t seed = 0; seed < 8; ++seed) sources.push_back(vm_that_ended(seed, seed));
    {
        ArchiveStore store(files_, options_);
        for (const MemorySource& source : sources) {
            auto added = store.add(source, source.info, kNow);
            ASSERT_TRUE(added.ok()) << message_of(added);
            EXPECT_EQ(difference(source, **added), "");
        }
    }
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.open().ok());
    ASSERT_EQ(store.list().size(), sources.size());
    for (const MemorySource& source : sources) {
        auto found = store.find(key(source));
        ASSERT_NE(found, nullptr);
        EXPECT_EQ(difference(source, *found), "");
    }
    EXPECT_EQ(store.status().files, 8u);
    EXPECT_EQ(store.status().oldest_end_ns, kNow - 7 * kDay);
    EXPECT_EQ(store.status().corrupt_files, 0u);
}

TEST_F(ArchiveStoreTest, ListsOldestEndFirst) {
    ArchiveStore store(files_, options_);
    for (std::uint64_t days : {3, 9, 1, 5}) {
        MemorySource source = vm_that_ended(days, days);
        ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    }
    std::vector<std::uint64_t> ends;
    for (const auto& vm : store.list()) ends.push_back((kNow - vm->info().ended_ns) / kDay);
    EXPECT_EQ(ends, (std::vector<std::uint64_t>{9, 5, 3, 1}));
}

TEST_F(ArchiveStoreTest, FindsAllEpochsAndComponentsOfAVm) {
    ArchiveStore store(files_, options_);
    std::set<std::string> keys;
    for (std::uint64_t seed : {1, 2, 3, 4}) {
        MemorySource source = vm_that_ended(seed, seed);
        source.info.vm_id = seed == 4 ? "web.1" : "web";
        if (seed != 4) keys.insert(key(source));
        ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    }
    std::set<std::string> found;
    for (const auto& vm : store.find_all("web")) found.insert(vm_key(vm->info()));
    EXPECT_EQ(found, keys);
    EXPECT_TRUE(store.find_all("we").empty());
    EXPECT_EQ(store.find("web"), nullptr);
}

TEST_F(ArchiveStoreTest, ArchivingAgainWritesNothing) {
    ArchiveStore store(files_, options_);
    MemorySource source = vm_that_ended(1, 1);
    ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    struct stat before {};
    ASSERT_EQ(lstat(store.path_of(key(source)).c_str(), &before), 0);
    auto again = store.add(source, source.info, kNow + 5);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ((*again)->archived_ns(), kNow);
    struct stat after {};
    ASSERT_EQ(lstat(store.path_of(key(source)).c_str(), &after), 0);
    EXPECT_EQ(before.st_ino, after.st_ino);
    EXPECT_EQ(store.status().written_files, 1u);
}

TEST_F(ArchiveStoreTest, AVmThatWasTakenForDeadTooEarlyReplacesWhatWasArchived) {
    ArchiveStore store(files_, options_);
    MemorySource source = vm_that_ended(1, 1);
    ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    // Another value in the window that was open then, and nothing else.
    ++source.info.recorded_hash;
    SeriesData& run = source.runs[{source.list[0].index, 0}];
    ASSERT_FALSE(run.value.empty());
    ++run.value.back();
    auto again = store.add(source, source.info, kNow + 5);
    ASSERT_TRUE(again.ok()) << message_of(again);
    EXPECT_EQ(difference(source, **again), "");
    EXPECT_EQ(store.list().size(), 1u);
    EXPECT_EQ(store.status().files, 1u);
    EXPECT_EQ(store.status().bytes, (*again)->file_bytes());
}

// A counter with one tier of 10 s, and the windows that end at these seconds.
MemorySource vm_with_windows(std::vector<std::uint64_t> ends_s, std::uint64_t first_value) {
    MemorySource source = random_vm(1, 0);
    source.info.segment_bytes = 1000;
    source.layout->tiers = {{10, 3, kColumnsAll}};
    source.layout->metrics = {{}};
    source.list = {{0, 0, {}, 1}};
    SeriesData& run = source.runs[{0, 0}];
    for (std::uint64_t end_s : ends_s) {
        run.end_ns.push_back(end_s * kNsPerS);
        run.flags.push_back(end_s % 10 == 0 ? std::uint8_t{0} : kPointPartial);
        run.value.push_back(first_value++);
    }
    return source;
}

TEST_F(ArchiveStoreTest, WhatTheRingsHaveLostSinceIsTakenOverFromTheOldFile) {
    struct Case {
        std::vector<std::uint64_t> before, after, expected;
    };
    for (const Case& one : {Case{{100, 110, 123}, {140, 150, 160}, {100, 110, 123, 140, 150, 160}},
                            Case{{100, 110, 123}, {130, 140}, {100, 110, 130, 140}},
                            Case{{100, 110, 123}, {110, 120, 130}, {100, 110, 120, 130}},
                            Case{{100, 110, 123}, {}, {100, 110, 123}}, Case{{}, {110, 115}, {110, 115}}}) {
        TemporaryFolder folder;
        ArchiveStore store(FileSystem::real(), {folder / "archive", {}});
        MemorySource before = vm_with_windows(one.before, 1);
        MemorySource after = vm_with_windows(one.after, 1000);
        ++after.info.recorded_hash;
        ASSERT_TRUE(store.add(before, before.info, kNow).ok());
        auto merged = store.add(after, after.info, kNow);
        ASSERT_TRUE(merged.ok()) << message_of(merged);
        SeriesData data = *(*merged)->read(0, {});
        ASSERT_EQ(data.size(), one.expected.size());
        for (std::size_t i = 0; i < data.size(); ++i) EXPECT_EQ(data.end_ns[i], one.expected[i] * kNsPerS);
        if (!one.after.empty()) {
            EXPECT_EQ(data.value.back(), 1000 + one.after.size() - 1);
        }
        EXPECT_EQ(store.status().unreadable_runs, 0u);
    }
}

TEST_F(ArchiveStoreTest, ASeriesThatTheOldFileDoesNotKnowIsArchived) {
    ArchiveStore store(files_, options_);
    MemorySource before = vm_with_windows({100}, 1);
    MemorySource after = vm_with_windows({110}, 7);
    before.list.clear();
    ++after.info.recorded_hash;
    ASSERT_TRUE(store.add(before, before.info, kNow).ok());
    auto archived = store.add(after, after.info, kNow);
    ASSERT_TRUE(archived.ok()) << message_of(archived);
    EXPECT_EQ(difference(after, **archived), "");
}

TEST_F(ArchiveStoreTest, WhatWasArchivedOutlivesARunThatTurnedCorrupt) {
    for (bool falls : {false, true}) {
        TemporaryFolder folder;
        ArchiveStore store(FileSystem::real(), {folder / "archive", {}});
        MemorySource before = vm_with_windows({100, 110, 123}, 1);
        MemorySource after = vm_with_windows({150, 140}, 1000);
        if (!falls) after.errors.insert({{0, 0}, error(Code::kCorrupt, "broken")});
        ++after.info.recorded_hash;
        ASSERT_TRUE(store.add(before, before.info, kNow).ok());
        auto merged = store.add(after, after.info, kNow);
        ASSERT_TRUE(merged.ok()) << message_of(merged);
        Result<SeriesData> data = (*merged)->read(0, {});
        ASSERT_TRUE(data.ok()) << message_of(data);
        EXPECT_EQ(data->end_ns, before.runs[(std::pair<std::uint32_t, std::uint32_t>(0, 0))].end_ns);
        EXPECT_EQ(store.status().unreadable_runs, 1u) << "counted all the same";
    }
}

// Whether the windows of an old file are taken over that come to just `bytes`, less at most 16, before packing.
bool takes_over(std::uint64_t bytes) {
    TemporaryFolder folder;
    ArchiveStore store(FileSystem::real(), {folder / "archive", {}});
    MemorySource before = vm_with_windows({}, 1);
    SeriesData& run = before.runs[{0, 0}];
    for (std::uint64_t w = 1; w * 17 <= bytes; ++w) {
        run.end_ns.push_back(w * 10 * kNsPerS);
        run.flags.push_back(0);
        run.value.push_back(w);
    }
    MemorySource after = vm_with_windows({kNow / kNsPerS}, 7);
    ++after.info.recorded_hash;
    EXPECT_TRUE(store.add(before, before.info, kNow).ok());
    auto archived = store.add(after, after.info, kNow);
    EXPECT_TRUE(archived.ok()) << message_of(archived);
    EXPECT_EQ(store.status().unreadable_runs, 0u);
    if (difference(after, **archived).empty()) return false;
    EXPECT_EQ((*archived)->read(0, {})->size(), run.size() + 1);
    return true;
}

TEST_F(ArchiveStoreTest, AnOldFileIsTakenOverWhileItLeavesRoomForWhatIsNew) {
    const std::uint64_t limit = archive_earlier_bytes_max(1000);
    EXPECT_EQ(limit, archive_bytes_max(1000) - 5 * 1000);
    EXPECT_TRUE(takes_over(limit));
    EXPECT_FALSE(takes_over(limit + 17));
}

TEST_F(ArchiveStoreTest, AnotherVmUnderTheSameKeyIsRefused) {
    ArchiveStore store(files_, options_);
    MemorySource source = vm_that_ended(1, 1);
    ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    MemorySource other = source;
    other.info.segment_bytes += 1;
    EXPECT_EQ(code_of(store.add(other, other.info, kNow)), Code::kExists);
    EXPECT_EQ(difference(source, *store.find(key(source))), "");
}

TEST_F(ArchiveStoreTest, ANameThatLeavesTheFolderIsRefused) {
    ArchiveStore store(files_, options_);
    for (const char* name : {"../escape", "a/b", "", ".hidden"}) {
        MemorySource source = vm_that_ended(1, 1);
        source.info.vm_id = name;
        EXPECT_EQ(code_of(store.add(source, source.info, kNow)), Code::kInvalid) << name;
    }
    MemorySource source = vm_that_ended(1, 1);
    source.info.vm_id = std::string(300, 'x');
    EXPECT_EQ(code_of(store.add(source, source.info, kNow)), Code::kInvalid);
}

TEST_F(ArchiveStoreTest, SetsACorruptFileAsideWithItsReason) {
    MemorySource good = vm_that_ended(1, 1);
    MemorySource bad = vm_that_ended(2, 1);
    {
        ArchiveStore store(files_, options_);
        ASSERT_TRUE(store.add(good, good.info, kNow).ok());
        ASSERT_TRUE(store.add(bad, bad.info, kNow).ok());
        ASSERT_EQ(truncate(store.path_of(key(bad)).c_str(), 300), 0);
    }
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.open().ok());
    EXPECT_NE(store.find(key(good)), nullptr);
    EXPECT_EQ(store.find(key(bad)), nullptr);
    EXPECT_EQ(store.status().corrupt_files, 1u);
    EXPECT_EQ(store.status().quarantined_files, 2u);
    std::string name = key(bad) + ".rsa";
    EXPECT_EQ(names("/quarantine"), (std::vector<std::string>{name, name + ".reason"}));
    auto reason = read_file(FileSystem::real(), options_.directory + "/quarantine/" + name + ".reason", 1000);
    ASSERT_TRUE(reason.ok());
    EXPECT_NE(reason->find("cut"), std::string::npos) << *reason;
    // The VM can be archived again, should its segment still be there.
    EXPECT_TRUE(store.add(bad, bad.info, kNow).ok());
}

TEST_F(ArchiveStoreTest, AFileUnderAnothersNameIsCorrupt) {
    MemorySource source = vm_that_ended(1, 1);
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    ASSERT_EQ(rename(store.path_of(key(source)).c_str(), store.path_of("vm-other").c_str()), 0);
    EXPECT_EQ(code_of(store.verified("vm-other")), Code::kNotFound);
    EXPECT_EQ(store.status().corrupt_files, 1u);
}

TEST_F(ArchiveStoreTest, FindsCorruptionAmongTheSamplesBeforeADrainTrustsTheFile) {
    MemorySource source = vm_that_ended(1, 1);
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    spoil(store.path_of(key(source)));
    EXPECT_NE(store.find(key(source)), nullptr);
    auto again = store.add(source, source.info, kNow);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(difference(source, **again), "");
    EXPECT_EQ(store.status().corrupt_files, 1u);
    EXPECT_EQ(store.status().written_files, 2u);
    EXPECT_EQ(store.status().files, 1u);
    EXPECT_EQ(store.status().bytes, (*again)->file_bytes());
}

TEST_F(ArchiveStoreTest, RemovesWhatACrashLeft) {
    ASSERT_TRUE(make_directories(FileSystem::real(), options_.directory).ok());
    std::ofstream(options_.directory + "/vm-1.rsa.tmp") << "half";
    std::ofstream(options_.directory + "/README") << "not ours";
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.open().ok());
    EXPECT_EQ(names(), std::vector<std::string>{"README"});
    EXPECT_EQ(store.status().leftovers_removed, 1u);
}

TEST_F(ArchiveStoreTest, LeavesAFileOfANewerVersionAlone) {
    MemorySource source = vm_that_ended(1, 40);
    {
        ArchiveStore store(files_, options_);
        ASSERT_TRUE(store.add(source, source.info, kNow).ok());
        std::fstream file(store.path_of(key(source)), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(kHeaderFormatAt);
        file.write("\x07\0\0\0\x80\0\0\0", 8);
    }
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.open().ok());
    EXPECT_EQ(store.status().newer_files, 1u);
    EXPECT_EQ(store.status().corrupt_files, 0u);
    EXPECT_EQ(code_of(store.add(source, source.info, kNow)), Code::kUnavailable);
    EXPECT_TRUE(store.maintain(kNow, {}).empty());
    EXPECT_EQ(names(), std::vector<std::string>{key(source) + ".rsa"});
}

TEST_F(ArchiveStoreTest, AFileThatCannotBeReadIsTriedAgain) {
    MemorySource source = vm_that_ended(1, 1);
    {
        ArchiveStore store(files_, options_);
        ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    }
    files_.fail_when([](const std::string& call, const std::string&) { return call == "pread" ? EIO : 0; });
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.open().ok());
    EXPECT_EQ(store.find(key(source)), nullptr);
    EXPECT_EQ(store.status().unreadable_files, 1u);
    EXPECT_EQ(store.status().corrupt_files, 0u);
    files_.fail_when({});
    store.maintain(kNow, {});
    EXPECT_NE(store.find(key(source)), nullptr);
    EXPECT_EQ(store.status().unreadable_files, 0u);
}

TEST_F(ArchiveStoreTest, TellsOfNoFileThatWasFoundAndEvictedByOneCall) {
    MemorySource source = vm_that_ended(1, 30);
    {
        ArchiveStore store(files_, options_);
        ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    }
    files_.fail_when([](const std::string& call, const std::string&) { return call == "pread" ? EIO : 0; });
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.open().ok());
    files_.fail_when({});
    EXPECT_EQ(store.maintain(kNow, {}).size(), 1u);
    EXPECT_TRUE(store.take_found().empty()) << "its VM would be in the catalog for ever";
}

TEST_F(ArchiveStoreTest, AFolderThatCannotBeMadeIsTriedAgain) {
    files_.fail_when([](const std::string& call, const std::string&) { return call == "mkdir" ? EROFS : 0; });
    ArchiveStore store(files_, options_);
    auto opened = store.open();
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().errno_value, EROFS);
    MemorySource source = vm_that_ended(1, 1);
    EXPECT_EQ(code_of(store.add(source, source.info, kNow)), Code::kDenied);
    files_.fail_when({});
    EXPECT_TRUE(store.add(source, source.info, kNow).ok());
}

TEST_F(ArchiveStoreTest, OnAReadOnlyDiskServesWhatIsThere) {
    MemorySource source = vm_that_ended(1, 40);
    {
        ArchiveStore store(files_, options_);
        ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    }
    std::ofstream(options_.directory + "/x.rsa.tmp") << "half";
    std::ofstream(options_.directory + "/y.rsa") << "garbage";
    files_.fail_when([](const std::string& call, const std::string& path) {
        bool change = call == "mkdir" || call == "rename" || call == "unlink" || path.ends_with(".tmp");
        return change ? EROFS : 0;
    });
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.open().ok());
    ASSERT_NE(store.find(key(source)), nullptr);
    EXPECT_EQ(difference(source, *store.find(key(source))), "");
    EXPECT_EQ(store.status().corrupt_files, 1u);
    MemorySource other = vm_that_ended(2, 1);
    EXPECT_EQ(code_of(store.add(other, other.info, kNow)), Code::kDenied);
    EXPECT_EQ(store.status().last_error_ns, kNow);
    EXPECT_TRUE(store.maintain(kNow + 1, {}).empty());
    EXPECT_EQ(store.status().evict_errors, 1u);
    EXPECT_EQ(store.status().last_error_ns, kNow + 1);
    EXPECT_NE(store.status().last_error.find(store.path_of(key(source))), std::string::npos)
        << store.status().last_error;
    EXPECT_NE(store.find(key(source)), nullptr);
    files_.fail_when({});
    EXPECT_EQ(store.maintain(kNow, {}).size(), 1u);
    EXPECT_TRUE(store.add(other, other.info, kNow).ok());
}

TEST_F(ArchiveStoreTest, AFullDiskIsAnErrorAndLeavesNothingBehind) {
    ArchiveStore store(files_, options_);
    MemorySource first = vm_that_ended(1, 1);
    ASSERT_TRUE(store.add(first, first.info, kNow).ok());
    files_.fail_when([](const std::string& call, const std::string&) { return call == "write" ? ENOSPC : 0; });
    MemorySource second = vm_that_ended(2, 1);
    auto added = store.add(second, second.info, kNow);
    EXPECT_EQ(code_of(added), Code::kExhausted);
    EXPECT_EQ(store.status().write_errors, 1u);
    EXPECT_EQ(store.status().last_error, added.error().message());
    EXPECT_EQ(store.status().last_error_ns, kNow);
    EXPECT_EQ(names(), std::vector<std::string>{key(first) + ".rsa"});
    EXPECT_EQ(store.find(key(second)), nullptr);
    files_.fail_when({});
    EXPECT_TRUE(store.add(second, second.info, kNow).ok());
}

TEST_F(ArchiveStoreTest, ADiskThatKeepsOtherBytesIsNotTrusted) {
    ArchiveStore store(files_, options_);
    MemorySource source = vm_that_ended(1, 1);
    files_.fail_when([&](const std::string& call, const std::string& path) {
        if (call == "rename" && path == store.path_of(key(source))) spoil(path + ".tmp");
        return 0;
    });
    EXPECT_EQ(code_of(store.add(source, source.info, kNow)), Code::kIo);
    EXPECT_EQ(store.find(key(source)), nullptr);
    EXPECT_EQ(store.status().written_files, 0u);
    files_.fail_when({});
    EXPECT_TRUE(store.add(source, source.info, kNow).ok());
}

TEST_F(ArchiveStoreTest, TellsOnceWhatItFoundInTheFolder) {
    MemorySource source = vm_that_ended(1, 1), added = vm_that_ended(2, 1);
    {
        ArchiveStore store(files_, options_);
        ASSERT_TRUE(store.add(source, source.info, kNow).ok());
        EXPECT_TRUE(store.take_found().empty()) << "the caller knows what it added";
    }
    ArchiveStore store(files_, options_);
    ASSERT_TRUE(store.open().ok());
    ASSERT_TRUE(store.add(added, added.info, kNow).ok());
    auto found = store.take_found();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(vm_key(found[0]->info()), key(source));
    EXPECT_TRUE(store.take_found().empty());
}

TEST_F(ArchiveStoreTest, ExportsItsCounters) {
    ArchiveStore store(files_, options_);
    Metrics metrics;
    store.export_to(metrics);
    MemorySource source = vm_that_ended(1, 20);
    ASSERT_TRUE(store.add(source, source.info, kNow).ok());
    EXPECT_NE(metrics.text().find("ringside_archive_files 1\n"), std::string::npos) << metrics.text();
    store.maintain(kNow, {});
    std::string text = metrics.text();
    EXPECT_NE(text.find("ringside_archive_evicted_files_total{reason=\"age\"} 1\n"), std::string::npos) << text;
    EXPECT_NE(text.find("ringside_archive_evicted_files_total{reason=\"bytes-unsent\"} 0\n"), std::string::npos);
    EXPECT_NE(text.find("ringside_archive_files 0\n"), std::string::npos);
}

}  // namespace
}  // namespace ringside::agent
