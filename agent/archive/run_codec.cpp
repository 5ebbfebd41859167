// Runs: the samples of one series in one tier, column by column.
#include <algorithm>
#include <array>

#include "agent/archive/codec.h"
#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {

namespace {

Error corrupt(std::string what) { return error(Code::kCorrupt, std::move(what)); }

std::size_t value_bytes(RunColumn column) { return column == RunColumn::kFlags ? 1 : 8; }

struct PlainColumn {
    RunColumn column;
    std::string bytes;
};

void add_u64s(std::vector<PlainColumn>* columns, RunColumn column, const std::vector<std::uint64_t>& values) {
    if (values.empty()) return;
    ByteWriter writer;
    writer.u64s(values);
    columns->push_back({column, writer.take()});
}

void add_f64s(std::vector<PlainColumn>* columns, RunColumn column, const std::vector<double>& values) {
    if (values.empty()) return;
    ByteWriter writer;
    writer.f64s(values);
    columns->push_back({column, writer.take()});
}

std::vector<PlainColumn> plain_columns(const SeriesData& data) {
    // A column more in SeriesData does not compile here: give it a number in RunColumn, and a row in docs/archive.md.
    const auto& [end_ns, flags, count, sum, min, max, last, value, buckets] = data;
    std::vector<PlainColumn> columns;
    add_u64s(&columns, RunColumn::kEnd, end_ns);
    if (!flags.empty()) {
        columns.push_back({RunColumn::kFlags, std::string(flags.begin(), flags.end())});
    }
    add_u64s(&columns, RunColumn::kCount, count);
    add_f64s(&columns, RunColumn::kSum, sum);
    add_f64s(&columns, RunColumn::kMin, min);
    add_f64s(&columns, RunColumn::kMax, max);
    add_f64s(&columns, RunColumn::kLast, last);
    add_u64s(&columns, RunColumn::kValue, value);
    add_u64s(&columns, RunColumn::kBuckets, buckets);
    return columns;
}

}  // namespace

std::string encode_run(std::uint32_t series_index, std::uint32_t tier, const SeriesData& data) {
    std::vector<PlainColumn> columns = plain_columns(data);
    std::size_t stride = data.size() == 0 ? 0 : data.buckets.size() / data.size();
    ByteWriter writer;
    writer.u32(kRunMagic);
    writer.u32(series_index);
    writer.u32(tier);
    writer.u32(static_cast<std::uint32_t>(data.size()));
    writer.u32(static_cast<std::uint32_t>(stride));
    writer.u32(static_cast<std::uint32_t>(columns.size()));
    for (const PlainColumn& column : columns) {
        writer.u8(static_cast<std::uint8_t>(column.column));
        writer.u8(static_cast<std::uint8_t>(Encoding::kPlain));
        writer.u16(0);
        writer.u32(crc32c(column.bytes));
        writer.u64(column.bytes.size());
    }
    writer.u32(crc32c(writer.bytes()));
    writer.u32(0);
    for (const PlainColumn& column : columns) writer.raw(column.bytes);
    return writer.take();
}

Result<RunHead> decode_run_head(std::string_view bytes, std::uint64_t run_bytes) {
    ByteReader reader(bytes);
    RunHead head;
    if (reader.u32() != kRunMagic) return corrupt("a run does not begin where the directory says");
    head.series_index = reader.u32();
    head.tier = reader.u32();
    head.points = reader.u32();
    head.stride = reader.u32();
    std::uint32_t count = reader.u32();
    if (count > kRunColumnsMax) return corrupt("a run has too many columns");
    std::size_t crc_at = kRunHeadBytes + count * kRunColumnBytes;
    if (bytes.size() < crc_at + kRunTailBytes) return corrupt("the head of a run is cut");
    ByteReader tail(bytes.substr(crc_at));
    if (tail.u32() != crc32c(bytes.substr(0, crc_at)) || tail.u32() != 0) {
        return corrupt("the checksum of a run's head is wrong");
    }
    std::uint64_t at = crc_at + kRunTailBytes;
    for (std::uint32_t i = 0; i < count; ++i) {
        RunHead::Column column;
        std::uint8_t number = reader.u8();
        column.column = static_cast<RunColumn>(number);
        column.encoding = static_cast<Encoding>(reader.u8());
        reader.skip(2);
        column.crc = reader.u32();
        column.bytes = reader.u64();
        column.offset = at;
        bool rises = head.columns.empty() || head.columns.back().column < column.column;
        if (number >= kRunColumnsMax || !rises || column.bytes > run_bytes - at) {
            return corrupt("the columns of a run do not follow each other");
        }
        at += column.bytes;
        head.columns.push_back(column);
    }
    bool times = head.columns.size() >= 2 && head.columns[0].column == RunColumn::kEnd &&
                 head.columns[1].column == RunColumn::kFlags;
    if (at != run_bytes || times != (head.points > 0)) {
        return corrupt("the columns of a run do not fill it");
    }
    return head;
}

Result<void> decode_column(const RunHead& head, const RunHead::Column& column, std::string_view bytes,
                           SeriesData* data) {
    if (bytes.size() != column.bytes || crc32c(bytes) != column.crc) {
        return corrupt("the checksum of a column is wrong");
    }
    if (column.encoding != Encoding::kPlain) {
        return error(Code::kUnavailable, "a column is packed in a way that is newer than this program");
    }
    // Both factors fit 32 bits.
    std::uint64_t count = std::uint64_t{head.points} * (column.column == RunColumn::kBuckets ? head.stride : 1);
    if (bytes.size() % value_bytes(column.column) != 0 || bytes.size() / value_bytes(column.column) != count) {
        return corrupt("a column has another length than its run");
    }
    ByteReader reader(bytes);
    switch (column.column) {
        case RunColumn::kEnd:
            data->end_ns = reader.u64s(count);
            if (std::adjacent_find(data->end_ns.begin(), data->end_ns.end(), std::greater_equal<>()) !=
                data->end_ns.end()) {
                return corrupt("the times of a run do not rise");
            }
            break;
        case RunColumn::kFlags: data->flags.assign(bytes.begin(), bytes.end()); break;
        case RunColumn::kCount: data->count = reader.u64s(count); break;
        case RunColumn::kSum: data->sum = reader.f64s(count); break;
        case RunColumn::kMin: data->min = reader.f64s(count); break;
        case RunColumn::kMax: data->max = reader.f64s(count); break;
        case RunColumn::kLast: data->last = reader.f64s(count); break;
        case RunColumn::kValue: data->value = reader.u64s(count); break;
        case RunColumn::kBuckets: data->buckets = reader.u64s(count); break;
    }
    return {};
}

}  // namespace ringside::agent
