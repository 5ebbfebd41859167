#include "agent/archive/black_box.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/support/faulty_files.h"
#include "tests/support/memory_source.h"
#include "tests/support/results.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
constexpr std::uint64_t kDay = 86400 * kNsPerS;
constexpr std::uint64_t kEnd = 1'800'000'000 * kNsPerS;

// A counter in two tiers, a window each second up to kEnd.
MemorySource counting(const std::string& vm_id, std::uint64_t seconds) {
    MemorySource source = random_vm(1, 0);
    source.info.vm_id = vm_id;
    source.info.component = "";
    source.info.ended_ns = kEnd;
    source.info.segment_bytes = 1 << 20;
    source.info.exit_cause = ExitCause::kKilled;
    source.layout->tiers = {{1, 1000, kColumnsAll}, {10, 1000, kColumnsAll}};
    MetricInfo metric;
    metric.name = "events_total";
    metric.kind = Kind::kCounter;
    metric.max_series = 1;
    source.layout->metrics = {metric};
    source.list = {{0, 0, {}, 1}};
    for (std::uint64_t i = 1; i <= seconds; ++i) {
        for (std::uint32_t tier : {0u, 1u}) {
            SeriesData& run = source.runs[{0, tier}];
            if (tier == 1 && i % 10 != 0) continue;
            run.end_ns.push_back(kEnd - (seconds - i) * kNsPerS);
            run.flags.push_back(0);
            run.value.push_back(i);
        }
    }
    return source;
}

class BlackBoxTest : public testing::Test {
  protected:
    TemporaryFolder folder_{"/dev/shm"};
    FaultyFiles files_;
    ArchiveStore archive_{files_, {folder_ / "archive", {}}};
    BlackBoxBounds bounds_;
    std::shared_ptr<MemorySource> host_;

    std::unique_ptr<BlackBox> open() {
        auto box = std::make_unique<BlackBox>(files_, folder_ / "archive/blackbox", bounds_, [this] { return host_; });
        EXPECT_TRUE(box->open().ok());
        return box;
    }
    static Result<void> keep(BlackBox& box, const std::shared_ptr<const ArchivedVm>& vm, std::uint64_t now_ns) {
        return box.keep({vm}, now_ns).front();
    }
    std::shared_ptr<const ArchivedVm> archived(const MemorySource& source) {
        auto added = archive_.add(source, source.info, kEnd);
        EXPECT_TRUE(added.ok()) << message_of(added);
        return *added;
    }
};

TEST_F(BlackBoxTest, KeepsTheLastMinutesOfTheFinestTier) {
    auto box = open();
    auto vm = archived(counting("web", 900));
    ASSERT_TRUE(keep(*box, vm, kEnd + 5).ok());
    ASSERT_EQ(box->list().size(), 1u);
    auto kept = box->list()[0];
    EXPECT_EQ(difference(kept->vm(), vm->vm()), "");
    EXPECT_EQ(*kept->schema(), *vm->schema());
    auto data = kept->read(0, {});
    ASSERT_TRUE(data.ok());
    EXPECT_EQ(data->size(), 300u);
    EXPECT_EQ(data->end_ns.front(), kEnd - 299 * kNsPerS);
    EXPECT_EQ(data->value.back(), 900u);
    EXPECT_EQ(kept->read(0, {.tier = 1})->size(), 0u);
    EXPECT_TRUE(kept->verify().ok());
}

