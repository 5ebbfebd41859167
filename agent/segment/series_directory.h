// The series of one segment, taken into the agent's own memory as they register. Internal to agent/segment.
//
// Invariants:
//  S1  A series is known only after its record and its labels were copied and the copy was checked; it never changes
//      and is never read again from the segment.
//  S2  No two known series of a metric have the same labels.
//  S3  The labels of all known series together are no longer than the segment's arena, so that a segment cannot make the
//      agent hold more than it holds itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/model.h"
#include "agent/segment/byte_source.h"
#include "agent/segment/layout.h"
#include "agent/segment/refusal.h"

namespace ringside::agent {

// Not thread-safe: its owner locks.
class SeriesDirectory {
  public:
    explicit SeriesDirectory(std::shared_ptr<const SegmentLayout> layout) : layout_(std::move(layout)) {}

    // Takes in what has registered since the last call. A refusal means that the segment cannot be trusted any further; what
    // was known before stays known. `now_ns` bounds the times that records claim.
    std::optional<Refusal> refresh(const ByteSource& source, std::uint64_t now_ns);

    struct Known {
        std::uint64_t created_ns = 0;
        std::uint32_t index = 0;
        std::uint32_t metric = 0;
        std::uint32_t labels = 0;  // offset into labels_
        std::uint32_t labels_bytes = 0;
    };

    std::optional<Known> find(std::uint32_t index) const;
    std::vector<SeriesInfo> list() const;                     // by rising index
    const std::vector<Known>& all() const { return known_; }  // by rising index
    std::size_t size() const { return known_.size(); }

  private:
    Checked<Known> take(const ByteSource& source, std::uint32_t index, const rside_series_record& record,
                        std::uint64_t now_ns);
    std::optional<Refusal> check_labels(std::string_view labels, std::uint32_t count, const std::string& which) const;
    std::optional<Refusal> merge(std::vector<Known> fresh);
    std::string_view labels_of(const Known& known) const {
        return std::string_view(labels_).substr(known.labels, known.labels_bytes);
    }

    std::shared_ptr<const SegmentLayout> layout_;
    std::vector<Known> known_;  // by rising index
    std::string labels_;        // the label values of all known series, each ending in NUL
};

}  // namespace ringside::agent
