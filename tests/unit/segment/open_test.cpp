#include "agent/segment/open.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/segment_builder.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

using test::kSecond;
using test::SegmentBuilder;
using testing::ElementsAre;
using testing::HasSubstr;

class SegmentOpen : public testing::Test {
  protected:
    SegmentOpen() {
        options.now = [this] { return now_ns; };
    }

    Opened open(const SegmentBuilder& builder) {
        builder.write(folder.path());
        Result<SegmentDirectory> directory = SegmentDirectory::open(folder.path(), ::geteuid());
        EXPECT_TRUE(directory);
        return open_segment(*directory, builder.file_name(), *layouts, options);
    }

    TemporaryFolder folder{"/dev/shm"};
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    OpenOptions options;
    std::uint64_t now_ns = 2000 * kSecond;
};

TEST_F(SegmentOpen, AcceptsASoundSegment) {
    Opened opened = open(SegmentBuilder::example());
    ASSERT_EQ(opened.verdict, OpenVerdict::kAccepted) << opened.refusal.message();
    EXPECT_EQ(opened.segment->name().vm_id, "vm-1");
    EXPECT_EQ(opened.segment->file().uid, ::geteuid());
    EXPECT_FALSE(opened.segment->condition());
}

TEST_F(SegmentOpen, HandsOutTheSchema) {
    SegmentBuilder builder = SegmentBuilder::example();
    Opened opened = open(builder);
    ASSERT_TRUE(opened.segment) << opened.refusal.message();
    std::shared_ptr<const SchemaInfo> schema = opened.segment->schema();
    EXPECT_EQ(schema->name, "test");
    EXPECT_EQ(schema->version, 3u);
    EXPECT_EQ(schema->hash, builder.peek<std::uint64_t>(536));
    EXPECT_EQ(schema->series_capacity, builder.at.capacity);
    EXPECT_THAT(schema->tiers, ElementsAre(TierInfo{1, 10, 127}, TierInfo{5, 6, 127}));
    ASSERT_EQ(schema->metrics.size(), 6u);
    EXPECT_EQ(schema->metrics[0].name, "requests_total");
    EXPECT_EQ(schema->metrics[0].help, "Requests by path.");
    EXPECT_THAT(schema->metrics[0].label_names, ElementsAre("path"));
    EXPECT_EQ(schema->metrics[2].unit, "seconds");
    EXPECT_EQ(schema->metrics[4].kind, Kind::kHistogram);
    EXPECT_EQ(schema->metrics[4].bucket_first, -1);
    EXPECT_EQ(schema->metrics[4].bucket_count, 4u);
}

TEST_F(SegmentOpen, SharesTheSchemaOfEqualBytes) {
    SegmentBuilder first = SegmentBuilder::example();
    SegmentBuilder second = SegmentBuilder::example();
    second.vm_id = "vm-2";
    second.lay_out();
    SegmentBuilder other = SegmentBuilder::example();
    other.vm_id = "vm-3";
    other.schema_version = 4;
    other.lay_out();
    Opened a = open(first), b = open(second), c = open(other);
    ASSERT_TRUE(a.segment && b.segment && c.segment);
    EXPECT_EQ(a.segment->schema(), b.segment->schema());
    EXPECT_NE(a.segment->schema(), c.segment->schema());
}

TEST_F(SegmentOpen, ForgetsASchemaWithItsLastSegment) {
    std::weak_ptr<const SchemaInfo> schema = open(SegmentBuilder::example()).segment->schema();
    EXPECT_TRUE(schema.expired());
}

