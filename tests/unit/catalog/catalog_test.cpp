#include "agent/catalog/catalog.h"

#include <gtest/gtest.h>

#include "tests/support/fake_source.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMiB = 1 << 20;

class CatalogTest : public testing::Test {
  protected:
    static CatalogOptions options() {
        CatalogOptions options;
        options.budgets.vm_bytes = 4 * kMiB;
        options.budgets.host_bytes = 8 * kMiB;
        options.budgets.admission_ttl_ns = 60 * kSecond;
        return options;
    }

    Candidate candidate(VmInfo vm, std::uint64_t inode) {
        auto source = std::make_shared<FakeSource>(vm, schema);
        source->add_series(0, 0, {"vda"});
        Candidate result;
        result.file = vm_key(vm) + ".seg";
        result.stamp = {1, inode, vm.segment_bytes, 1};
        result.layout = *catalog.layouts().intern(schema, source->list);
        result.info = std::move(vm);
        result.source = std::move(source);
        return result;
    }

    // The reason's name, "" when it was taken in.
    std::string add(VmInfo vm, std::uint64_t inode = 1) {
        auto refused = catalog.add(candidate(std::move(vm), inode), now);
        if (!refused) return "";
        std::string reason = refused->reason;
        last_detail = refused->detail;
        catalog.quarantine(std::move(*refused), nullptr, now);
        return reason;
    }

    static VmInfo owned(std::string vm_id, std::uint32_t uid, std::uint64_t bytes = kMiB, std::uint8_t epoch = 1) {
        VmInfo vm = fake_vm(std::move(vm_id), epoch);
        vm.uid = uid;
        vm.segment_bytes = bytes;
        return vm;
    }

    std::vector<std::string> event_log() {
        std::vector<std::string> log;
        EventBatch batch = events.wait(next_event, SIZE_MAX, std::chrono::milliseconds(0));
        next_event = batch.next;
        for (const Event& event : batch.events) {
            log.push_back(std::string(event_kind_name(event.kind)) + " " + event.vm_id + event.file);
        }
        return log;
    }

    std::uint64_t now = 1000 * kSecond;
    std::uint64_t next_event = 1;
    std::string last_detail;
    std::shared_ptr<SchemaInfo> schema = fake_schema({fake_metric("blocks_total", {"device"})});
    EventBus events{100};
    Catalog catalog{options(), events};
};

using Log = std::vector<std::string>;

TEST_F(CatalogTest, FollowsAVmFromItsSegmentToTheArchive) {
    VmInfo vm = owned("vm-1", 1000);
    vm.state = VmState::kProvisioned;
    const std::string key = vm_key(vm);
    ASSERT_EQ(add(vm), "");
    EXPECT_EQ(catalog.find(key)->state(), VmState::kProvisioned);

    catalog.set_running(key, vm);
    EXPECT_EQ(catalog.find(key)->state(), VmState::kRunning);

    vm.exit_cause = ExitCause::kKilled;
    catalog.set_exited(key, vm, now);
    EXPECT_EQ(catalog.find(key)->state(), VmState::kExited);
    EXPECT_EQ(catalog.find(key)->vm().exit_cause, ExitCause::kKilled);
    EXPECT_EQ(catalog.usage().segment_count, 1u);

    auto archived = std::make_shared<FakeSource>(vm, schema);
    archived->add_series(0, 0, {"vda"});
    catalog.set_drained(key, archived);
    EXPECT_EQ(catalog.usage().segment_count, 1u);
    catalog.segment_removed(key, now);
    CatalogVmPtr drained = catalog.find(key);
    EXPECT_EQ(drained->state(), VmState::kDrained);
    EXPECT_EQ(drained->source(), archived);
    ASSERT_TRUE(drained->layout().ok());
    EXPECT_EQ(catalog.usage().segment_count, 0u);
    EXPECT_EQ(catalog.usage().segments, Demand{});
    EXPECT_EQ(event_log(), (Log{"appeared vm-1", "exited vm-1", "drained vm-1"}));

    catalog.remove(key);
    EXPECT_EQ(catalog.find(key), nullptr);
    EXPECT_TRUE(catalog.view()->vms.empty());
}

