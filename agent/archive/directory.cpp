#include "agent/archive/directory.h"

#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {

namespace {

Error corrupt(const char* what) { return error(Code::kCorrupt, what); }

}  // namespace

void DirectoryWriter::add(const SeriesEntry& entry) {
    ByteWriter writer;
    if (page_series_ == 0) {
        first_series_ = last_series_ = entry.series_index;
        windows_.assign(entry.tiers.size(), 0);
        writer.varint(runs_end_);
    }
    writer.varint(entry.series_index - last_series_);
    for (std::size_t tier = 0; tier < entry.tiers.size(); ++tier) {
        const RunEntry& run = entry.tiers[tier];
        writer.varint(run.blocks.size() << 2 | static_cast<std::uint32_t>(run.state));
        for (const BlockEntry& block : run.blocks) {
            writer.varint(block.bytes);
            writer.varint(block.points);
            writer.varint(zigzag(block.first_window - windows_[tier]));
            writer.varint(block.last_window - block.first_window);
            windows_[tier] = block.last_window;
            runs_end_ += block.bytes;
        }
    }
    last_series_ = entry.series_index;
    page_ += writer.take();
    if (++page_series_ == kPageSeries || page_.size() >= kPageBytesTarget) close_page();
}

void DirectoryWriter::close_page() {
    index_.push_back({first_series_, static_cast<std::uint32_t>(page_.size()), pages_.size(), crc32c(page_)});
    pages_ += page_;
    page_.clear();
    page_series_ = 0;
}

DirectoryWriter::Bytes DirectoryWriter::finish(std::uint64_t offset) {
    if (page_series_ > 0) close_page();
    Bytes bytes{std::move(pages_), {}, static_cast<std::uint32_t>(index_.size())};
    for (const PageEntry& page : index_) {
        ByteWriter writer;
        writer.u32(page.first_series);
        writer.u32(page.bytes);
        writer.u64(offset + page.offset);
        writer.u32(page.crc);
        writer.u32(crc32c(writer.bytes()));
        bytes.index += writer.take();
    }
    return bytes;
}

Result<PageEntry> decode_page_entry(std::string_view bytes) {
    ByteReader reader(bytes);
    PageEntry page;
    page.first_series = reader.u32();
    page.bytes = reader.u32();
    page.offset = reader.u64();
    page.crc = reader.u32();
    std::uint32_t crc = reader.u32();
    if (!reader.finished() || crc != crc32c(bytes.substr(0, kPageEntryBytes - 4))) {
        return corrupt("the checksum of an entry of the directory's index is wrong");
    }
    if (page.bytes > kPageBytesMax) return corrupt("a page of the directory is longer than any segment can make it");
    return page;
}

namespace {

// One block of a run; false when it does not follow the one before it.
bool decode_block_entry(ByteReader& reader, std::uint64_t offset, std::uint64_t window, BlockEntry* block) {
    block->offset = offset;
    block->bytes = reader.varint();
    std::uint64_t points = reader.varint();
    block->points = static_cast<std::uint32_t>(points);
    block->first_window = window + unzigzag(reader.varint());
    std::uint64_t span = reader.varint();
    block->last_window = block->first_window + span;
    return !reader.failed() && block->bytes <= kBlockBytesMax && points > 0 && points <= kBlockPointsMax &&
           block->last_window >= block->first_window;
}

}  // namespace

Result<std::vector<SeriesEntry>> decode_page(const PageEntry& page, std::string_view bytes, std::size_t tier_count,
                                             std::uint64_t runs_end) {
    if (bytes.size() != page.bytes || crc32c(bytes) != page.crc) {
        return corrupt("the checksum of a page of the directory is wrong");
    }
    ByteReader reader(bytes);
    std::vector<SeriesEntry> entries;
    std::vector<std::uint64_t> windows(tier_count, 0);
    std::uint64_t index = page.first_series;
    std::uint64_t at = reader.varint();
    while (reader.remaining() > 0) {
        SeriesEntry entry;
        std::uint64_t step = reader.varint();
        index += step;
        bool rises = entries.empty() ? step == 0 : step > 0 && step <= UINT32_MAX && index <= UINT32_MAX;
        if (!rises || entries.size() == kPageSeries) return corrupt("the series of a directory page do not rise");
        entry.series_index = static_cast<std::uint32_t>(index);
        for (std::size_t tier = 0; tier < tier_count && !reader.failed(); ++tier) {
            std::uint64_t word = reader.varint();
            RunEntry run;
            run.state = static_cast<RunState>(word & 3);
            bool absent = run.state == RunState::kAbsent;
            if ((word & 3) > 2 || (absent && word >> 2 != 0)) return corrupt("a directory entry has an unknown state");
            // Each block takes four bytes at least, so a hostile count ends with the page.
            for (std::uint64_t i = word >> 2; i > 0; --i) {
                BlockEntry block;
                if (!decode_block_entry(reader, at, windows[tier], &block)) {
                    return corrupt("a directory entry does not decode");
                }
                bool inside = at >= kArchiveHeaderBytes && at <= runs_end && block.bytes <= runs_end - at;
                if (!inside) return corrupt("a directory entry points outside the runs");
                if (!run.blocks.empty() && block.first_window < run.blocks.back().last_window) {
                    return corrupt("the blocks of a run do not rise in time");
                }
                at += block.bytes;
                windows[tier] = block.last_window;
                run.blocks.push_back(block);
            }
            entry.tiers.push_back(std::move(run));
        }
        if (reader.failed()) return corrupt("a page of the directory does not decode");
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace ringside::agent
