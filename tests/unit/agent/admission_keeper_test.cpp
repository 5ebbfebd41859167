#include "agent/admission_keeper.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "agent/log.h"
#include "tests/support/faulty_files.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class AdmissionKeeperTest : public testing::Test {
  protected:
    AdmissionKeeperTest() { set_log_level("off"); }

    Result<std::variant<Admission, AdmitRefusal>> admit(const std::string& vm_id, bool dry_run = false) {
        return keeper.admit(vm_id, 1000, {kMiB, 0, 0}, dry_run, 100);
    }
    // What a restarted agent would know.
    AdmissionTable on_disk() {
        EventBus other_events{10};
        Catalog other{CatalogOptions{}, other_events};
        AdmissionKeeper reader(FileSystem::real(), path, other);
        EXPECT_TRUE(reader.load().ok());
        return other.admissions();
    }

    TemporaryFolder folder;
    const std::string path = folder / "admissions";
    FaultyFiles files;
    EventBus events{10};
    Catalog catalog{CatalogOptions{}, events};
    AdmissionKeeper keeper{files, path, catalog};
};

TEST_F(AdmissionKeeperTest, KeepsAdmissionsOverARestart) {
    ASSERT_TRUE(admit("vm-1").ok());
    ASSERT_TRUE(admit("vm-2").ok());
    ASSERT_TRUE(keeper.release("vm-1").ok());
    EXPECT_EQ(on_disk(), catalog.admissions());
    EXPECT_EQ(on_disk().all().size(), 1u);
    EXPECT_EQ(keeper.release("vm-1").error().code, Code::kNotFound);
}

TEST_F(AdmissionKeeperTest, WritesNothingForADryRunOrARefusal) {
    ASSERT_TRUE(admit("vm-1", true).ok());
    auto refused = keeper.admit("vm-1", 1000, {UINT64_MAX, 0, 0}, false, 100);
    ASSERT_TRUE(refused.ok());
    EXPECT_TRUE(std::holds_alternative<AdmitRefusal>(*refused));
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(AdmissionKeeperTest, ChangesNothingWhenTheFileCannotBeWritten) {
    ASSERT_TRUE(admit("vm-1").ok());
    const AdmissionTable before = catalog.admissions();
    std::uint64_t failed = 0;
    for (std::uint64_t k = 1;; ++k) {
        files.fail_at(k, ENOSPC);
        auto admitted = admit("vm-2");
        const bool hit = files.hit();
        files.reset();
        if (!hit) {
            ASSERT_TRUE(admitted.ok());
            break;
        }
        if (admitted.ok()) {
            // A fault that does no harm, such as a failed close: then it is kept.
            EXPECT_EQ(on_disk(), catalog.admissions());
            ASSERT_TRUE(keeper.release("vm-2").ok());
            continue;
        }
        ++failed;
        EXPECT_EQ(catalog.admissions(), before);
        EXPECT_EQ(keeper.release("nobody").error().code, Code::kNotFound);
    }
    EXPECT_GE(failed, 4u);  // open, write, fsync, rename at least
    EXPECT_EQ(on_disk(), catalog.admissions());
}

TEST_F(AdmissionKeeperTest, SetsADamagedFileAside) {
    ASSERT_TRUE(admit("vm-1").ok());
    std::ofstream(path, std::ios::app) << "x";
    EXPECT_TRUE(on_disk().all().empty());
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_TRUE(std::filesystem::exists(path + ".damaged"));
}

TEST_F(AdmissionKeeperTest, FailsToLoadWhatItCanNeitherReadNorSetAside) {
    std::filesystem::create_directory(path);
    EXPECT_FALSE(keeper.load().ok());
}

TEST_F(AdmissionKeeperTest, CatchesUpWithAWriteThatFailedInASweep) {
    ASSERT_TRUE(admit("vm-1").ok());
    const std::uint64_t later = 100 + catalog.budgets().admission_ttl_ns;
    files.fail_when([](const std::string& call, const std::string&) { return call == "fsync" ? ENOSPC : 0; });
    keeper.end_sweep(later);
    EXPECT_TRUE(catalog.admissions().all().empty());
    EXPECT_EQ(on_disk().all().size(), 1u);
    files.fail_when(nullptr);
    keeper.end_sweep(later + 1);
    EXPECT_TRUE(on_disk().all().empty());
}

}  // namespace
}  // namespace ringside::agent
