// Blocks of an archive file: a stretch of the windows of one series in one tier, column by column. Pure. Decoders take
// any bytes: what does not decode exactly is kCorrupt. Internal to agent/archive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/archive/directory.h"
#include "agent/archive/layout.h"
#include "agent/base/model.h"

namespace ringside::agent {

// Whose windows a block holds.
struct BlockPlace {
    std::uint32_t series_index = 0;
    std::uint32_t tier = 0;
    std::uint64_t resolution_ns = 1;  // of the tier
};

// How many of `data`'s windows a block takes; at least one.
std::size_t block_points(const SeriesData& data);

// What a window takes that is not packed, with the columns of `data`, and with those that a request wants of a block.
std::uint64_t plain_window_bytes(const SeriesData& data);

// The block of `count` windows of `data` from `first` on; at least one, at most block_points(). Columns of `data` that
// are not empty have size() entries, buckets a multiple of that; times rise. Fills `entry` but for its offset.
std::string encode_block(const BlockPlace& place, const SeriesData& data, std::size_t first, std::size_t count,
                         BlockEntry* entry);

struct BlockHead {
    struct Column {
        BlockColumn column = BlockColumn::kEnd;
        Encoding encoding = Encoding::kPlain;
        std::string_view bytes;
    };
    std::uint32_t columns = 0;  // bit c: BlockColumn c is there
    std::uint32_t stride = 0;   // bucket values a window; 0 without buckets
    std::vector<Column> list;   // views into the block
    bool same_shape(const BlockHead& other) const { return columns == other.columns && stride == other.stride; }
};
// Checks the checksum of the whole block. The head refers to `bytes`.
Result<BlockHead> decode_block_head(const BlockPlace& place, const BlockEntry& entry, std::string_view bytes);

// What decode_block() will allocate, less the columns that are not wanted.
std::uint64_t wanted_bytes(const BlockHead& head, std::uint32_t points, std::uint32_t wanted);

// The windows of a block, of the columns `wanted` (kColumn... bits). kUnavailable when one of them has an encoding that
// is newer than this program; the others can be read without it.
Result<SeriesData> decode_block(const BlockPlace& place, const BlockEntry& entry, const BlockHead& head,
                                std::uint32_t wanted);

}  // namespace ringside::agent