TEST_F(BlackBoxTest, KeepsOnlyWhatEndedBadly) {
    struct Case {
        ExitCause cause;
        std::int32_t code;
        bool badly;
    };
    for (const Case& one :
         {Case{ExitCause::kClosed, 0, false}, Case{ExitCause::kClosed, 3, true}, Case{ExitCause::kExited, 0, false},
          Case{ExitCause::kExited, 1, true}, Case{ExitCause::kKilled, 0, true}, Case{ExitCause::kOom, 0, true},
          Case{ExitCause::kUnknown, 0, true}, Case{ExitCause::kHostRebooted, 0, false}}) {
        MemorySource source = counting("web", 10);
        source.info.exit_cause = one.cause;
        source.info.close_code = one.code;
        source.info.epoch[0] = static_cast<std::uint8_t>(one.cause);
        source.info.epoch[1] = static_cast<std::uint8_t>(one.code);
        EXPECT_EQ(ended_badly(source.info), one.badly) << exit_cause_name(one.cause) << " " << one.code;
        auto box = open();
        const std::size_t before = box->list().size();
        ASSERT_TRUE(keep(*box, archived(source), kEnd).ok());
        EXPECT_EQ(box->list().size() - before, one.badly ? 1u : 0u) << exit_cause_name(one.cause);
    }
}

TEST_F(BlackBoxTest, KeepsTheHostsSignalsOfTheSameMinutesBesideIt) {
    host_ = std::make_shared<MemorySource>(counting("host-1", 2000));
    host_->info.component = "host";
    host_->info.uid = 0;
    for (auto& [key, run] : host_->runs) {
        for (std::uint64_t& end_ns : run.end_ns) end_ns += 20 * kNsPerS;  // it lives on
    }
    auto box = open();
    auto vm = archived(counting("web", 100));
    ASSERT_TRUE(keep(*box, vm, kEnd).ok());
    ASSERT_EQ(box->list().size(), 2u);
    auto signals = box->list()[1];
    EXPECT_EQ(signals->info().vm_id, "web");
    EXPECT_EQ(signals->info().component, kHostSignals);
    EXPECT_EQ(signals->info().epoch, vm->info().epoch);
    EXPECT_EQ(signals->info().uid, 0u) << "it is still the host's";
    EXPECT_NE(signals->info().close_text.find("host-1"), std::string::npos);
    auto data = signals->read(0, {});
    ASSERT_TRUE(data.ok());
    EXPECT_EQ(data->size(), 301u);
    EXPECT_EQ(data->end_ns.back(), kEnd + kNsPerS) << "the second in which it ended is over";

    MemorySource own = counting("host-1", 100);
    own.info.component = "host";
    ASSERT_TRUE(keep(*box, archived(own), kEnd).ok());
    EXPECT_EQ(box->list().size(), 3u) << "of the collector itself there is one file";
}

TEST_F(BlackBoxTest, KeptAgainWritesNothing) {
    host_ = std::make_shared<MemorySource>(counting("host-1", 100));
    auto vm = archived(counting("web", 100));
    ASSERT_TRUE(keep(*open(), vm, kEnd).ok());
    auto box = open();
    ASSERT_TRUE(keep(*box, vm, kEnd + kNsPerS).ok());
    EXPECT_EQ(box->status().written_files, 0u);
    EXPECT_EQ(box->list().size(), 2u);
}

TEST_F(BlackBoxTest, IsOffWithASpanOfZero) {
    bounds_.span_ns = 0;
    auto box = open();
    ASSERT_TRUE(keep(*box, archived(counting("web", 100)), kEnd).ok());
    EXPECT_TRUE(box->list().empty());
}

TEST_F(BlackBoxTest, AFailureAtAnyCallIsToldAndMadeUpForByTheNextTime) {
    host_ = std::make_shared<MemorySource>(counting("host-1", 100));
    auto vm = archived(counting("web", 100));
    std::uint64_t failures = 0, k = 1;
    for (;; ++k) {
        TemporaryFolder folder{"/dev/shm"};
        BlackBox box(files_, folder / "box", bounds_, [this] { return host_; });
        files_.fail_at(k, ENOSPC);
        Result<void> kept = keep(box, vm, kEnd);
        const bool hit = files_.hit();
        files_.reset();
        if (!hit) break;
        if (!kept.ok()) {
            ++failures;
            EXPECT_EQ(code_of(kept), Code::kExhausted) << k << ": " << message_of(kept);
            EXPECT_TRUE(can_be_kept(kept.error())) << k;
            EXPECT_TRUE(keep(box, vm, kEnd).ok()) << k;
        }
        EXPECT_EQ(box.list().size(), 2u) << k;
        for (const auto& file : box.list()) EXPECT_TRUE(file->verify().ok()) << k;
    }
    EXPECT_GT(failures, 10u);
}