TEST_F(CatalogTest, NeverTakesAStepBack) {
    VmInfo vm = owned("vm-1", 1000);
    const std::string key = vm_key(vm);
    add(vm);
    catalog.set_exited(key, vm, now);
    catalog.set_running(key, vm);
    EXPECT_EQ(catalog.find(key)->state(), VmState::kExited);
    catalog.set_exited(key, vm, now);
    catalog.set_drained(key, std::make_shared<FakeSource>(vm, schema));
    catalog.set_exited(key, vm, now);
    catalog.set_drained(key, std::make_shared<FakeSource>(vm, schema));
    EXPECT_EQ(catalog.find(key)->state(), VmState::kDrained);
    EXPECT_EQ(event_log(), (Log{"appeared vm-1", "exited vm-1"}));
}

TEST_F(CatalogTest, TakesInAVmThatDiedBeforeItWasSeen) {
    VmInfo vm = owned("vm-1", 1000);
    vm.state = VmState::kExited;
    vm.exit_cause = ExitCause::kKilled;
    EXPECT_EQ(add(vm), "");
    EXPECT_EQ(event_log(), (Log{"appeared vm-1", "exited vm-1"}));
}

TEST_F(CatalogTest, RefusesASecondFileOfAnEpoch) {
    ASSERT_EQ(add(owned("vm-1", 1000), 1), "");
    EXPECT_EQ(add(owned("vm-1", 1000), 2), "epoch-seen");
    EXPECT_EQ(catalog.view()->vms.size(), 1u);
}

TEST_F(CatalogTest, KeepsAVmWhoseFileWasUnlinkedOrReplaced) {
    VmInfo vm = owned("vm-1", 1000);
    const std::string key = vm_key(vm), file = key + ".seg";
    add(vm, 1);
    EXPECT_FALSE(catalog.worth_opening(file, {1, 1, kMiB, 1}, false));
    EXPECT_TRUE(catalog.holds(file, 1));
    EXPECT_FALSE(catalog.holds(file, 2));
    EXPECT_FALSE(catalog.holds("other", 1));
    EXPECT_TRUE(catalog.worth_opening(file, {1, 2, kMiB, 1}, false));  // another inode under the name
    EXPECT_TRUE(catalog.set_unlinked(file));
    EXPECT_FALSE(catalog.set_unlinked(file));
    EXPECT_EQ(add(vm, 2), "epoch-seen");
    ASSERT_NE(catalog.find(key), nullptr);
    EXPECT_EQ(catalog.files(), std::vector<std::string>{file});  // only as a quarantined one
    catalog.set_exited(key, vm, now);
    catalog.set_drained(key, std::make_shared<FakeSource>(vm, schema));
    catalog.segment_removed(key, now);
    EXPECT_EQ(catalog.usage().segment_count, 0u);
    EXPECT_EQ(catalog.quarantined().size(), 1u);
}

TEST_F(CatalogTest, MovesAVmThatRegistersMoreToAnotherLayout) {
    VmInfo vm = owned("vm-1", 1000);
    add(vm);
    CatalogVmPtr before = catalog.find(vm_key(vm));
    std::vector<SeriesInfo> more = {{0, 0, {"vda"}, 0}, {1, 0, {"vdb"}, 0}};
    catalog.set_layout(vm_key(vm), *catalog.layouts().intern(schema, more));
    EXPECT_EQ((*catalog.find(vm_key(vm))->layout())->size(), 2u);
    EXPECT_EQ((*before->layout())->size(), 1u);
}

TEST_F(CatalogTest, SharesOneLayoutBetweenVmsOfOneSchema) {
    for (int i = 0; i < 5; ++i) add(owned("vm-" + std::to_string(i), 1000));
    EXPECT_EQ(catalog.layouts().size(), 1u);
}

TEST_F(CatalogTest, ListsVmsInOrderAndKeepsAViewAsItWas) {
    add(owned("vm-10", 1000));
    add(owned("vm-1.b", 1000));
    add(owned("vm-1", 1000, kMiB, 9));
    auto first = catalog.view();
    VmInfo later = owned("vm-1", 1000, kMiB, 2);
    later.created_ns = 5000;
    add(later);
    auto second = catalog.view();
    EXPECT_EQ(first->vms.size(), 3u);
    ASSERT_EQ(second->vms.size(), 4u);
    EXPECT_EQ(second->vms[0]->known().epoch[0], 9);  // created first
    EXPECT_EQ(second->vms[1]->known().epoch[0], 2);
    EXPECT_EQ(second->vms[2]->known().vm_id, "vm-1.b");
    EXPECT_EQ(second->vms[3]->known().vm_id, "vm-10");
    EXPECT_EQ(catalog.view(), second);
}

