#include "agent/archive/run_reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace ringside::agent {

namespace {

Error corrupt(std::string what) { return error(Code::kCorrupt, std::move(what)); }

template <typename T>
void append(const std::vector<T>& from, const std::vector<std::size_t>& points, std::vector<T>* to,
            std::size_t stride = 1) {
    if (from.empty()) return;
    for (std::size_t point : points) {
        auto begin = from.begin() + static_cast<std::ptrdiff_t>(point * stride);
        to->insert(to->end(), begin, begin + static_cast<std::ptrdiff_t>(stride));
    }
}

// Adds the windows of a block that the request asks for.
void append_wanted(const SeriesData& block, const ReadRequest& request, SeriesData* data) {
    std::vector<std::size_t> points;
    for (std::size_t i = 0; i < block.size(); ++i) {
        std::uint64_t end_ns = block.end_ns[i];
        if (end_ns <= request.begin_ns || end_ns > request.end_ns) continue;
        if (!request.open_window && (block.flags[i] & kPointOpen) != 0) continue;
        points.push_back(i);
    }
    append(block.end_ns, points, &data->end_ns);
    append(block.flags, points, &data->flags);
    append(block.count, points, &data->count);
    append(block.sum, points, &data->sum);
    append(block.min, points, &data->min);
    append(block.max, points, &data->max);
    append(block.last, points, &data->last);
    append(block.value, points, &data->value);
    append(block.buckets, points, &data->buckets, block.buckets.size() / block.size());
}

Result<std::string> read_block(const File& file, const BlockEntry& entry) {
    std::string bytes(entry.bytes, '\0');
    if (auto got = file.read_at(entry.offset, bytes.data(), bytes.size()); !got.ok()) return got.error();
    return bytes;
}

// Conservative: a window may end earlier than its number says.
bool overlaps(const BlockEntry& entry, const BlockPlace& place, const ReadRequest& request) {
    return entry.last_window >= window_of(request.begin_ns, place.resolution_ns) &&
           entry.first_window <= window_of(request.end_ns, place.resolution_ns);
}

// Reads the blocks that overlap the request and calls `visit` with each entry and head. The blocks of a run have the
// same columns.
template <typename Visit>
Result<void> each_block(const File& file, const BlockPlace& place, const RunEntry& run, const ReadRequest& request,
                        Visit visit) {
    std::optional<BlockHead> first;
    for (const BlockEntry& entry : run.blocks) {
        if (!overlaps(entry, place, request)) continue;
        Result<std::string> bytes = read_block(file, entry);
        if (!bytes.ok()) return bytes.error();
        Result<BlockHead> head = decode_block_head(place, entry, *bytes);
        if (!head.ok()) return head.error();
        if (first && !first->same_shape(*head)) return corrupt("the blocks of a run have different columns");
        if (Result<void> visited = visit(entry, *head); !visited.ok()) return visited;
        if (!first) first = std::move(*head);
    }
    return {};
}

}  // namespace

Result<SeriesData> read_run(const File& file, const BlockPlace& place, const RunEntry& run,
                            const ReadRequest& request) {
    SeriesData data;
    std::uint64_t bytes = 0;
    auto read = [&](const BlockEntry& entry, const BlockHead& head) -> Result<void> {
        bytes += wanted_bytes(head, entry.points, request.columns);
        if (bytes > kReadBytesMax) {
            return error(Code::kExhausted, "this range of series " + std::to_string(place.series_index) +
                                               " is longer than " + std::to_string(kReadBytesMax >> 20) +
                                               " MiB: ask for a shorter one");
        }
        Result<SeriesData> block = decode_block(place, entry, head, request.columns);
        if (!block.ok()) return block.error();
        const bool follows = data.size() == 0 || block->end_ns.front() > data.end_ns.back();
        if (!follows) return corrupt("the blocks of a run do not rise in time");
        append_wanted(*block, request, &data);
        return {};
    };
    Result<void> done = each_block(file, place, run, request, read);
    if (!done.ok()) return done.error();
    return data;
}

Result<void> verify_run(const File& file, const BlockPlace& place, const RunEntry& run) {
    std::uint64_t last_end_ns = 0;
    return each_block(file, place, run, {}, [&](const BlockEntry& entry, const BlockHead& head) -> Result<void> {
        Result<SeriesData> block = decode_block(place, entry, head, kColumnsAll);
        if (!block.ok()) return block.error();
        if (block->end_ns.front() <= last_end_ns) return corrupt("the blocks of a run do not rise in time");
        last_end_ns = block->end_ns.back();
        return {};
    });
}

}  // namespace ringside::agent
