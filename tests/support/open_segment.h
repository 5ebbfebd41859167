// The one segment of a test's folder, opened as the agent does it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "agent/segment/open.h"

namespace ringside::agent::test {

// Null, and the test has failed, when there is none or it is refused.
inline std::shared_ptr<LiveSegment> open_only_segment(const std::string& folder, LayoutCache& layouts,
                                                      const OpenOptions& options) {
    Result<SegmentDirectory> directory = SegmentDirectory::open_unchecked(folder);
    Result<FolderListing> listing = directory->scan();
    for (const FolderEntry& entry : listing->entries) {
        if (entry.kind != EntryKind::kSegment) continue;
        Opened opened = open_segment(*directory, entry.file_name, layouts, options);
        EXPECT_TRUE(opened.segment) << opened.refusal.message();
        return opened.segment;
    }
    ADD_FAILURE() << "no segment in " << folder;
    return nullptr;
}

}  // namespace ringside::agent::test
