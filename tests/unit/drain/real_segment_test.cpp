// The drain on segments that the writer library wrote: what the archive answers is what the settled segment answered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ringside/ringside.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/drain/drain.h"
#include "agent/segment/open.h"
#include "tests/support/memory_source.h"
#include "tests/support/results.h"
#include "tests/support/schema_spec.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;

// One segment, as the agent's wiring does it: open, probe, settle, unlink the same file.
class OneSegment : public DrainHost {
  public:
    OneSegment(std::string path, std::shared_ptr<LiveSegment> segment)
        : path_(std::move(path)), segment_(std::move(segment)) {}

    Result<FinalisedVm> finalise(const std::string&) override {
        if (segment_->probe().life != Life::kDead) return error(Code::kUnavailable, "the writer lives");
        if (auto settled = segment_->settle(); !settled.ok()) return settled.error();
        return FinalisedVm{segment_, {segment_->file().device, segment_->file().inode}};
    }
    Result<void> hand_over(const std::string&, const std::shared_ptr<const ArchivedVm>&) override { return {}; }
    std::vector<Result<void>> keep_black_box(const std::vector<std::shared_ptr<const ArchivedVm>>& archived) override {
        return std::vector<Result<void>>(archived.size());
    }
    Result<void> unlink_segment(const std::string&, const SegmentFile& file) override {
        struct stat status {};
        if (lstat(path_.c_str(), &status) != 0 || file != SegmentFile{status.st_dev, status.st_ino}) return {};
        return remove_file(FileSystem::real(), path_);
    }
    void drain_failed(const std::string&, DrainStep step, const Error& error, bool) override {
        failure = std::string(drain_step_name(step)) + ": " + error.message();
    }
    void drained(const std::string&, const ArchivedVm&) override {}

    std::string failure;

  private:
    std::string path_;
    std::shared_ptr<LiveSegment> segment_;
};

// A settled segment with what the drain knows of its VM.
class Drained : public SeriesSource {
  public:
    Drained(std::shared_ptr<LiveSegment> segment, ExitCause cause) : segment_(std::move(segment)), cause_(cause) {}
    VmInfo vm() const override {
        VmInfo vm = segment_->vm();
        vm.state = VmState::kDrained;
        vm.exit_cause = cause_;
        return vm;
    }
    std::shared_ptr<const SchemaInfo> schema() const override { return segment_->schema(); }
    Result<std::vector<SeriesInfo>> series() const override { return segment_->series(); }
    Result<SeriesData> read(std::uint32_t series_index, const ReadRequest& request) const override {
        return segment_->read(series_index, request);
    }

  private:
    std::shared_ptr<LiveSegment> segment_;
    ExitCause cause_;
};

class DrainRealSegment : public testing::Test {
  protected:
    TemporaryFolder folder_{"/dev/shm"};
    ArchiveStore store_{FileSystem::real(), {folder_ / "archive", std::uint64_t{1} << 30, 15 * 86400}};
    std::shared_ptr<LayoutCache> layouts_ = make_layout_cache();
    std::string path_;

    // Runs `end` in a child process after it has recorded a minute and a half of everything; it decides how it ends.
    void record_in_child(void (*end)(rside_segment*)) {
        pid_t child = fork();
        if (child == 0) {
            end(record());
            _exit(9);
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 9);
        auto names = list_directory(FileSystem::real(), folder_.path());
        ASSERT_TRUE(names.ok() && names->size() == 1);
        path_ = folder_ / names->front();
    }

    // Ends the process when it cannot: most callers are children.
    rside_segment* create(SchemaSpec& spec) {
        rside_options options;
        rside_options_init(&options);
        std::string directory = folder_.path();
        options.vm_id = "vm-real";
        options.directory = directory.c_str();
        options.schema = spec.get();
        options.clock = RSIDE_CLOCK_TICK;
        rside_segment* segment = nullptr;
        rside_error problem;
        if (rside_segment_create(&options, &segment, &problem) == 0) return segment;
        std::fprintf(stderr, "%s\n", problem.text);
        _exit(9);
    }