TEST_F(BlackBoxTest, OfSeveralEachHasItsOwnResult) {
    host_ = std::make_shared<MemorySource>(counting("host-1", 100));
    MemorySource source = counting("b", 100), well = counting("well", 100);
    well.info.exit_cause = ExitCause::kExited;
    well.info.close_code = 0;
    auto first = archived(counting("a", 100)), second = archived(source), third = archived(well),
         fourth = archived(counting("d", 100));
    {
        source.info.uid += 1;  // somebody else's file, under the name of the second
        ArchiveStore others(files_, {folder_ / "archive/blackbox", {}});
        ASSERT_TRUE(others.add(source, source.info, kEnd).ok());
    }
    auto box = open();
    Metrics metrics;
    box->export_to(metrics);
    auto kept = box->keep({first, second, third, fourth}, kEnd);
    ASSERT_EQ(kept.size(), 4u);
    EXPECT_TRUE(kept[0].ok() && kept[2].ok() && kept[3].ok());
    EXPECT_EQ(code_of(kept[1]), Code::kExists);
    EXPECT_FALSE(can_be_kept(kept[1].error()));
    EXPECT_EQ(box->list().size(), 6u) << "three VMs and the host beside each, none of the one that ended well";
    const std::string text = metrics.text();
    EXPECT_NE(text.find("ringside_black_box_given_up_total 1\n"), std::string::npos) << text;
    EXPECT_NE(text.find("ringside_black_box_write_errors_total 1\n"), std::string::npos) << text;
}

TEST_F(BlackBoxTest, ATenantOverItsSharePaysForItAlone) {
    auto box = open();
    MemorySource own = counting("a", 100);
    ASSERT_TRUE(keep(*box, archived(own), kEnd).ok());
    for (std::uint8_t i = 1; i <= 4; ++i) {
        MemorySource others = counting("b", 100);
        others.info.uid = own.info.uid + 1;
        others.info.epoch[0] = i;
        others.info.ended_ns -= i;
        ASSERT_TRUE(keep(*box, archived(others), kEnd).ok());
    }
    bounds_.files.max_bytes = box->status().bytes;
    bounds_.files.tenant_percent = 50;
    box->set_bounds(bounds_);
    box->maintain(kEnd);
    Metrics metrics;
    box->export_to(metrics);
    EXPECT_EQ(box->list().size(), 3u);
    EXPECT_EQ(box->list().back()->info().vm_id, "a");
    EXPECT_NE(metrics.text().find("ringside_black_box_evicted_files_total{reason=\"tenant\"} 2\n"), std::string::npos);
}

TEST_F(BlackBoxTest, HasBoundsOfItsOwn) {
    auto box = open();
    ASSERT_TRUE(keep(*box, archived(counting("web", 100)), kEnd).ok());
    archive_.maintain(kEnd + 89 * kDay, {});
    box->maintain(kEnd + 89 * kDay);
    EXPECT_TRUE(archive_.list().empty());
    EXPECT_EQ(box->list().size(), 1u) << "it outlives the archive";
    Metrics metrics;
    box->export_to(metrics);
    box->maintain(kEnd + 91 * kDay);
    EXPECT_TRUE(box->list().empty());
    EXPECT_NE(metrics.text().find("ringside_black_box_evicted_files_total{reason=\"age\"} 1\n"), std::string::npos);
    bounds_.files.max_bytes = 1;
    box->set_bounds(bounds_);
    ASSERT_TRUE(keep(*box, archived(counting("web", 100)), kEnd).ok());
    box->maintain(kEnd);
    EXPECT_NE(metrics.text().find("ringside_black_box_evicted_files_total{reason=\"bytes\"} 1\n"), std::string::npos);
}

}  // namespace
}  // namespace ringside::agent
