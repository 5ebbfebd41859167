#include "agent/archive/run_reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace ringside::agent {

namespace {

Error corrupt(std::string what) { return error(Code::kCorrupt, std::move(what)); }

bool wanted(ChunkColumn column, std::uint32_t columns) {
    switch (column) {
        case ChunkColumn::kEnd:
        case ChunkColumn::kFlags: return true;
        case ChunkColumn::kCount: return (columns & kColumnCount) != 0;
        case ChunkColumn::kSum: return (columns & kColumnSum) != 0;
        case ChunkColumn::kMin: return (columns & kColumnMin) != 0;
        case ChunkColumn::kMax: return (columns & kColumnMax) != 0;
        case ChunkColumn::kLast: return (columns & kColumnLast) != 0;
        case ChunkColumn::kValue: return (columns & kColumnValue) != 0;
        case ChunkColumn::kBuckets: return (columns & kColumnBuckets) != 0;
    }
    return false;
}

template <typename T>
void append(const std::vector<T>& from, const std::vector<std::size_t>& points, std::vector<T>* to,
            std::size_t stride = 1) {
    if (from.empty()) return;
    for (std::size_t point : points) {
        auto begin = from.begin() + static_cast<std::ptrdiff_t>(point * stride);
        to->insert(to->end(), begin, begin + static_cast<std::ptrdiff_t>(stride));
    }
}

// Adds the windows of a chunk that the request asks for.
void append_wanted(const SeriesData& chunk, const ReadRequest& request, SeriesData* data) {
    std::vector<std::size_t> points;
    for (std::size_t i = 0; i < chunk.size(); ++i) {
        std::uint64_t end_ns = chunk.end_ns[i];
        if (end_ns <= request.begin_ns || end_ns > request.end_ns) continue;
        if (!request.open_window && (chunk.flags[i] & kPointOpen) != 0) continue;
        points.push_back(i);
    }
    append(chunk.end_ns, points, &data->end_ns);
    append(chunk.flags, points, &data->flags);
    append(chunk.count, points, &data->count);
    append(chunk.sum, points, &data->sum);
    append(chunk.min, points, &data->min);
    append(chunk.max, points, &data->max);
    append(chunk.last, points, &data->last);
    append(chunk.value, points, &data->value);
    append(chunk.buckets, points, &data->buckets, chunk.buckets.size() / chunk.size());
}

// Of one run: all chunks keep the same columns.
bool same_shape(const ChunkHead& a, const ChunkHead& b) {
    return a.stride == b.stride && std::equal(a.columns.begin(), a.columns.end(), b.columns.begin(), b.columns.end(),
                                              [](const auto& x, const auto& y) { return x.column == y.column; });
}

Result<ChunkHead> read_head(const File& file, std::uint64_t offset, std::uint64_t rest) {
    std::string bytes(std::min<std::uint64_t>(rest, kChunkHeadBytesMax), '\0');
    if (auto got = file.read_at(offset, bytes.data(), bytes.size()); !got.ok()) return got.error();
    return decode_chunk_head(bytes, rest);
}

Result<SeriesData> read_chunk(const File& file, std::uint64_t offset, const ChunkHead& head, std::uint32_t columns) {
    SeriesData data;
    for (const ChunkHead::Column& column : head.columns) {
        if (!wanted(column.column, columns)) continue;
        std::string bytes(column.bytes, '\0');
        auto got = file.read_at(offset + column.offset, bytes.data(), bytes.size());
        if (!got.ok()) return got.error();
        if (auto decoded = decode_column(head, column, bytes, &data); !decoded.ok()) return decoded.error();
    }
    return data;
}

std::uint64_t wanted_bytes(const ChunkHead& head, std::uint32_t columns) {
    std::uint64_t bytes = 0;
    for (const ChunkHead::Column& column : head.columns) bytes += wanted(column.column, columns) ? column.bytes : 0;
    return bytes;
}

// Calls `visit` with the offset and the head of each chunk, after checking that it is the next one of this run.
template <typename Visit>
Result<void> each_chunk(const File& file, const DirectoryEntry& entry, std::uint32_t tier, Visit visit) {
    const DirectoryEntry::Tier& run = entry.tiers[tier];
    std::optional<ChunkHead> first;
    std::uint64_t points = 0;
    std::uint64_t last_end_ns = 0;
    for (std::uint64_t done = 0; done < run.bytes;) {
        Result<ChunkHead> head = read_head(file, run.offset + done, run.bytes - done);
        if (!head.ok()) return head.error();
        if (!first) first = *head;
        if (head->series_index != entry.series_index || head->tier != tier || !same_shape(*first, *head)) {
            return corrupt("a chunk is not one of the run that the directory names");
        }
        if (points > 0 && head->first_end_ns <= last_end_ns) return corrupt("the chunks of a run do not rise in time");
        last_end_ns = head->last_end_ns;
        points += head->points;
        if (Result<void> visited = visit(run.offset + done, *head); !visited.ok()) return visited;
        done += head->bytes;
    }
    if (points != run.points) return corrupt("a run has not as many windows as the directory says");
    return {};
}

}  // namespace

Result<SeriesData> read_run(const File& file, const DirectoryEntry& entry, const ReadRequest& request) {
    SeriesData data;
    std::uint64_t bytes = 0;
    auto read = [&](std::uint64_t offset, const ChunkHead& head) -> Result<void> {
        if (head.last_end_ns <= request.begin_ns || head.first_end_ns > request.end_ns) return {};
        bytes += wanted_bytes(head, request.columns);
        if (bytes > kReadBytesMax) {
            return error(Code::kExhausted, "this range of series " + std::to_string(entry.series_index) +
                                               " is longer than " + std::to_string(kReadBytesMax >> 20) +
                                               " MiB: ask for a shorter one");
        }
        Result<SeriesData> chunk = read_chunk(file, offset, head, request.columns);
        if (!chunk.ok()) return chunk.error();
        append_wanted(*chunk, request, &data);
        return {};
    };
    Result<void> done = each_chunk(file, entry, request.tier, read);
    if (!done.ok()) return done.error();
    return data;
}

Result<void> verify_run(const File& file, const DirectoryEntry& entry, std::uint32_t tier) {
    return each_chunk(file, entry, tier, [&](std::uint64_t offset, const ChunkHead& head) -> Result<void> {
        Result<SeriesData> chunk = read_chunk(file, offset, head, kColumnsAll);
        if (!chunk.ok()) return chunk.error();
        return {};
    });
}

}  // namespace ringside::agent
