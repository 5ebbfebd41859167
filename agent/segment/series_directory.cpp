#include "agent/segment/series_directory.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <numeric>
#include <tuple>

#include "agent/base/text.h"
#include "agent/segment/text.h"
#include "agent/segment/untrusted.h"

namespace ringside::agent {

namespace {

constexpr std::uint32_t kRegistered = 1;
constexpr std::uint32_t kChunk = 128;  // records a read: a page

Refusal bad(std::string detail) { return {QuarantineReason::kBadDirectory, std::move(detail)}; }

Refusal unreadable() {
    if (errno == 0) return {QuarantineReason::kShrunk, "the file ends before the end of its series directory"};
    return {QuarantineReason::kUnreadable, std::string("cannot read its series directory: ") + std::strerror(errno)};
}

}  // namespace

std::optional<Refusal> SeriesDirectory::refresh(const ByteSource& source, std::uint64_t now_ns) {
    alignas(kSourceAlignment) rside_series_record records[kChunk];
    std::vector<Known> fresh;
    std::size_t labels_before = labels_.size();
    std::optional<Refusal> found;
    for (std::uint32_t begin = 0; !found && begin < layout_->geometry.series_capacity; begin += kChunk) {
        std::uint32_t count = std::min(kChunk, layout_->geometry.series_capacity - begin);
        std::uint64_t offset = layout_->geometry.directory_offset + std::uint64_t{begin} * sizeof(rside_series_record);
        auto read = [&] { return source.read(offset, records, count * sizeof(rside_series_record)); };
        errno = 0;
        if (!read()) {
            found = unreadable();
            break;
        }
        bool registered[kChunk];
        bool any = false;
        for (std::uint32_t i = 0; i < count; ++i) {
            registered[i] = records[i].state == kRegistered && !find(begin + i);
            any = any || registered[i];
        }
        if (!any) continue;
        // R10, pairs with P10: the record and its labels are read after the state that declares them. The first copy may
        // hold the state of a record and, from a moment before, the rest of it.
        std::atomic_thread_fence(std::memory_order_acquire);
        if (!read()) {
            found = unreadable();
            break;
        }
        for (std::uint32_t i = 0; i < count && !found; ++i) {
            if (!registered[i]) continue;
            Checked<Known> known = take(source, begin + i, records[i], now_ns);
            if (known) {
                fresh.push_back(*known);
            } else {
                found = known.refusal();
            }
        }
    }
    if (!found && !fresh.empty()) found = merge(std::move(fresh));
    if (found) labels_.resize(labels_before);
    return found;
}

Checked<SeriesDirectory::Known> SeriesDirectory::take(const ByteSource& source, std::uint32_t index,
                                                      const rside_series_record& record, std::uint64_t now_ns) {
    std::string which = "series " + std::to_string(index);
    std::uint32_t metric = layout_->metric_of(index);
    if (!Untrusted(record.metric).is(metric)) {
        return bad(which + " says it is of metric " + std::to_string(record.metric) + ", its place is metric " +
                   std::to_string(metric) + "'s");
    }
    std::uint32_t label_count = static_cast<std::uint32_t>(layout_->schema->metrics[metric].label_names.size());
    if (!fits(Untrusted(record.labels), Untrusted(record.labels_bytes), layout_->schema->label_arena_bytes) ||
        !Untrusted(record.labels_bytes).at_most(label_count * (RSIDE_MAX_LABEL_VALUE_BYTES + 1))) {
        return bad(which + " has its labels outside of the arena");
    }
    Known known;
    known.index = index;
    known.metric = metric;
    // A time that cannot be says that it is there now, and no more.
    known.created_ns = record.created_ns == 0 ? now_ns : std::min(record.created_ns, now_ns);
    known.labels = static_cast<std::uint32_t>(labels_.size());
    known.labels_bytes = record.labels_bytes;
    // S3; labels_ never exceeds arena_bytes, so the difference does not wrap.
    if (known.labels_bytes > layout_->schema->label_arena_bytes - labels_.size()) {
        return bad("its series have more label bytes than its arena holds");
    }
    labels_.resize(labels_.size() + known.labels_bytes);
    errno = 0;
    if (!source.read(layout_->geometry.arena_offset + record.labels, labels_.data() + known.labels,
                     known.labels_bytes)) {
        return unreadable();
    }
    if (auto refusal = check_labels(labels_of(known), label_count, which)) return *std::move(refusal);
    return known;
}

std::optional<Refusal> SeriesDirectory::check_labels(std::string_view labels, std::uint32_t count,
                                                     const std::string& which) const {
    for (std::uint32_t i = 0; i < count; ++i) {
        std::size_t end = labels.find('\0');
        if (end == std::string_view::npos) return bad(which + " has fewer labels than its metric");
        std::string_view value = labels.substr(0, end);
        if (value.size() > RSIDE_MAX_LABEL_VALUE_BYTES) return bad(which + " has a label value that is too long");
        if (!is_utf8(value)) return bad(which + " has a label value that is not UTF-8");
        labels.remove_prefix(end + 1);
    }
    if (!labels.empty()) return bad(which + " has more labels than its metric");
    return std::nullopt;
}

std::optional<Refusal> SeriesDirectory::merge(std::vector<Known> fresh) {
    std::vector<Known> all = known_;
    all.insert(all.end(), fresh.begin(), fresh.end());
    std::ranges::sort(all, {}, &Known::index);
    std::vector<std::uint32_t> order(all.size());
    std::iota(order.begin(), order.end(), 0);
    // Comparing, not hashing: label values that collide in a hash could be chosen to make this quadratic.
    auto key = [&](std::uint32_t position) { return std::tuple(all[position].metric, labels_of(all[position])); };
    std::ranges::sort(order, {}, key);
    auto twice = std::ranges::adjacent_find(order, {}, key);
    if (twice != order.end()) {
        return bad("series " + std::to_string(all[*twice].index) + " and " +
                   std::to_string(all[*std::next(twice)].index) + " have the same labels");
    }
    known_ = std::move(all);
    return std::nullopt;
}

std::optional<SeriesDirectory::Known> SeriesDirectory::find(std::uint32_t index) const {
    auto at = std::ranges::lower_bound(known_, index, {}, &Known::index);
    if (at == known_.end() || at->index != index) return std::nullopt;
    return *at;
}

std::vector<SeriesInfo> SeriesDirectory::list() const {
    std::vector<SeriesInfo> all;
    all.reserve(known_.size());
    for (const Known& known : known_) {
        SeriesInfo info;
        info.index = known.index;
        info.metric = known.metric;
        info.created_ns = known.created_ns;
        std::string_view labels = labels_of(known);
        while (!labels.empty()) {
            std::size_t end = labels.find('\0');
            info.label_values.emplace_back(labels.substr(0, end));
            labels.remove_prefix(end + 1);
        }
        all.push_back(std::move(info));
    }
    return all;
}

}  // namespace ringside::agent
