#include "agent/archive/archived_vm.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "agent/archive/writer.h"
#include "tests/support/faulty_files.h"
#include "tests/support/memory_source.h"
#include "tests/support/results.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNow = 1'800'000'000'000'000'000;

// An archive file on a tmpfs, where a sync costs nothing.
class ArchivedVmTest : public testing::Test {
  protected:
    TemporaryFolder folder_{"/dev/shm"};
    SchemaPool pool_;
    std::string path_ = folder_ / "vm.rsa";

    std::shared_ptr<const ArchivedVm> archived(const MemorySource& source) {
        auto written = write_archive(FileSystem::real(), path_, source, source.info, kNow);
        EXPECT_TRUE(written.ok()) << message_of(written);
        auto vm = ArchivedVm::open(FileSystem::real(), path_, pool_);
        EXPECT_TRUE(vm.ok()) << message_of(vm);
        return vm.ok() ? *vm : nullptr;
    }
};

TEST_F(ArchivedVmTest, AnswersAsTheSourceDid) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        MemorySource source = random_vm(seed, static_cast<std::uint32_t>(seed % 25));
        auto vm = archived(source);
        ASSERT_NE(vm, nullptr);
        EXPECT_EQ(difference(source, *vm), "") << "seed " << seed;
        auto sound = vm->verify();
        EXPECT_TRUE(sound.ok()) << "seed " << seed << ": " << message_of(sound);
        EXPECT_EQ(vm->archived_ns(), kNow);
    }
}

TEST_F(ArchivedVmTest, FindsEachOfManySeries) {
    MemorySource source = random_vm(7, 1500, 3);
    auto vm = archived(source);
    ASSERT_NE(vm, nullptr);
    EXPECT_GT(source.list.size(), 1000u);
    EXPECT_EQ(difference(source, *vm), "");
}

TEST_F(ArchivedVmTest, OfAVmThatNeverRegisteredASeriesIsEmptyAndSound) {
    MemorySource source = random_vm(3, 0);
    auto vm = archived(source);
    ASSERT_NE(vm, nullptr);
    EXPECT_TRUE(vm->series()->empty());
    EXPECT_TRUE(vm->verify().ok());
    EXPECT_EQ(code_of(vm->read(0, {})), Code::kInvalid);
}

TEST_F(ArchivedVmTest, ASeriesThatDoesNotExistIsInvalid) {
    MemorySource source = random_vm(4, 12);
    auto vm = archived(source);
    ASSERT_NE(vm, nullptr);
    for (std::uint32_t index : {source.list.back().index + 1, UINT32_MAX}) {
        EXPECT_EQ(code_of(vm->read(index, {})), Code::kInvalid);
    }
}

TEST_F(ArchivedVmTest, ReadsOneSeriesWithoutTheRest) {
    MemorySource source = random_vm(5, 1500, 50);
    ASSERT_NE(archived(source), nullptr);
    FaultyFiles files;
    auto vm = ArchivedVm::open(files, path_, pool_);
    ASSERT_TRUE(vm.ok());
    files.reset();
    ASSERT_TRUE((*vm)->read(source.list[700].index, {}).ok());
    // open, at most 5 entries of the index's 24 by halving, a page, a block, close.
    EXPECT_LE(files.calls(), 9u);
}

TEST_F(ArchivedVmTest, ManyThreadsReadAtOnce) {
    MemorySource source = random_vm(8);
    auto vm = archived(source);
    ASSERT_NE(vm, nullptr);
    std::vector<std::string> found(4);
    std::vector<std::thread> threads;
    for (std::string& one : found) threads.emplace_back([&] { one = difference(source, *vm); });
    for (std::thread& thread : threads) thread.join();
    for (const std::string& one : found) EXPECT_EQ(one, "");
}