    rside_segment* record() {
        SchemaSpec spec("drain_test");
        spec.tier(1, 30).tier(10, 12).tier(60, 5);
        spec.metric("requests_total", RSIDE_COUNTER, 3, {"path"}).metric("energy_joules_total", RSIDE_COUNTER_F64);
        spec.metric("latency_seconds", RSIDE_GAUGE).metric("memory_bytes", RSIDE_LEVEL);
        spec.histogram("io_seconds", 2, 1e-6, 10.0).metric("build_info", RSIDE_INFO, 1, {"version"});
        rside_segment* segment = create(spec);
        rside_error problem;
        std::uint64_t start_ns = realtime_ns() - 100 * kNsPerS;
        rside_tick(segment, start_ns);
        const char* root[] = {"/"};
        const char* deep[] = {"/deep/er"};
        const char* version[] = {"1.2.3"};
        rside_counter requests = rside_counter_register(segment, "requests_total", root, 1, &problem);
        rside_counter others = rside_counter_register(segment, "requests_total", deep, 1, &problem);
        rside_counter_f64 energy = rside_counter_f64_register(segment, "energy_joules_total", nullptr, 0, &problem);
        rside_gauge latency = rside_gauge_register(segment, "latency_seconds", nullptr, 0, &problem);
        rside_level memory = rside_level_register(segment, "memory_bytes", nullptr, 0, &problem);
        rside_histogram io = rside_histogram_register(segment, "io_seconds", nullptr, 0, &problem);
        rside_info_register(segment, "build_info", version, 1, &problem);
        for (std::uint64_t i = 0; i < 95 * 4; ++i) {
            rside_tick(segment, start_ns + i * kNsPerS / 4);
            rside_counter_add(requests, i);
            if (i % 60 == 0) rside_counter_add(others, 1);
            rside_counter_f64_add(energy, 0.1 * static_cast<double>(i));
            if (i % 9 < 4) rside_gauge_record(latency, static_cast<double>(i % 13) / 7);
            if (i % 50 == 7) rside_level_set(memory, static_cast<double>(i) * 4096);
            rside_histogram_record(io, 1e-5 * static_cast<double>(i + 1));
        }
        return segment;
    }

    void expect_archived_as_settled(ExitCause cause) {
        Opened opened = open_segment_path(path_, *layouts_, {});
        ASSERT_NE(opened.segment, nullptr) << opened.refusal.message();
        std::string key = vm_key(opened.segment->vm());
        OneSegment host(path_, opened.segment);
        Drain drain({}, store_, host);
        auto archived = drain.drain_now(key, {realtime_ns(), 1});
        ASSERT_TRUE(archived.ok()) << message_of(archived);
        EXPECT_NE(access(path_.c_str(), F_OK), 0);
        EXPECT_EQ(difference(Drained(opened.segment, cause), **archived), "");
        EXPECT_EQ((*archived)->series()->size(), 7u);
        auto series = opened.segment->series();
        ASSERT_TRUE(series.ok());
        for (const SeriesInfo& one : *series) {
            bool info = opened.segment->schema()->metrics[one.metric].kind == Kind::kInfo;
            EXPECT_EQ((*archived)->read(one.index, {})->size() > 0, !info) << "series " << one.index;
        }
        EXPECT_EQ(store_.status().unreadable_runs, 0u);
    }
};

TEST_F(DrainRealSegment, OfAWriterThatClosed) {
    record_in_child([](rside_segment* segment) {
        rside_segment_close(segment, 3, "guest shut down");
        _exit(0);
    });
    expect_archived_as_settled(ExitCause::kClosed);
    auto vm = store_.list().at(0);
    EXPECT_EQ(vm->info().close_code, 3);
    EXPECT_EQ(vm->info().close_text, "guest shut down");
}

TEST_F(DrainRealSegment, OfAWriterThatWasKilled) {
    record_in_child([](rside_segment*) { std::raise(SIGKILL); });
    expect_archived_as_settled(ExitCause::kKilled);
    EXPECT_GT(store_.list().at(0)->info().ended_ns, 0u);
}