TEST_F(SegmentOpen, TellsAboutTheVm) {
    SegmentBuilder builder = SegmentBuilder::example();
    builder.component = "net";
    builder.lay_out();
    builder.poke<std::uint32_t>(1048, 4711);
    builder.poke<std::uint64_t>(1280, 1);
    builder.poke<std::uint64_t>(1288, 2);
    builder.poke<std::uint64_t>(1320, 3);
    builder.poke<std::uint64_t>(1328, 4);
    builder.set_open(builder.add("requests_total", {"/"}), 1500 * kSecond);
    VmInfo vm = open(builder).segment->vm();
    EXPECT_EQ(vm.vm_id, "vm-1");
    EXPECT_EQ(vm.component, "net");
    EXPECT_EQ(vm.epoch, builder.epoch);
    EXPECT_EQ(vm.state, VmState::kRunning);
    EXPECT_EQ(vm.exit_cause, ExitCause::kNone);
    EXPECT_EQ(vm.uid, ::geteuid());
    EXPECT_EQ(vm.writer_pid, 4711u);
    EXPECT_EQ(vm.segment_bytes, builder.at.bytes);
    EXPECT_EQ(vm.created_ns, 1000 * kSecond);
    EXPECT_EQ(vm.attached_ns, 1000 * kSecond);
    EXPECT_EQ(vm.last_write_ns, 1500 * kSecond);
    EXPECT_EQ(vm.series_count, 1u);
    EXPECT_EQ(vm.clock_steps_back, 1u);
    EXPECT_EQ(vm.rebases, 2u);
    EXPECT_EQ(vm.rejected_samples, 3u);
    EXPECT_EQ(vm.refused_series, 4u);
    EXPECT_EQ(vm.closed_ns, 0u);
    EXPECT_EQ(vm.ended_ns, 0u);
}

TEST_F(SegmentOpen, DoesNotBelieveInTheFuture) {
    SegmentBuilder builder = SegmentBuilder::example();
    builder.created_ns = UINT64_MAX;
    builder.lay_out();
    builder.set_tick(UINT64_MAX);
    std::uint32_t series = builder.add("memory_bytes", {"heap"});
    builder.set_open(series, UINT64_MAX / kSecond * kSecond);
    builder.set_level(series, {1, 1, 1, 1, 1}, UINT64_MAX);
    VmInfo vm = open(builder).segment->vm();
    EXPECT_EQ(vm.created_ns, now_ns);
    EXPECT_EQ(vm.attached_ns, now_ns);
    EXPECT_LE(vm.last_write_ns, now_ns);
}

TEST_F(SegmentOpen, DoesNotBelieveInACreationBeforeAllTimes) {
    SegmentBuilder builder = SegmentBuilder::example();
    builder.created_ns = 0;
    builder.lay_out();
    std::uint32_t series = builder.add("requests_total", {"/a"});
    builder.poke<std::uint64_t>(builder.record_at(series) + 8, 0);
    std::shared_ptr<LiveSegment> segment = open(builder).segment;
    EXPECT_EQ(segment->vm().created_ns, now_ns);
    EXPECT_EQ(segment->series()->at(0).created_ns, now_ns);
}

TEST_F(SegmentOpen, MakesTheCloseTextPrintable) {
    SegmentBuilder builder = SegmentBuilder::example();
    builder.close(1999 * kSecond, -3, "bye\x1b[2J");
    VmInfo vm = open(builder).segment->vm();
    EXPECT_EQ(vm.closed_ns, 1999 * kSecond);
    EXPECT_EQ(vm.close_code, -3);
    EXPECT_EQ(vm.close_text, "bye?[2J");
}

TEST_F(SegmentOpen, ListsRegisteredSeries) {
    SegmentBuilder builder = SegmentBuilder::example();
    builder.add("latency_seconds", {"q1"}, 1200 * kSecond);
    builder.add("requests_total", {"/a"});
    builder.add("requests_total", {""});
    builder.add("build_info", {"caf\xc3\xa9"});
    Result<std::vector<SeriesInfo>> series = open(builder).segment->series();
    ASSERT_TRUE(series) << series.error().message();
    ASSERT_EQ(series->size(), 4u);
    EXPECT_EQ((*series)[0].index, 0u);
    EXPECT_EQ((*series)[0].metric, 0u);
    EXPECT_THAT((*series)[0].label_values, ElementsAre("/a"));
    EXPECT_THAT((*series)[1].label_values, ElementsAre(""));
    EXPECT_EQ((*series)[2].metric, 2u);
    EXPECT_THAT((*series)[2].label_values, ElementsAre("q1"));
    EXPECT_EQ((*series)[2].created_ns, 1200 * kSecond);
    EXPECT_THAT((*series)[3].label_values, ElementsAre("caf\xc3\xa9"));
}

