#include "agent/archive/block.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "agent/archive/columns.h"
#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {

namespace {

Error corrupt(std::string what) { return error(Code::kCorrupt, std::move(what)); }

using Values = std::vector<std::uint64_t>;

constexpr const char* kColumnNames[kBlockColumns] = {"end_ns", "flags", "count", "sum",    "min",
                                                     "max",    "last",  "value", "buckets"};

// The kColumn... bit by which a request names a column; 0 for those that every request gets.
constexpr std::uint32_t kRequestBits[kBlockColumns] = {0,          0,           kColumnCount, kColumnSum,    kColumnMin,
                                                       kColumnMax, kColumnLast, kColumnValue, kColumnBuckets};

struct FloatColumn {
    BlockColumn column;
    std::vector<double> SeriesData::*values;
};
constexpr FloatColumn kFloatColumns[] = {{BlockColumn::kSum, &SeriesData::sum},
                                         {BlockColumn::kMin, &SeriesData::min},
                                         {BlockColumn::kMax, &SeriesData::max},
                                         {BlockColumn::kLast, &SeriesData::last}};

constexpr std::uint32_t bit_of(BlockColumn column) { return 1u << static_cast<unsigned>(column); }
constexpr std::size_t index_of(BlockColumn column) { return static_cast<std::size_t>(column); }
constexpr std::uint32_t kTimeColumns = bit_of(BlockColumn::kEnd) | bit_of(BlockColumn::kFlags);

bool wanted_column(BlockColumn column, std::uint32_t wanted) {
    std::uint32_t bit = kRequestBits[index_of(column)];
    return bit == 0 || (wanted & bit) != 0;
}

std::size_t stride_of(const SeriesData& data) { return data.size() == 0 ? 0 : data.buckets.size() / data.size(); }

// Of a block, and of everything that says which one it is: two blocks that changed places are noticed.
std::uint32_t checksum(const BlockPlace& place, const BlockEntry& entry, std::string_view bytes) {
    ByteWriter writer;
    writer.u32(place.series_index);
    writer.u32(place.tier);
    writer.u32(entry.points);
    writer.u64(entry.first_window);
    return crc32c(crc32c(writer.bytes()), bytes.data(), bytes.size());
}

// Collects the columns of a block.
class BlockPacker {
  public:
    BlockPacker(const SeriesData& data, std::size_t first, std::size_t count)
        : data_(data), first_(first), count_(count) {}

    std::string pack(const BlockPlace& place, const BlockEntry& entry) {
        // A column more in SeriesData does not compile here: give it a number in BlockColumn, and a row in docs/archive.md.
        const auto& [end_ns, flags, count, sum, min, max, last, value, buckets] = data_;
        static_cast<void>(std::tie(sum, min, max, last));
        auto ends = std::span(end_ns).subspan(first_, count_);
        add(BlockColumn::kEnd, {Encoding::kTimes, pack_times(ends, place.resolution_ns, entry.first_window)});
        auto some = std::span(flags).subspan(first_, count_);
        add(BlockColumn::kFlags, pack_integers(Values(some.begin(), some.end())));
        if (!count.empty()) add(BlockColumn::kCount, pack_integers(slice(count)));
        add_floats();
        if (!value.empty()) add(BlockColumn::kValue, pack_counter(slice(value)));
        const std::size_t stride = stride_of(data_);
        if (stride > 0) {
            auto windows = std::span(buckets).subspan(first_ * stride, count_ * stride);
            add(BlockColumn::kBuckets, pack_buckets(windows, stride));
        }
        ByteWriter writer;
        writer.varint(columns_);
        if (stride > 0) writer.varint(stride);
        writer.raw(heads_.bytes());
        writer.raw(bodies_);
        writer.u32(checksum(place, entry, writer.bytes()));
        return writer.take();
    }

  private:
    std::span<const std::uint64_t> slice(const Values& values) const {
        return std::span(values).subspan(first_, count_);
    }

    void add(BlockColumn column, const PackedColumn& packed) {
        columns_ |= bit_of(column);
        heads_.u8(static_cast<std::uint8_t>(packed.encoding));
        heads_.varint(packed.bytes.size());
        bodies_ += packed.bytes;
    }