TEST_F(CatalogTest, RefusesAVmOverItsBudget) {
    EXPECT_EQ(add(owned("vm-1", 1000, 5 * kMiB)), "over-budget");
    EXPECT_EQ(
        last_detail,
        "over budget: at most 4194304 (4.0 MiB) bytes of one VM's segments are allowed, 0 are taken and 5242880 (5.0 "
        "MiB) were asked for; give the VM a smaller schema, or raise the agent's option vm-bytes");
    EXPECT_EQ(catalog.usage().segment_count, 0u);
    EXPECT_EQ(event_log().size(), 1u);
}

TEST_F(CatalogTest, CountsAllLivingComponentsOfAVmTogether) {
    ASSERT_EQ(add(owned("vm-1", 1000, 3 * kMiB)), "");
    VmInfo disk = owned("vm-1", 1000, 2 * kMiB);
    disk.component = "virtiofsd";
    EXPECT_EQ(add(disk), "over-budget");
    // A dotted name that begins like it is another VM.
    EXPECT_EQ(add(owned("vm-1.b", 1000, 3 * kMiB)), "");
}

TEST_F(CatalogTest, LetsAVmRestartWhileItsLastLifeWaitsForTheDrain) {
    VmInfo first = owned("vm-1", 1000, 3 * kMiB, 1);
    add(first);
    catalog.set_exited(vm_key(first), first, now);
    EXPECT_EQ(add(owned("vm-1", 1000, 3 * kMiB, 2)), "");
}

TEST_F(CatalogTest, RefusesAVmOverTheHostsBudgetUntilThereIsRoom) {
    VmInfo first = owned("vm-1", 1000, 4 * kMiB);
    add(first);
    add(owned("vm-2", 1000, 3 * kMiB));
    VmInfo third = owned("vm-3", 1000, 2 * kMiB);
    ASSERT_EQ(add(third), "over-budget");
    const std::string file = vm_key(third) + ".seg";
    const FileStamp stamp{1, 1, third.segment_bytes, 1};
    EXPECT_FALSE(catalog.worth_opening(file, stamp, false));
    catalog.set_exited(vm_key(first), first, now);
    catalog.set_drained(vm_key(first), std::make_shared<FakeSource>(first, schema));
    EXPECT_FALSE(catalog.worth_opening(file, stamp, false));
    catalog.segment_removed(vm_key(first), now);
    EXPECT_TRUE(catalog.worth_opening(file, stamp, false));
    EXPECT_EQ(add(third), "");
    EXPECT_TRUE(catalog.quarantined().empty());
}

TEST_F(CatalogTest, TakesADeadVmInOverTheHostsBudget) {
    add(owned("vm-1", 1000, 4 * kMiB));
    add(owned("vm-2", 1000, 4 * kMiB));
    VmInfo dead = owned("vm-3", 1000, 2 * kMiB);
    dead.state = VmState::kExited;
    EXPECT_EQ(add(dead), "");
}

TEST_F(CatalogTest, RefusesMoreSegmentsThanTheHostMayHave) {
    Budgets budgets = catalog.budgets();
    budgets.host_segments = 2;
    catalog.set_budgets(budgets);
    EXPECT_EQ(add(owned("vm-1", 1000)), "");
    EXPECT_EQ(add(owned("vm-2", 1000)), "");
    EXPECT_EQ(add(owned("vm-3", 1000)), "over-budget");
    EXPECT_NE(last_detail.find("host-segments"), std::string::npos) << last_detail;
}

TEST_F(CatalogTest, CountsSeriesByCapacityAndLabelsByTheirArena) {
    schema->series_capacity = 600;
    schema->label_arena_bytes = 5000;
    Budgets budgets = catalog.budgets();
    budgets.host_series = 1000;
    catalog.set_budgets(budgets);
    EXPECT_EQ(add(owned("vm-1", 1000)), "");
    EXPECT_EQ(add(owned("vm-2", 1000)), "over-budget");
    EXPECT_NE(last_detail.find("host-series"), std::string::npos) << last_detail;
    budgets.host_series = 0;  // no limit
    budgets.host_label_bytes = 9999;
    catalog.set_budgets(budgets);
    EXPECT_EQ(add(owned("vm-2", 1000)), "over-budget");
    EXPECT_NE(last_detail.find("host-label-bytes"), std::string::npos) << last_detail;
}

