// Archive bytes from the data model and back. Pure: no file is touched. Decoders take any bytes: what does not decode
// exactly is kCorrupt, and nothing is allocated beyond a small multiple of the bytes that are there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/archive/layout.h"
#include "agent/base/model.h"

namespace ringside::agent {

struct ArchiveFooter {
    struct Section {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
        std::uint32_t crc = 0;
        bool operator==(const Section&) const = default;
    };
    std::uint64_t file_bytes = 0;
    Section vm, schema, series;
    std::uint64_t directory_offset = 0;  // its entries carry their own checksums
    std::uint32_t series_count = 0;
    std::uint32_t tier_count = 0;
    bool operator==(const ArchiveFooter&) const = default;
};

std::string encode_header(const Epoch& epoch);
// kCorrupt; kUnavailable when a newer version wrote the file: leave it alone.
Result<Epoch> decode_header(std::string_view bytes);

std::string encode_footer(const ArchiveFooter& footer);
// Checks everything that can be checked without the file: sections lie between header and footer, in order, and the
// directory has the length that its counts say.
Result<ArchiveFooter> decode_footer(std::string_view bytes, std::uint64_t file_bytes);

// VmInfo::state is not kept: an archived VM is drained.
std::string encode_vm(const VmInfo& vm, std::uint64_t archived_ns);
struct DecodedVm {
    VmInfo vm;
    std::uint64_t archived_ns = 0;
};
Result<DecodedVm> decode_vm(std::string_view bytes);

std::string encode_schema(const SchemaInfo& schema);
Result<SchemaInfo> decode_schema(std::string_view bytes);

std::string encode_series(const std::vector<SeriesInfo>& series);
// Indexes rise, metrics exist in the schema, label values are as many as the metric has names.
Result<std::vector<SeriesInfo>> decode_series(std::string_view bytes, const SchemaInfo& schema);

struct DirectoryEntry {
    struct Tier {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
        std::uint32_t points = 0;
        RunState state = RunState::kStored;
        bool operator==(const Tier&) const = default;
    };
    std::uint32_t series_index = 0;
    std::uint32_t metric = 0;
    std::vector<Tier> tiers;
    bool operator==(const DirectoryEntry&) const = default;
};
std::string encode_entry(const DirectoryEntry& entry);
// `runs_end`: the offset at which the last run may end.
Result<DirectoryEntry> decode_entry(std::string_view bytes, std::size_t tier_count, std::uint64_t runs_end);

// How many of `data`'s windows a chunk takes.
std::size_t chunk_points(const SeriesData& data);
// The chunk of `count` windows of `data` from `first` on; at least one. Columns of `data` that are not empty have
// size() entries, buckets a multiple of that.
std::string encode_chunk(std::uint32_t series_index, std::uint32_t tier, const SeriesData& data, std::size_t first,
                         std::size_t count);

struct ChunkHead {
    struct Column {
        ChunkColumn column = ChunkColumn::kEnd;
        Encoding encoding = Encoding::kPlain;
        std::uint32_t crc = 0;
        std::uint64_t offset = 0;  // within the chunk
        std::uint64_t bytes = 0;
    };
    std::uint32_t series_index = 0;
    std::uint32_t tier = 0;
    std::uint32_t points = 0;
    std::uint32_t stride = 0;
    std::uint64_t first_end_ns = 0, last_end_ns = 0;
    std::uint64_t bytes = 0;  // of the whole chunk
    std::vector<Column> columns;
};
// `bytes`: the first kChunkHeadBytesMax bytes, or the run's rest where that is less. `rest`: how long the chunk may be.
Result<ChunkHead> decode_chunk_head(std::string_view bytes, std::uint64_t rest);
// Puts one column of a chunk into `data`, which holds that chunk alone. A wrong checksum or length is kCorrupt, an
// unknown encoding kUnavailable.
Result<void> decode_column(const ChunkHead& head, const ChunkHead::Column& column, std::string_view bytes,
                           SeriesData* data);

}  // namespace ringside::agent