TEST_F(ArchivedVmTest, ThatWasEvictedIsNotFound) {
    auto vm = archived(random_vm(9));
    ASSERT_NE(vm, nullptr);
    ASSERT_EQ(unlink(path_.c_str()), 0);
    EXPECT_EQ(code_of(vm->series()), Code::kNotFound);
    EXPECT_EQ(code_of(vm->read(0, {})), Code::kNotFound);
    EXPECT_EQ(code_of(vm->verify()), Code::kNotFound);
}

// An upstream that took this for corruption would count the windows as lost.
TEST_F(ArchivedVmTest, ThatWasArchivedAgainIsWorthAnotherTry) {
    MemorySource source = random_vm(5, 12), longer = random_vm(5, 30, 50);
    auto vm = archived(source);
    ASSERT_NE(vm, nullptr);
    for (const MemorySource& other : {longer, random_vm(5, 2)}) {
        ASSERT_NE(archived(other), nullptr);
        EXPECT_EQ(code_of(vm->series()), Code::kUnavailable);
        for (const SeriesInfo& one : source.list) {
            EXPECT_EQ(code_of(vm->read(one.index, {})), Code::kUnavailable) << one.index;
        }
    }
}

TEST_F(ArchivedVmTest, SharesEqualSchemas) {
    MemorySource one = random_vm(10);
    MemorySource other = one;
    other.layout = std::make_shared<SchemaInfo>(*one.layout);
    auto first = archived(one);
    path_ = folder_ / "other.rsa";
    auto second = archived(other);
    ASSERT_TRUE(first != nullptr && second != nullptr);
    EXPECT_EQ(first->schema(), second->schema());
    other.layout->version += 1;
    EXPECT_NE(archived(other)->schema(), first->schema());
}

TEST_F(ArchivedVmTest, OfANewerFormatIsLeftAlone) {
    ASSERT_NE(archived(random_vm(11)), nullptr);
    int fd = open(path_.c_str(), O_RDWR);
    std::uint32_t newer[2] = {2, 128};
    ASSERT_EQ(pwrite(fd, newer, sizeof newer, kHeaderFormatAt), static_cast<ssize_t>(sizeof newer));
    close(fd);
    EXPECT_EQ(code_of(ArchivedVm::open(FileSystem::real(), path_, pool_)), Code::kUnavailable);
}

TEST_F(ArchivedVmTest, IsNoLinkFifoOrFolder) {
    ASSERT_NE(archived(random_vm(12)), nullptr);
    ASSERT_EQ(symlink(path_.c_str(), (folder_ / "link.rsa").c_str()), 0);
    EXPECT_FALSE(ArchivedVm::open(FileSystem::real(), folder_ / "link.rsa", pool_).ok());
    ASSERT_EQ(mkfifo((folder_ / "fifo.rsa").c_str(), 0600), 0);
    EXPECT_EQ(code_of(ArchivedVm::open(FileSystem::real(), folder_ / "fifo.rsa", pool_)), Code::kCorrupt);
    EXPECT_FALSE(ArchivedVm::open(FileSystem::real(), folder_.path(), pool_).ok());
}

TEST_F(ArchivedVmTest, AReadErrorIsNotTakenForCorruption) {
    MemorySource source = random_vm(13);
    auto good = archived(source);
    ASSERT_NE(good, nullptr);
    FaultyFiles files;
    std::uint64_t k = 1;
    for (;; ++k) {
        files.fail_at(k, EIO);
        auto vm = ArchivedVm::open(files, path_, pool_);
        Result<SeriesData> data = vm.ok() ? (*vm)->read(source.list[2].index, {}) : vm.error();
        if (!files.hit()) break;
        if (data.ok()) continue;  // a close that complained
        EXPECT_EQ(code_of(data), Code::kIo) << k;
        EXPECT_NE(data.error().context.find(path_), std::string::npos);
    }
    EXPECT_GT(k, 10u);
}