TEST_F(CatalogTest, RefusesAnotherUsersSegmentOfARunningVm) {
    add(owned("vm-1", 1000));
    VmInfo other = owned("vm-1", 1001, kMiB, 2);
    EXPECT_EQ(add(other), "wrong-owner");
    VmInfo trusted = owned("vm-1", 0, kMiB, 3);
    EXPECT_EQ(add(trusted), "");
}

TEST_F(CatalogTest, RefusesASegmentWhoseOwnerIsNotTheAdmittedOne) {
    Admission admission;
    ASSERT_FALSE(catalog.admit("vm-1", 1000, {kMiB, 0, 0}, false, now, &admission));
    EXPECT_EQ(admission.expires_ns, now + 60 * kSecond);
    EXPECT_EQ(add(owned("vm-1", 1001)), "wrong-owner");
    EXPECT_EQ(add(owned("vm-1", 0, kMiB, 2)), "wrong-owner");  // not even root's
    EXPECT_EQ(add(owned("vm-1", 1000, kMiB, 3)), "");
    EXPECT_TRUE(catalog.admissions().find("vm-1")->present());
}

TEST_F(CatalogTest, RefusesMoreThanWasAdmitted) {
    Admission admission;
    ASSERT_FALSE(catalog.admit("vm-1", 1000, {kMiB, 0, 0}, false, now, &admission));
    EXPECT_EQ(add(owned("vm-1", 1000, 2 * kMiB)), "over-budget");
    EXPECT_NE(last_detail.find("admit the VM again"), std::string::npos) << last_detail;
    ASSERT_FALSE(catalog.admit("vm-1", 1000, {2 * kMiB, 0, 0}, false, now, &admission));
    EXPECT_EQ(add(owned("vm-1", 1000, 2 * kMiB)), "");
}

TEST_F(CatalogTest, TakesInOnlyAdmittedVmsWhereThatIsRequired) {
    Budgets budgets = catalog.budgets();
    budgets.admission_required = true;
    catalog.set_budgets(budgets);
    EXPECT_EQ(add(owned("vm-1", 1000)), "not-admitted");
    EXPECT_EQ(add(owned("host", 0)), "");  // root's own
    Admission admission;
    ASSERT_FALSE(catalog.admit("vm-1", 1000, {kMiB, 0, 0}, false, now, &admission));
    EXPECT_EQ(add(owned("vm-1", 1000)), "");
}

TEST_F(CatalogTest, KeepsRoomForAnAdmittedVm) {
    Admission admission;
    ASSERT_FALSE(catalog.admit("vm-1", 1000, {4 * kMiB, 0, 0}, false, now, &admission));
    EXPECT_EQ(catalog.usage().reserved.segment_bytes, 4 * kMiB);
    ASSERT_EQ(add(owned("vm-2", 1000, 4 * kMiB)), "");
    EXPECT_EQ(add(owned("vm-3", 1000)), "over-budget");
    EXPECT_EQ(add(owned("vm-1", 1000, 4 * kMiB)), "");
    EXPECT_EQ(catalog.usage().reserved, Demand{});
}

TEST_F(CatalogTest, RefusesAnAdmissionThatDoesNotFit) {
    Admission admission;
    auto refusal = catalog.admit("vm-1", 1000, {5 * kMiB, 0, 0}, false, now, &admission);
    ASSERT_TRUE(refusal && refusal->over);
    EXPECT_EQ(refusal->over->kind, BudgetKind::kVmBytes);
    EXPECT_EQ(refusal->over->limit, 4 * kMiB);
    EXPECT_EQ(refusal->over->asked, 5 * kMiB);
    add(owned("vm-2", 1000, 4 * kMiB));
    add(owned("vm-3", 1000, 2 * kMiB));
    refusal = catalog.admit("vm-1", 1000, {3 * kMiB, 0, 0}, false, now, &admission);
    ASSERT_TRUE(refusal && refusal->over);
    EXPECT_EQ(refusal->over->kind, BudgetKind::kHostBytes);
    EXPECT_EQ(refusal->over->used, 6 * kMiB);
    refusal = catalog.admit("vm-1", 1000, {UINT64_MAX, 0, 0}, false, now, &admission);
    EXPECT_TRUE(refusal);
    EXPECT_TRUE(catalog.admissions().all().empty());
}