// A VM that was taken for dead while it lived.
TEST_F(DrainRealSegment, ThatWentOnInTheWindowThatWasArchivedIsArchivedAnew) {
    rside_segment* writer = record();
    rside_error problem;
    const char* late[] = {"/late"};
    auto names = list_directory(FileSystem::real(), folder_.path());
    ASSERT_TRUE(names.ok());
    path_ = folder_ / names->front();
    rside_counter counter = rside_counter_register(writer, "requests_total", late, 1, &problem);
    rside_counter_add(counter, 1);
    auto archive = [&](std::uint64_t added, std::uint64_t files_written) {
        Opened opened = open_segment_path(path_, *layouts_, {});
        ASSERT_NE(opened.segment, nullptr) << opened.refusal.message();
        ASSERT_TRUE(opened.segment->settle().ok());
        Drained source(opened.segment, ExitCause::kKilled);
        auto archived = store_.add(source, source.vm(), realtime_ns());
        ASSERT_TRUE(archived.ok()) << message_of(archived);
        EXPECT_EQ(difference(source, **archived), "");
        EXPECT_EQ(store_.list().at(0)->read(2, {})->value.back(), added);
        EXPECT_EQ(store_.status().written_files, files_written);
    };
    archive(1, 1);
    archive(1, 1);
    rside_counter_add(counter, 41);
    archive(42, 2);
    archive(42, 2);
    rside_segment_close(writer, 0, "");
    archive(42, 3);
}

// Rings of 400,000 windows: more than a read may hold of either ring, and of the histogram's more
// than one answer may. What must stand in it follows from the number of the window alone.
class DrainLongRing : public DrainRealSegment {
  protected:
    static constexpr std::uint64_t kSlots = 400'000;
    static constexpr std::uint64_t kWindows = 650'000;  // recorded: the ring laps
    static constexpr std::uint64_t kOpen = kWindows - 1;
    static constexpr std::size_t kStride = 20;
    std::uint64_t start_ns_ = (realtime_ns() / kNsPerS - kWindows) * kNsPerS;

    static bool silent(std::uint64_t window) { return window > 400'000 && window < 450'000; }
    static bool sets(std::uint64_t window) { return window % 3 != 2 && !silent(window); }
    static double level(std::uint64_t window) { return static_cast<double>(window % 1000) - 300; }
    static std::uint64_t observations(std::uint64_t window) { return silent(window) ? 0 : window % 4; }
    static std::size_t bucket(std::uint64_t window) { return window % (kStride - 1); }

    rside_segment* record_long() {
        SchemaSpec spec("long_rings");
        spec.tier(1, kSlots).tier(60, 10).metric("memory_bytes", RSIDE_LEVEL);
        spec.histogram("io_seconds", 0, 2, std::exp2(kStride - 1));
        rside_segment* segment = create(spec);
        rside_error problem;
        rside_tick(segment, start_ns_);
        rside_level memory = rside_level_register(segment, "memory_bytes", nullptr, 0, &problem);
        rside_histogram io = rside_histogram_register(segment, "io_seconds", nullptr, 0, &problem);
        for (std::uint64_t w = 0; w < kWindows; ++w) {
            rside_tick(segment, start_ns_ + w * kNsPerS + kNsPerS / 4);
            if (sets(w)) rside_level_set(memory, level(w));
            for (std::uint64_t i = observations(w); i > 0; --i) rside_histogram_record(io, std::exp2(bucket(w) + 1));
        }
        auto names = list_directory(FileSystem::real(), folder_.path());
        path_ = folder_ / names->front();
        return segment;
    }