TEST_F(ArchivedVmTest, ARunThatTheSegmentCouldNotGiveStaysUnreadable) {
    MemorySource source = random_vm(14);
    std::uint32_t index = source.list[1].index;
    source.errors[{index, 1}] = error(Code::kCorrupt, "torn beyond repair");
    auto written = write_archive(FileSystem::real(), path_, source, source.info, kNow);
    ASSERT_TRUE(written.ok());
    EXPECT_EQ(written->unreadable_runs, 1u);
    auto vm = ArchivedVm::open(FileSystem::real(), path_, pool_);
    ASSERT_TRUE(vm.ok());
    EXPECT_EQ(difference(source, **vm), "");
    EXPECT_TRUE((*vm)->verify().ok());
}

// Its file is cut while it is archived: from one run on nothing can be read, and the list of series neither.
struct CutSource : MemorySource {
    std::uint32_t cut_at = 0;
    mutable bool cut = false;
    Result<std::vector<SeriesInfo>> series() const override {
        if (cut) return error(Code::kCorrupt, "the file was cut");
        return MemorySource::series();
    }
    Result<SeriesData> read(std::uint32_t series_index, const ReadRequest& request) const override {
        cut = cut || series_index == cut_at;
        if (cut) return error(Code::kCorrupt, "the file was cut");
        return MemorySource::read(series_index, request);
    }
};

TEST_F(ArchivedVmTest, ASourceThatTurnsBadAsAWholeMakesNoFile) {
    for (std::size_t at : {std::size_t{0}, std::size_t{5}, std::size_t{11}}) {
        CutSource source;
        static_cast<MemorySource&>(source) = random_vm(14);
        source.cut_at = source.list[std::min(at, source.list.size() - 1)].index;
        EXPECT_EQ(code_of(write_archive(FileSystem::real(), path_, source, source.info, kNow)), Code::kCorrupt);
        EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(path_).parent_path())) << at;
    }
}

TEST_F(ArchivedVmTest, TimesThatDoNotRiseMakeARunUnreadable) {
    MemorySource source = random_vm(15);
    SeriesData& run = source.runs[{source.list[0].index, 0}];
    run = {{20, 10}, {0, 0}, {}, {}, {}, {}, {}, {1, 2}, {}};
    auto written = write_archive(FileSystem::real(), path_, source, source.info, kNow);
    ASSERT_TRUE(written.ok());
    EXPECT_EQ(written->unreadable_runs, 1u);
    auto vm = ArchivedVm::open(FileSystem::real(), path_, pool_);
    ASSERT_TRUE(vm.ok());
    EXPECT_TRUE((*vm)->verify().ok());
    EXPECT_EQ(code_of((*vm)->read(source.list[0].index, {})), Code::kCorrupt);
}