TEST_F(CatalogTest, RefusesAnAdmissionOfSomebodyElsesVm) {
    Admission admission;
    ASSERT_FALSE(catalog.admit("vm-1", 1000, {kMiB, 0, 0}, false, now, &admission));
    auto refusal = catalog.admit("vm-1", 1001, {kMiB, 0, 0}, false, now, &admission);
    ASSERT_TRUE(refusal);
    EXPECT_FALSE(refusal->over);
    EXPECT_EQ(refusal->bound_uid, 1000u);
    add(owned("vm-2", 1000));
    refusal = catalog.admit("vm-2", 1001, {kMiB, 0, 0}, false, now, &admission);
    ASSERT_TRUE(refusal);
    EXPECT_EQ(refusal->bound_uid, 1000u);
    EXPECT_FALSE(catalog.admit("vm-2", 1000, {2 * kMiB, 0, 0}, false, now, &admission));
    EXPECT_TRUE(admission.present());
}

TEST_F(CatalogTest, ReservesNothingInADryRun) {
    Admission admission;
    ASSERT_FALSE(catalog.admit("vm-1", 1000, {kMiB, 0, 0}, true, now, &admission));
    EXPECT_EQ(admission.vm_id, "vm-1");
    EXPECT_TRUE(catalog.admissions().all().empty());
}

TEST_F(CatalogTest, AskingAgainReplacesAnAdmission) {
    Admission admission;
    ASSERT_FALSE(catalog.admit("vm-1", 1000, {4 * kMiB, 0, 0}, false, now, &admission));
    ASSERT_FALSE(catalog.admit("vm-2", 1000, {4 * kMiB, 0, 0}, false, now, &admission));
    // The host is full, but its own reservation does not stand in its way.
    EXPECT_FALSE(catalog.admit("vm-1", 1000, {3 * kMiB, 0, 0}, false, now, &admission));
    EXPECT_EQ(catalog.usage().reserved.segment_bytes, 7 * kMiB);
}

TEST_F(CatalogTest, EndsAnAdmissionWhoseVmNeverCame) {
    Admission admission;
    catalog.admit("vm-1", 1000, {kMiB, 0, 0}, false, now, &admission);
    EXPECT_FALSE(catalog.end_sweep(now + 59 * kSecond));
    EXPECT_TRUE(catalog.end_sweep(now + 60 * kSecond));
    EXPECT_TRUE(catalog.admissions().all().empty());
}

TEST_F(CatalogTest, KeepsAnAdmissionForGoodWhenNoTimeIsSet) {
    Budgets budgets = options().budgets;
    for (std::uint64_t ttl_ns : {std::uint64_t{0}, UINT64_MAX}) {
        budgets.admission_ttl_ns = ttl_ns;
        catalog.set_budgets(budgets);
        Admission admission;
        ASSERT_FALSE(catalog.admit("vm-1", 1000, {kMiB, 0, 0}, false, now, &admission));
        catalog.end_sweep(now + 365 * 86400 * kSecond);
        EXPECT_TRUE(catalog.admissions().find("vm-1")) << ttl_ns;
    }
}

TEST_F(CatalogTest, KeepsAnAdmissionForAWhileAfterItsVmHasGone) {
    Admission admission;
    catalog.admit("vm-1", 1000, {kMiB, 0, 0}, false, now, &admission);
    VmInfo vm = owned("vm-1", 1000);
    add(vm);
    EXPECT_FALSE(catalog.end_sweep(now + 3600 * kSecond));
    catalog.set_exited(vm_key(vm), vm, now);
    catalog.set_drained(vm_key(vm), std::make_shared<FakeSource>(vm, schema));
    catalog.segment_removed(vm_key(vm), now);
    EXPECT_TRUE(catalog.end_sweep(now + 3600 * kSecond));
    EXPECT_EQ(catalog.admissions().find("vm-1")->expires_ns, now + 3660 * kSecond);
    EXPECT_TRUE(catalog.end_sweep(now + 3660 * kSecond));
    EXPECT_TRUE(catalog.admissions().all().empty());
}

