// A scanner over a folder of its own, and the catalog that it fills.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/folder.h"
#include "agent/log.h"
#include "agent/scanner.h"
#include "tests/support/temporary_folder.h"

namespace ringside::agent {

class ScannerTest : public testing::Test {
  protected:
    ScannerTest() { set_log_level("off"); }

    void sweep() {
        auto swept = scanner.sweep(realtime_ns());
        ASSERT_TRUE(swept.ok()) << swept.error().message();
    }
    // The only VM there is.
    CatalogVmPtr vm() {
        auto view = catalog.view();
        EXPECT_EQ(view->vms.size(), 1u);
        return view->vms.empty() ? nullptr : view->vms[0];
    }
    std::map<std::string, std::uint64_t> refused() { return catalog.quarantined_by_reason(); }
    void plant(const std::string& name, const std::string& content) {
        std::ofstream(folder / (name + ".00112233445566778899aabbccddeeff.seg")) << content;
    }

    static std::size_t processes_held() {
        std::size_t held = 0;
        for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
            std::error_code gone;  // the listing's own
            held += std::filesystem::read_symlink(entry, gone) == "anon_inode:[pidfd]" ? 1 : 0;
        }
        return held;
    }

    TemporaryFolder folder{"/dev/shm"};
    EventBus events{100};
    Catalog catalog{CatalogOptions{}, events};
    Metrics metrics;
    std::vector<std::string> dead;
    Scanner scanner{*prepare_segment_folder(folder.path()), catalog, ScanLimits{}, metrics,
                    [this](const std::string& key) { dead.push_back(key); }};
};

}  // namespace ringside::agent
