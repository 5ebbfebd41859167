// What a scanner does when it may not hold all segments open.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/live_writer.h"
#include "tests/unit/agent/scanner_fixture.h"

namespace ringside::agent {
namespace {

class ScannerRoom : public ScannerTest {
  protected:
    ScannerRoom() {
        ScanLimits limits;
        limits.living_max = 2;
        limits.dead_max = 2;
        scanner.set_limits(limits);
    }
    double waiting(const char* state) {
        return metrics
            .gauge("ringside_scan_files_waiting", "Files left alone until there is room for one more open segment.",
                   {{"state", state}})
            .value();
    }
    void make_dead(const std::string& vm_id) { ChildWriter writer(folder.path(), vm_id, 1); }
    // Lets go of them, as their drain does.
    void drain_dead() {
        for (const std::string& key : std::exchange(dead, {})) {
            const std::string file = scanner.find(key)->file;
            catalog.remove(key);
            std::filesystem::remove(folder / file);
            scanner.forget(key);
        }
    }
};

TEST_F(ScannerRoom, HoldsProcessesWithWhatSegmentsLeave) {
    Segment first = make_segment(folder.path(), "vm-1"), second = make_segment(folder.path(), "vm-2");
    sweep();
    EXPECT_EQ(processes_held(), 2u);
    make_dead("vm-3");
    sweep();
    EXPECT_EQ(processes_held(), 1u);
    make_dead("vm-4");
    sweep();
    EXPECT_EQ(processes_held(), 0u);
    EXPECT_EQ(dead.size(), 2u);
}

TEST_F(ScannerRoom, TakesDeadOnesInAsOthersAreDrained) {
    for (int i = 0; i < 5; ++i) make_dead("vm-" + std::to_string(i));
    Segment living = make_segment(folder.path(), "vm-9");
    sweep();
    EXPECT_EQ(catalog.view()->vms.size(), 3u);
    EXPECT_EQ(dead.size(), 2u);
    EXPECT_EQ(waiting("dead"), 3);
    sweep();
    EXPECT_EQ(dead.size(), 2u) << "without room";

    drain_dead();
    ASSERT_TRUE(scanner.discover(realtime_ns()).ok());
    EXPECT_EQ(dead.size(), 2u);
    EXPECT_EQ(waiting("dead"), 1);
    drain_dead();
    ASSERT_TRUE(scanner.discover(realtime_ns()).ok());
    EXPECT_EQ(dead.size(), 1u);
    EXPECT_EQ(waiting("dead"), 0);
    EXPECT_EQ(waiting("living"), 0);
}

TEST_F(ScannerRoom, LetsNoNewcomerOvertakeADeadOneThatWaits) {
    for (const char* vm_id : {"vm-5", "vm-6", "vm-8"}) make_dead(vm_id);
    sweep();
    drain_dead();
    for (const char* vm_id : {"vm-1", "vm-2", "vm-3"}) make_dead(vm_id);
    sweep();
    ASSERT_EQ(dead.size(), 2u);
    EXPECT_EQ(dead[0].substr(0, 4), "vm-8");
}

TEST_F(ScannerRoom, OpensADeadOneThatWaitsOnce) {
    for (int i = 0; i < 5; ++i) make_dead("vm-" + std::to_string(i));
    sweep();
    sweep();
    ASSERT_TRUE(scanner.discover(realtime_ns()).ok());
    EXPECT_EQ(
        metrics.counter("ringside_scan_files_opened_total", "Files opened to see whether they are segments.").value(),
        5u);
}

TEST_F(ScannerRoom, TakesALivingOneInWhenOneIsGone) {
    std::vector<Segment> segments;
    for (int i = 0; i < 3; ++i) segments.push_back(make_segment(folder.path(), "vm-" + std::to_string(i)));
    sweep();
    EXPECT_EQ(catalog.view()->vms.size(), 2u);
    EXPECT_EQ(waiting("living"), 1);
    segments[0].close();
    sweep();
    sweep();
    EXPECT_EQ(catalog.view()->vms.size(), 3u);
    EXPECT_EQ(waiting("living"), 0);
}

TEST_F(ScannerRoom, HearsOfTheDeathOfOneThatWaits) {
    std::vector<Segment> segments;
    for (int i = 0; i < 3; ++i) segments.push_back(make_segment(folder.path(), "vm-" + std::to_string(i)));
    sweep();
    segments[2].close();
    sweep();
    ASSERT_EQ(dead.size(), 1u);
    EXPECT_EQ(dead[0].substr(0, 4), "vm-2");
    EXPECT_EQ(waiting("living"), 0);
}

TEST_F(ScannerRoom, CountsThoseThatDieWhileTheyAreOpen) {
    std::vector<Segment> segments;
    for (int i = 0; i < 2; ++i) segments.push_back(make_segment(folder.path(), "vm-" + std::to_string(i)));
    sweep();
    for (Segment& segment : segments) segment.close();
    sweep();
    make_dead("vm-7");
    for (int i = 0; i < 3; ++i) segments.push_back(make_segment(folder.path(), "vm-8" + std::to_string(i)));
    sweep();
    EXPECT_EQ(catalog.view()->vms.size(), 4u);
    EXPECT_EQ(waiting("dead"), 1);
    EXPECT_EQ(waiting("living"), 1);
}

TEST_F(ScannerRoom, ForgetsAWaitingFileThatIsRemoved) {
    for (int i = 0; i < 4; ++i) make_dead("vm-" + std::to_string(i));
    sweep();
    ASSERT_EQ(waiting("dead"), 2);
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
        if (file.path().filename().string().starts_with("vm-3")) std::filesystem::remove(file.path());
    }
    sweep();
    EXPECT_EQ(waiting("dead"), 1);
}

TEST_F(ScannerRoom, KeepsTheAdmissionOfOneThatWaits) {
    Budgets budgets;
    budgets.admission_ttl_ns = 10;
    catalog.set_budgets(budgets);
    std::vector<Segment> segments;
    for (int i = 0; i < 3; ++i) segments.push_back(make_segment(folder.path(), "vm-" + std::to_string(i)));
    Admission admission;
    ASSERT_FALSE(catalog.admit("vm-2", ::geteuid(), {1, 1, 1}, false, 1, &admission));
    ASSERT_FALSE(catalog.admit("vm-9", ::geteuid(), {1, 1, 1}, false, 1, &admission));
    sweep();
    ASSERT_EQ(waiting("living"), 1);
    EXPECT_EQ(catalog.usage().waiting_count, 1u);
    catalog.end_sweep(1000);
    EXPECT_NE(catalog.admissions().find("vm-2"), nullptr) << "its segment is there and waits for its turn";
    EXPECT_EQ(catalog.usage().reserved_count, 1u) << "the room it was promised stays its own";
    EXPECT_EQ(catalog.admissions().find("vm-9"), nullptr);
    std::filesystem::remove(segments[2].path());
    sweep();
    EXPECT_EQ(catalog.usage().waiting_count, 0u);
    catalog.end_sweep(1000);
    EXPECT_EQ(catalog.admissions().find("vm-2"), nullptr);
}

}  // namespace
}  // namespace ringside::agent