TEST_F(CatalogTest, GivesAnAdmissionBack) {
    Admission admission;
    catalog.admit("vm-1", 1000, {kMiB, 0, 0}, false, now, &admission);
    ASSERT_EQ(add(owned("vm-1", 1001)), "wrong-owner");
    EXPECT_EQ(catalog.release("vm-1")->uid, 1000u);
    EXPECT_FALSE(catalog.release("vm-1"));
    EXPECT_EQ(add(owned("vm-1", 1001)), "");
}

TEST_F(CatalogTest, LowerBudgetsEvictNobody) {
    add(owned("vm-1", 1000, 4 * kMiB));
    Budgets budgets = catalog.budgets();
    budgets.host_bytes = kMiB;
    catalog.set_budgets(budgets);
    EXPECT_EQ(catalog.view()->vms.size(), 1u);
    EXPECT_EQ(add(owned("vm-2", 1000)), "over-budget");
}

TEST_F(CatalogTest, ListsQuarantinedFilesNewestFirst) {
    QuarantinedFile old_file;
    old_file.file = "a.seg";
    old_file.reason = "bad-magic";
    old_file.since_ns = 1;
    QuarantinedFile new_file = old_file;
    new_file.file = "b.seg";
    new_file.since_ns = 2;
    catalog.quarantine(old_file, nullptr, now);
    VmInfo vm = owned("vm-9", 1000);
    catalog.quarantine(new_file, &vm, now);
    auto list = catalog.quarantined();
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0].file, "b.seg");
    EXPECT_EQ(event_log(), (Log{"quarantined a.seg", "quarantined vm-9b.seg"}));
    EXPECT_EQ(catalog.quarantined_by_reason().at("bad-magic"), 2u);
    catalog.set_unlinked("a.seg");
    EXPECT_EQ(catalog.quarantined().size(), 1u);
}

TEST_F(CatalogTest, TakesTheNewFileOfADrainThatWasRepeated) {
    VmInfo vm = owned("vm-1", 1000);
    const std::string key = vm_key(vm);
    add(vm);
    catalog.set_exited(key, vm, now);
    catalog.set_drained(key, std::make_shared<FakeSource>(vm, schema));
    auto again = std::make_shared<FakeSource>(vm, schema);
    catalog.set_drained(key, again);
    EXPECT_EQ(catalog.find(key)->source(), again);
}

TEST_F(CatalogTest, GoesBackToTheSegmentOfAVmThatIsEvictedBeforeItWent) {
    VmInfo vm = owned("vm-1", 1000);
    const std::string key = vm_key(vm);
    add(vm);
    catalog.set_exited(key, vm, now);
    const auto segment = std::make_shared<FakeSource>(vm, schema);
    catalog.set_undrained(key, segment);
    EXPECT_NE(catalog.find(key)->source(), segment) << "it is not drained yet";
    catalog.set_drained(key, std::make_shared<FakeSource>(vm, schema));
    catalog.set_undrained(key, segment);
    EXPECT_EQ(catalog.find(key)->source(), segment);
    EXPECT_EQ(catalog.find(key)->state(), VmState::kExited);
    EXPECT_TRUE(catalog.find(key)->layout().ok());
    EXPECT_EQ(catalog.usage().segment_count, 1u);
    catalog.set_drained(key, std::make_shared<FakeSource>(vm, schema));
    catalog.segment_removed(key, now);
    EXPECT_EQ(catalog.find(key)->state(), VmState::kDrained);
    EXPECT_EQ(catalog.usage().segment_count, 0u);
}

TEST_F(CatalogTest, ReadsTheLayoutOfADrainedVmAtItsFirstUse) {
    auto archived = std::make_shared<FakeSource>(owned("vm-1", 1000), schema);
    archived->add_series(0, 0, {"vda"});
    archived->failing = true;
    catalog.add_drained(archived);
    CatalogVmPtr entry = catalog.find(vm_key(archived->info));
    EXPECT_EQ(entry->layout().error().code, Code::kUnavailable);
    archived->failing = false;
    ASSERT_TRUE(entry->layout().ok());
    EXPECT_EQ(*entry->layout(), *entry->layout());
    EXPECT_TRUE(event_log().empty());
}

}  // namespace
}  // namespace ringside::agent