    // Reads all closed windows of a series in pieces, and calls `check` with each.
    template <typename Check>
    void each_window(const SeriesSource& source, std::uint32_t series, Check check) {
        std::uint64_t next = kWindows - kSlots;  // that of the open window's slot is gone
        while (next < kOpen) {
            std::uint64_t end = std::min(next + 90'001, kOpen);
            ReadRequest request{.begin_ns = start_ns_ + next * kNsPerS, .end_ns = start_ns_ + end * kNsPerS};
            Result<SeriesData> data = source.read(series, request);
            ASSERT_TRUE(data.ok()) << message_of(data);
            ASSERT_EQ(data->size(), end - next);
            for (std::size_t i = 0; i < data->size(); ++i, ++next) {
                ASSERT_EQ(data->end_ns[i], start_ns_ + (next + 1) * kNsPerS);
                check(*data, i, next);
                ASSERT_FALSE(HasFailure()) << "window " << next;
            }
        }
    }

    void expect_level(const SeriesSource& source) {
        each_window(source, 0, [](const SeriesData& data, std::size_t i, std::uint64_t window) {
            std::uint64_t before = window - 1;
            while (!sets(before)) before = silent(before) ? 400'000 : before - 1;
            double held = level(before);
            double last = sets(window) ? level(window) : held;
            EXPECT_EQ(data.count[i], kNsPerS);
            EXPECT_EQ(data.sum[i], held / 4 + last * 3 / 4);
            EXPECT_EQ(data.min[i], std::min(held, last));
            EXPECT_EQ(data.max[i], std::max(held, last));
            EXPECT_EQ(data.last[i], last);
        });
    }

    void expect_histogram(const SeriesSource& source) {
        std::vector<std::uint64_t> buckets(kStride);
        std::uint64_t count = 0, recorded = 0;
        double sum = 0;
        each_window(source, 1, [&](const SeriesData& data, std::size_t i, std::uint64_t window) {
            for (; recorded <= window; ++recorded) {
                std::uint64_t more = observations(recorded);
                count += more;
                buckets[bucket(recorded) + 1] += more;
                sum += static_cast<double>(more) * std::exp2(bucket(recorded) + 1);
            }
            EXPECT_EQ(data.count[i], count);
            EXPECT_EQ(data.sum[i], sum);
            EXPECT_TRUE(
                std::equal(buckets.begin(), buckets.end(), data.buckets.begin() + static_cast<long>(i * kStride)));
        });
    }
};

TEST_F(DrainLongRing, IsReadAndArchivedExactly) {
    rside_segment* writer = record_long();
    Opened opened = open_segment_path(path_, *layouts_, {});
    ASSERT_NE(opened.segment, nullptr) << opened.refusal.message();
    ASSERT_EQ(opened.segment->schema()->metrics[1].bucket_count + 1, kStride);
    expect_level(*opened.segment);
    expect_histogram(*opened.segment);
    Result<SeriesData> whole = opened.segment->read(1, {});
    EXPECT_EQ(code_of(whole), Code::kExhausted);
    EXPECT_THAT(message_of(whole), testing::HasSubstr("ask for a shorter one"));

    rside_segment_close(writer, 0, "");
    OneSegment host(path_, opened.segment);
    Drain drain({}, store_, host);
    auto archived = drain.drain_now(vm_key(opened.segment->vm()), {realtime_ns(), 1});
    ASSERT_TRUE(archived.ok()) << message_of(archived);
    EXPECT_EQ(store_.status().unreadable_runs, 0u);
    expect_level(**archived);
    expect_histogram(**archived);
}

TEST_F(DrainRealSegment, WithALiveWriterIsRefusedAndKept) {
    rside_segment* segment = record();
    auto names = list_directory(FileSystem::real(), folder_.path());
    ASSERT_TRUE(names.ok());
    path_ = folder_ / names->front();
    Opened opened = open_segment_path(path_, *layouts_, {});
    ASSERT_NE(opened.segment, nullptr);
    OneSegment host(path_, opened.segment);
    Drain drain({}, store_, host);
    EXPECT_EQ(code_of(drain.drain_now(vm_key(opened.segment->vm()), {1, 1})), Code::kUnavailable);
    EXPECT_EQ(access(path_.c_str(), F_OK), 0);
    EXPECT_EQ(host.failure, "finalise: the writer lives");
    rside_segment_close(segment, 0, "");
}

}  // namespace
}  // namespace ringside::agent