TEST_F(SegmentOpen, SeesSeriesThatRegisterLater) {
    SegmentBuilder builder = SegmentBuilder::example();
    builder.add("requests_total", {"/a"});
    Opened opened = open(builder);
    ASSERT_EQ(opened.segment->series()->size(), 1u);
    builder.add("requests_total", {"/b"});
    builder.write(folder.path());
    EXPECT_EQ(opened.segment->series()->size(), 2u);
}

TEST_F(SegmentOpen, ReportsAProvisionedSegmentAsSuch) {
    SegmentBuilder builder = SegmentBuilder::example();
    builder.set_state(0);
    EXPECT_EQ(open(builder).segment->vm().state, VmState::kProvisioned);
}

TEST_F(SegmentOpen, AsksWhetherTheOwnerMaySpeakForTheVm) {
    std::string asked;
    options.owner_allowed = [&](const SegmentName& name, uid_t owner) {
        asked = name.vm_id + " " + std::to_string(owner);
        return false;
    };
    Opened opened = open(SegmentBuilder::example());
    EXPECT_EQ(opened.verdict, OpenVerdict::kRefused);
    EXPECT_EQ(opened.refusal.reason, QuarantineReason::kWrongOwner);
    EXPECT_EQ(asked, "vm-1 " + std::to_string(::geteuid()));
}

TEST_F(SegmentOpen, OpensAPathAndAnImage) {
    SegmentBuilder builder = SegmentBuilder::example();
    std::string path = builder.write(folder.path());
    EXPECT_EQ(open_segment_path(path, *layouts, options).verdict, OpenVerdict::kAccepted);
    EXPECT_EQ(open_segment_path(path + "x", *layouts, options).verdict, OpenVerdict::kRefused);
    EXPECT_EQ(open_segment_path(folder / "none/x", *layouts, options).verdict, OpenVerdict::kGone);

    std::optional<SegmentName> name = SegmentName::parse(builder.file_name());
    EXPECT_EQ(open_segment_image(builder.bytes, &*name, *layouts, options).verdict, OpenVerdict::kAccepted);
    EXPECT_EQ(open_segment_image(builder.bytes, nullptr, *layouts, options).verdict, OpenVerdict::kAccepted);
    name->vm_id = "vm-9";
    EXPECT_EQ(open_segment_image(builder.bytes, &*name, *layouts, options).refusal.reason,
              QuarantineReason::kNameMismatch);
}

TEST_F(SegmentOpen, LeavesNoDescriptorBehind) {
    SegmentBuilder builder = SegmentBuilder::example();
    int before = ::dup(0);
    ::close(before);
    open(builder);
    builder.poke<std::uint64_t>(512, 0);
    open(builder);
    int after = ::dup(0);
    ::close(after);
    EXPECT_EQ(before, after);
}

TEST_F(SegmentOpen, DescribesItselfForPeople) {
    SegmentBuilder builder = SegmentBuilder::example();
    builder.close(1999 * kSecond, 7, "done");
    std::string all;
    for (const LiveSegment::Fact& fact : open(builder).segment->facts()) all += fact.name + "=" + fact.value + "\n";
    EXPECT_THAT(all, HasSubstr("vm_id=vm-1\n"));
    EXPECT_THAT(all, HasSubstr("cells_offset=" + std::to_string(builder.at.cells) + "\n"));
    EXPECT_THAT(all, HasSubstr("tier_1=5s x 6: count sum min max last value buckets\n"));
    EXPECT_THAT(all, HasSubstr("state=closed\n"));
    EXPECT_THAT(all, HasSubstr("close_text=done\n"));
}

TEST(SegmentReasons, HaveANameAndASentenceEach) {
    std::vector<std::string> names;
    for (QuarantineReason reason : kAllReasons) {
        names.emplace_back(reason_name(reason));
        EXPECT_THAT(reason_text(reason), testing::EndsWith("."));
    }
    std::ranges::sort(names);
    EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
    EXPECT_EQ(std::ranges::find(names, "unknown"), names.end());
}

}  // namespace
}  // namespace ringside::agent
