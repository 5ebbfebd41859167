// Chunks: a stretch of the windows of one series in one tier, column by column.
#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <utility>

#include "agent/archive/codec.h"
#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {

namespace {

Error corrupt(std::string what) { return error(Code::kCorrupt, std::move(what)); }

std::size_t value_bytes(ChunkColumn column) { return column == ChunkColumn::kFlags ? 1 : 8; }

std::size_t stride_of(const SeriesData& data) { return data.size() == 0 ? 0 : data.buckets.size() / data.size(); }

using PackedColumn = std::pair<ChunkColumn, std::string>;

// The columns of some windows; each call of `slice` gives the part of a column that belongs to them.
template <typename Slice>
std::vector<PackedColumn> plain_columns(const SeriesData& data, Slice slice) {
    // A column more in SeriesData does not compile here: give it a number in ChunkColumn, and a row in docs/archive.md.
    const auto& [end_ns, flags, count, sum, min, max, last, value, buckets] = data;
    std::vector<PackedColumn> columns;
    auto u64s = [&](ChunkColumn column, const std::vector<std::uint64_t>& values, std::size_t stride = 1) {
        if (values.empty()) return;
        ByteWriter writer;
        writer.u64s(slice(std::span(values), stride));
        columns.emplace_back(column, writer.take());
    };
    auto f64s = [&](ChunkColumn column, const std::vector<double>& values) {
        if (values.empty()) return;
        ByteWriter writer;
        writer.f64s(slice(std::span(values), std::size_t{1}));
        columns.emplace_back(column, writer.take());
    };
    u64s(ChunkColumn::kEnd, end_ns);
    auto some_flags = slice(std::span(flags), std::size_t{1});
    columns.emplace_back(ChunkColumn::kFlags, std::string(some_flags.begin(), some_flags.end()));
    u64s(ChunkColumn::kCount, count);
    f64s(ChunkColumn::kSum, sum);
    f64s(ChunkColumn::kMin, min);
    f64s(ChunkColumn::kMax, max);
    f64s(ChunkColumn::kLast, last);
    u64s(ChunkColumn::kValue, value);
    u64s(ChunkColumn::kBuckets, buckets, stride_of(data));
    return columns;
}

}  // namespace

std::size_t chunk_points(const SeriesData& data) {
    std::size_t bytes = value_bytes(ChunkColumn::kEnd) + value_bytes(ChunkColumn::kFlags) + 8 * stride_of(data);
    for (bool there : {!data.count.empty(), !data.sum.empty(), !data.min.empty(), !data.max.empty(), !data.last.empty(),
                       !data.value.empty()}) {
        bytes += there ? 8 : 0;
    }
    return std::max<std::size_t>(1, kChunkBytesTarget / bytes);
}

std::string encode_chunk(std::uint32_t series_index, std::uint32_t tier, const SeriesData& data, std::size_t first,
                         std::size_t count) {
    auto columns = plain_columns(data, [first, count](auto values, std::size_t stride) {
        return values.subspan(first * stride, count * stride);
    });
    ByteWriter writer;
    writer.u32(kChunkMagic);
    writer.u32(series_index);
    writer.u32(tier);
    writer.u32(static_cast<std::uint32_t>(count));
    writer.u32(static_cast<std::uint32_t>(stride_of(data)));
    writer.u32(static_cast<std::uint32_t>(columns.size()));
    writer.u64(data.end_ns[first]);
    writer.u64(data.end_ns[first + count - 1]);
    for (const auto& [column, bytes] : columns) {
        writer.u8(static_cast<std::uint8_t>(column));
        writer.u8(static_cast<std::uint8_t>(Encoding::kPlain));
        writer.u16(0);
        writer.u32(crc32c(bytes));
        writer.u64(bytes.size());
    }
    writer.u32(crc32c(writer.bytes()));
    writer.u32(0);
    for (const auto& [column, bytes] : columns) writer.raw(bytes);
    return writer.take();
}