    // A window with one value has it as sum, min, max and last, and many columns are equal throughout.
    void add_floats() {
        std::vector<std::pair<BlockColumn, Values>> before;
        for (const auto& [column, member] : kFloatColumns) {
            const std::vector<double>& floats = data_.*member;
            if (floats.empty()) continue;
            Values bits(count_);
            std::memcpy(bits.data(), floats.data() + first_, count_ * sizeof(double));
            auto same = std::find_if(before.begin(), before.end(), [&](const auto& one) { return one.second == bits; });
            if (same != before.end()) {
                add(column, {Encoding::kSame, std::string(1, static_cast<char>(same->first))});
                continue;
            }
            add(column, pack_floats(bits));
            before.emplace_back(column, std::move(bits));
        }
    }

    const SeriesData& data_;
    const std::size_t first_, count_;
    std::uint32_t columns_ = 0;
    ByteWriter heads_;
    std::string bodies_;
};

}  // namespace

std::size_t block_points(const SeriesData& data) {
    const std::size_t stride = stride_of(data);
    const std::size_t points = stride == 0 ? kBlockPointsMax : kBlockValuesMax / stride;
    return std::clamp<std::size_t>(points, 1, kBlockPointsMax);
}

std::uint64_t plain_window_bytes(const SeriesData& data) {
    std::uint64_t bytes = 8 + 1 + 8 * stride_of(data);
    for (bool there : {!data.count.empty(), !data.sum.empty(), !data.min.empty(), !data.max.empty(), !data.last.empty(),
                       !data.value.empty()}) {
        bytes += there ? 8 : 0;
    }
    return bytes;
}

std::string encode_block(const BlockPlace& place, const SeriesData& data, std::size_t first, std::size_t count,
                         BlockEntry* entry) {
    entry->points = static_cast<std::uint32_t>(count);
    entry->first_window = window_of(data.end_ns[first], place.resolution_ns);
    entry->last_window = window_of(data.end_ns[first + count - 1], place.resolution_ns);
    std::string bytes = BlockPacker(data, first, count).pack(place, *entry);
    entry->bytes = bytes.size();
    return bytes;
}

Result<BlockHead> decode_block_head(const BlockPlace& place, const BlockEntry& entry, std::string_view bytes) {
    if (bytes.size() != entry.bytes || bytes.size() < kBlockTailBytes) return corrupt("a block is cut");
    ByteReader tail(bytes.substr(bytes.size() - kBlockTailBytes));
    bytes.remove_suffix(kBlockTailBytes);
    if (tail.u32() != checksum(place, entry, bytes)) return corrupt("the checksum of a block is wrong");
    ByteReader reader(bytes);
    BlockHead head;
    const std::uint64_t columns = reader.varint();
    if (columns >> kBlockColumns != 0 || (columns & kTimeColumns) != kTimeColumns) {
        return corrupt("a block has columns that do not exist");
    }
    head.columns = static_cast<std::uint32_t>(columns);
    if ((head.columns & bit_of(BlockColumn::kBuckets)) != 0) {
        const std::uint64_t stride = reader.varint();
        if (stride == 0 || stride > kBlockValuesMax / entry.points) return corrupt("a block has too many buckets");
        head.stride = static_cast<std::uint32_t>(stride);
    }
    std::vector<std::uint64_t> lengths;
    for (unsigned number = 0; number < kBlockColumns; ++number) {
        if ((head.columns & 1u << number) == 0) continue;
        head.list.push_back({static_cast<BlockColumn>(number), static_cast<Encoding>(reader.u8()), {}});
        lengths.push_back(reader.varint());
    }
    for (std::size_t i = 0; i < lengths.size(); ++i) head.list[i].bytes = reader.raw(lengths[i]);
    if (!reader.finished()) return corrupt("the columns of a block have not its length");
    return head;
}

std::uint64_t wanted_bytes(const BlockHead& head, std::uint32_t points, std::uint32_t wanted) {
    std::uint64_t bytes = 0;
    for (const BlockHead::Column& column : head.list) {
        if (!wanted_column(column.column, wanted)) continue;
        std::uint64_t values = column.column == BlockColumn::kBuckets ? head.stride : 1;
        bytes += column.column == BlockColumn::kFlags ? 1 : 8 * values;
    }
    return bytes * points;
}

