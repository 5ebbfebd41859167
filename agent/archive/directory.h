// The directory of an archive file: for each series and tier, where its blocks are and what they hold. Pages of many
// series at a time, and entries of one length that say which page has which series. Pure. Internal to agent/archive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/archive/layout.h"
#include "agent/base/result.h"

namespace ringside::agent {

struct BlockEntry {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint32_t points = 0;
    std::uint64_t first_window = 0, last_window = 0;  // by window_of()
    bool operator==(const BlockEntry&) const = default;
};

struct RunEntry {
    RunState state = RunState::kStored;
    std::vector<BlockEntry> blocks;  // windows rise from one to the next
    bool operator==(const RunEntry&) const = default;
};

struct SeriesEntry {
    std::uint32_t series_index = 0;
    std::vector<RunEntry> tiers;
    bool operator==(const SeriesEntry&) const = default;
};

struct PageEntry {
    std::uint32_t first_series = 0;
    std::uint32_t bytes = 0;
    std::uint64_t offset = 0;
    std::uint32_t crc = 0;
    bool operator==(const PageEntry&) const = default;
};

// Collects entries by rising series index. Their blocks follow each other without a gap from the header on.
class DirectoryWriter {
  public:
    void add(const SeriesEntry& entry);
    struct Bytes {
        std::string pages, index;
        std::uint32_t page_count = 0;
    };
    // All pages, the first of which will stand at `offset`, and their index.
    Bytes finish(std::uint64_t offset);

  private:
    void close_page();
    std::string pages_, page_;
    std::vector<PageEntry> index_;
    std::uint64_t runs_end_ = kArchiveHeaderBytes;  // of the blocks added so far
    std::uint32_t page_series_ = 0, first_series_ = 0, last_series_ = 0;
    std::vector<std::uint64_t> windows_;  // of each tier, the last one named in the page
};

Result<PageEntry> decode_page_entry(std::string_view bytes);

// The entries of one page. Indexes rise, and blocks lie between the header and `runs_end`.
Result<std::vector<SeriesEntry>> decode_page(const PageEntry& page, std::string_view bytes, std::size_t tier_count,
                                             std::uint64_t runs_end);

}  // namespace ringside::agent