Result<ChunkHead> decode_chunk_head(std::string_view bytes, std::uint64_t rest) {
    ByteReader reader(bytes);
    ChunkHead head;
    if (reader.u32() != kChunkMagic) return corrupt("a chunk does not begin where it should");
    head.series_index = reader.u32();
    head.tier = reader.u32();
    head.points = reader.u32();
    head.stride = reader.u32();
    std::uint32_t count = reader.u32();
    head.first_end_ns = reader.u64();
    head.last_end_ns = reader.u64();
    if (count > kChunkColumnsMax) return corrupt("a chunk has too many columns");
    std::size_t crc_at = kChunkHeadBytes + count * kChunkColumnBytes;
    if (bytes.size() < crc_at + kChunkTailBytes || bytes.size() > rest) return corrupt("the head of a chunk is cut");
    ByteReader tail(bytes.substr(crc_at));
    if (tail.u32() != crc32c(bytes.substr(0, crc_at)) || tail.u32() != 0) {
        return corrupt("the checksum of a chunk's head is wrong");
    }
    head.bytes = crc_at + kChunkTailBytes;
    for (std::uint32_t i = 0; i < count; ++i) {
        ChunkHead::Column column;
        std::uint8_t number = reader.u8();
        column.column = static_cast<ChunkColumn>(number);
        column.encoding = static_cast<Encoding>(reader.u8());
        reader.skip(2);
        column.crc = reader.u32();
        column.bytes = reader.u64();
        column.offset = head.bytes;
        bool rises = head.columns.empty() || head.columns.back().column < column.column;
        if (number >= kChunkColumnsMax || !rises || column.bytes > rest - head.bytes) {
            return corrupt("the columns of a chunk do not follow each other");
        }
        head.bytes += column.bytes;
        head.columns.push_back(column);
    }
    bool times = head.columns.size() >= 2 && head.columns[0].column == ChunkColumn::kEnd &&
                 head.columns[1].column == ChunkColumn::kFlags;
    if (!times || head.points == 0 || head.first_end_ns > head.last_end_ns) {
        return corrupt("a chunk has no windows");
    }
    return head;
}

namespace {

Result<void> check_times(const ChunkHead& head, const std::vector<std::uint64_t>& end_ns) {
    bool rises = std::adjacent_find(end_ns.begin(), end_ns.end(), std::greater_equal<>()) == end_ns.end();
    if (rises && end_ns.front() == head.first_end_ns && end_ns.back() == head.last_end_ns) return {};
    return corrupt("the times of a chunk are not those that its head says");
}

}  // namespace

Result<void> decode_column(const ChunkHead& head, const ChunkHead::Column& column, std::string_view bytes,
                           SeriesData* data) {
    if (bytes.size() != column.bytes || crc32c(bytes) != column.crc) {
        return corrupt("the checksum of a column is wrong");
    }
    if (column.encoding != Encoding::kPlain) {
        return error(Code::kUnavailable, "a column is packed in a way that is newer than this program");
    }
    // Both factors fit 32 bits.
    std::uint64_t count = std::uint64_t{head.points} * (column.column == ChunkColumn::kBuckets ? head.stride : 1);
    if (bytes.size() % value_bytes(column.column) != 0 || bytes.size() / value_bytes(column.column) != count) {
        return corrupt("a column has another length than its chunk");
    }
    ByteReader reader(bytes);
    switch (column.column) {
        case ChunkColumn::kEnd: data->end_ns = reader.u64s(count); return check_times(head, data->end_ns);
        case ChunkColumn::kFlags: data->flags.assign(bytes.begin(), bytes.end()); break;
        case ChunkColumn::kCount: data->count = reader.u64s(count); break;
        case ChunkColumn::kSum: data->sum = reader.f64s(count); break;
        case ChunkColumn::kMin: data->min = reader.f64s(count); break;
        case ChunkColumn::kMax: data->max = reader.f64s(count); break;
        case ChunkColumn::kLast: data->last = reader.f64s(count); break;
        case ChunkColumn::kValue: data->value = reader.u64s(count); break;
        case ChunkColumn::kBuckets: data->buckets = reader.u64s(count); break;
    }
    return {};
}

}  // namespace ringside::agent