// One histogram whose windows take 16 KiB each: 65 to a block.
MemorySource vm_with_a_long_run(std::uint32_t windows) {
    MemorySource source = random_vm(18, 0);
    source.layout->tiers = {{1, windows, kColumnsAll}};
    MetricInfo wide;
    wide.name = "wide";
    wide.kind = Kind::kHistogram;
    wide.max_series = 1;
    wide.bucket_count = 2000;
    source.layout->metrics = {wide};
    source.list = {{0, 0, {}, 1}};
    source.info.series_count = 1;
    source.info.segment_bytes = std::uint64_t{1} << 30;
    SeriesData& run = source.runs[{0, 0}];
    for (std::uint64_t w = 1; w <= windows; ++w) {
        run.end_ns.push_back(kNow + w * 1'000'000'000);
        run.flags.push_back(w == windows ? kPointPartial : 0);
        run.count.push_back(w * 7);
        run.sum.push_back(static_cast<double>(w) / 3);
        for (std::uint64_t b = 0; b <= 2000; ++b) run.buckets.push_back(w * b);
    }
    return source;
}

TEST_F(ArchivedVmTest, ASourceWithMoreThanItsSegmentCanHoldIsCut) {
    MemorySource source = vm_with_a_long_run(300);
    source.info.segment_bytes = 100'000;  // for 4.8 MB of windows
    source.list.push_back({1, 0, {}, 1});
    auto written = write_archive(FileSystem::real(), path_, source, source.info, kNow);
    ASSERT_TRUE(written.ok()) << message_of(written);
    EXPECT_EQ(written->unreadable_runs, 1u);
    EXPECT_GT(written->points, 0u) << "up to its bound it is kept";
    auto vm = ArchivedVm::open(FileSystem::real(), path_, pool_);
    ASSERT_TRUE(vm.ok());
    EXPECT_TRUE((*vm)->verify().ok());
    EXPECT_LE((*vm)->plain_bytes(), archive_bytes_max(100'000));
    EXPECT_EQ(code_of((*vm)->read(0, {})), Code::kCorrupt);
    EXPECT_EQ((*vm)->read(1, {})->size(), 0u);
}

TEST_F(ArchivedVmTest, ABusySourceMakesNoFile) {
    MemorySource source = random_vm(16);
    source.errors[{source.list[3].index, 1}] = error(Code::kUnavailable, "busy");
    auto written = write_archive(FileSystem::real(), path_, source, source.info, kNow);
    EXPECT_EQ(code_of(written), Code::kUnavailable);
    EXPECT_TRUE(list_directory(FileSystem::real(), folder_.path())->empty());
}

TEST_F(ArchivedVmTest, ALongRunIsReadBackBlockByBlock) {
    MemorySource source = vm_with_a_long_run(300);
    auto vm = archived(source);
    ASSERT_NE(vm, nullptr);
    EXPECT_EQ(difference(source, *vm), "");
    EXPECT_TRUE(vm->verify().ok());
    // Ranges that begin and end inside blocks, at their borders, and outside.
    for (std::uint64_t begin = 0; begin <= 301; begin += 23) {
        for (std::uint64_t end = begin; end <= 302; end += 31) {
            ReadRequest request{0, kNow + begin * 1'000'000'000, kNow + end * 1'000'000'000, kColumnsAll, true};
            EXPECT_EQ(difference(*vm->read(0, request), *source.read(0, request)), "") << begin << " " << end;
        }
    }
}

TEST_F(ArchivedVmTest, AShortRangeOfALongRunReadsOneBlock) {
    MemorySource source = vm_with_a_long_run(300);
    ASSERT_NE(archived(source), nullptr);
    FaultyFiles files;
    auto vm = ArchivedVm::open(files, path_, pool_);
    ASSERT_TRUE(vm.ok());
    files.reset();
    ReadRequest whole{0, 0, UINT64_MAX, kColumnBuckets, true};
    ASSERT_TRUE((*vm)->read(0, whole).ok());
    std::uint64_t whole_calls = files.calls();
    files.reset();
    ReadRequest narrow{0, kNow + 150'000'000'000, kNow + 152'000'000'000, kColumnBuckets, true};
    ASSERT_TRUE((*vm)->read(0, narrow).ok());
    EXPECT_EQ(whole_calls - files.calls(), 4u) << "one of five blocks";
}

TEST_F(ArchivedVmTest, AReadOfTooManyBytesIsRefusedAndItsPartsAreNot) {
    MemorySource source = vm_with_a_long_run(4500);  // 72 MB
    auto vm = archived(source);
    ASSERT_NE(vm, nullptr);
    EXPECT_EQ(code_of(vm->read(0, {})), Code::kExhausted);
    EXPECT_TRUE(vm->verify().ok());
    ReadRequest half{0, kNow + 2250 * std::uint64_t{1'000'000'000}, UINT64_MAX, kColumnsAll, true};
    EXPECT_EQ(difference(*vm->read(0, half), *source.read(0, half)), "");
    ReadRequest sums{0, 0, UINT64_MAX, kColumnSum, true};
    EXPECT_EQ(difference(*vm->read(0, sums), *source.read(0, sums)), "");
}

// Each block of the run is as long as the others and has a right checksum; only the order is wrong.
TEST_F(ArchivedVmTest, BlocksOutOfOrderAreCorrupt) {
    MemorySource source = vm_with_a_long_run(260);
    SeriesData& run = source.runs[{0, 0}];
    std::fill(run.buckets.begin(), run.buckets.end(), 7);
    std::fill(run.count.begin(), run.count.end(), 7);
    std::fill(run.sum.begin(), run.sum.end(), 0.5);
    run.flags.back() = 0;
    auto vm = archived(source);
    ASSERT_NE(vm, nullptr);
    std::string bytes = *read_file(FileSystem::real(), path_, 1 << 30);
    const std::size_t directory_bytes = 200;
    const std::size_t block =
        bytes.find(bytes.substr(kArchiveHeaderBytes, 12), kArchiveHeaderBytes + 1) - kArchiveHeaderBytes;
    ASSERT_LT(block, directory_bytes);
    std::string first = bytes.substr(kArchiveHeaderBytes, block);
    std::string second = bytes.substr(kArchiveHeaderBytes + block, block);
    ASSERT_NE(first, second) << "their checksums differ";
    bytes.replace(kArchiveHeaderBytes, 2 * block, second + first);
    ASSERT_TRUE(write_file_durably(FileSystem::real(), path_, bytes).ok());
    EXPECT_EQ(code_of(vm->read(0, {})), Code::kCorrupt);
    EXPECT_EQ(code_of(vm->verify()), Code::kCorrupt);
}

// Gives at most so many windows at once, as a live segment does when they take too many bytes.
struct StingySource : MemorySource {
    std::size_t windows_max = 7;
    std::uint64_t corrupt_from_ns = UINT64_MAX;
    Result<SeriesData> read(std::uint32_t series_index, const ReadRequest& request) const override {
        Result<SeriesData> data = MemorySource::read(series_index, request);
        if (data.ok() && data->size() > windows_max) return error(Code::kExhausted, "ask for a shorter range");
        if (data.ok() && data->size() > 0 && data->end_ns.back() >= corrupt_from_ns)
            return error(Code::kCorrupt, "torn");
        return data;
    }
};

TEST_F(ArchivedVmTest, ASourceThatGivesOnlyShortRangesIsArchivedWhole) {
    StingySource source;
    static_cast<MemorySource&>(source) = random_vm(19, 12, 60);
    auto vm = archived(source);
    ASSERT_NE(vm, nullptr);
    MemorySource plain = source;
    EXPECT_EQ(difference(plain, *vm), "");
}

TEST_F(ArchivedVmTest, ASourceThatBreaksInTheMiddleOfARunCostsThatRun) {
    StingySource source;
    static_cast<MemorySource&>(source) = vm_with_a_long_run(50);
    source.corrupt_from_ns = kNow + 30'000'000'000;
    auto vm = archived(source);
    ASSERT_NE(vm, nullptr);
    EXPECT_EQ(code_of(vm->read(0, {})), Code::kCorrupt);
    EXPECT_TRUE(vm->verify().ok());
    EXPECT_GT(vm->plain_bytes(), 20u * 16'000u) << "what was readable is in the file";
}

struct CrookedSource : MemorySource {
    Result<SeriesData> read(std::uint32_t, const ReadRequest&) const override {
        return SeriesData{{10, 20}, {0, 0}, {}, {}, {}, {}, {}, {1}, {}};
    }
};

TEST_F(ArchivedVmTest, ColumnsOfDifferentLengthMakeNoFile) {
    CrookedSource source;
    static_cast<MemorySource&>(source) = random_vm(17);
    auto written = write_archive(FileSystem::real(), path_, source, source.info, kNow);
    EXPECT_EQ(code_of(written), Code::kInternal);
    EXPECT_TRUE(list_directory(FileSystem::real(), folder_.path())->empty());
}

}  // namespace
}  // namespace ringside::agent