namespace {

// The column whose values are those of `column`; null when it says something that cannot be.
const BlockHead::Column* same_column(const BlockHead& head, const BlockHead::Column& column) {
    const auto number = column.bytes.size() == 1 ? static_cast<unsigned char>(column.bytes.front()) : kBlockColumns;
    auto found = std::find_if(head.list.begin(), head.list.end(),
                              [&](const BlockHead::Column& one) { return index_of(one.column) == number; });
    bool floats = found != head.list.end() && found->column >= BlockColumn::kSum && column.column <= BlockColumn::kLast;
    bool takes = floats && found->column < column.column && found->encoding != Encoding::kSame;
    return takes ? &*found : nullptr;
}

// Times rise, and lie where the directory says.
Result<void> check_times(const BlockPlace& place, const BlockEntry& entry, const Values& end_ns) {
    bool rises = std::adjacent_find(end_ns.begin(), end_ns.end(), std::greater_equal<>()) == end_ns.end();
    if (rises && window_of(end_ns.front(), place.resolution_ns) == entry.first_window &&
        window_of(end_ns.back(), place.resolution_ns) == entry.last_window) {
        return {};
    }
    return corrupt("the times of a block are not those that the directory says");
}

Result<Values> decode_values(const BlockPlace& place, const BlockEntry& entry, const BlockHead& head,
                             const BlockHead::Column& column) {
    if (column.encoding == Encoding::kSame) {
        const BlockHead::Column* same = same_column(head, column);
        if (same == nullptr) return corrupt("a column is said to be the same as one that it cannot be");
        return decode_values(place, entry, head, *same);
    }
    if ((column.column == BlockColumn::kEnd) != (column.encoding == Encoding::kTimes)) {
        return corrupt("times are packed as values, or values as times");
    }
    if (column.encoding == Encoding::kTimes) {
        Result<Values> end_ns = unpack_times(column.bytes, entry.points, place.resolution_ns, entry.first_window);
        if (!end_ns.ok()) return end_ns;
        if (auto sound = check_times(place, entry, *end_ns); !sound.ok()) return sound.error();
        return end_ns;
    }
    Result<Values> values = unpack_column(column.encoding, column.bytes, entry.points,
                                          column.column == BlockColumn::kBuckets ? head.stride : 1);
    if (values.ok()) return values;
    Error named = values.error();
    named.context = std::string("column ") + kColumnNames[index_of(column.column)] + ": " + named.context;
    return named;
}

Result<void> store(BlockColumn column, Values values, SeriesData* data) {
    switch (column) {
        case BlockColumn::kEnd: data->end_ns = std::move(values); return {};
        case BlockColumn::kCount: data->count = std::move(values); return {};
        case BlockColumn::kValue: data->value = std::move(values); return {};
        case BlockColumn::kBuckets: data->buckets = std::move(values); return {};
        case BlockColumn::kFlags:
            for (std::uint64_t value : values) {
                if (value > UINT8_MAX) return corrupt("a window has flags that do not exist");
                data->flags.push_back(static_cast<std::uint8_t>(value));
            }
            return {};
        default: break;
    }
    for (const auto& [float_column, member] : kFloatColumns) {
        if (float_column != column) continue;
        std::vector<double>& floats = data->*member;
        floats.resize(values.size());
        std::memcpy(floats.data(), values.data(), values.size() * sizeof(double));
    }
    return {};
}

}  // namespace

Result<SeriesData> decode_block(const BlockPlace& place, const BlockEntry& entry, const BlockHead& head,
                                std::uint32_t wanted) {
    SeriesData data;
    for (const BlockHead::Column& column : head.list) {
        if (!wanted_column(column.column, wanted)) continue;
        Result<Values> values = decode_values(place, entry, head, column);
        if (!values.ok()) return values.error();
        if (auto stored = store(column.column, std::move(*values), &data); !stored.ok()) return stored.error();
    }
    return data;
}

}  // namespace ringside::agent
