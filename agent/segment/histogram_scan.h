// What a histogram gained over ranges of time, straight from mapped memory: two slots a range, where window_reader.h unpacks each
// window of the ring. Internal to agent/segment.
//
// It answers in the cases that counter_scan.h answers in and leaves all others to the general reader, with which it must agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "agent/base/model.h"
#include "agent/segment/layout.h"
#include "agent/segment/mapped_bytes.h"
#include "agent/segment/windows.h"

namespace ringside::agent {

class HistogramScan {
  public:
    // All by reference, all must outlive it.
    HistogramScan(const MappedBytes& bytes, const SegmentLayout& layout) : bytes_(bytes), layout_(layout) {}

    // Fills *gains and returns true, or returns false: ask the general reader. `index` is a directory entry of `metric`, a
    // histogram.
    bool read(std::uint32_t metric, std::uint32_t index, std::uint32_t tier, std::span<const TimeRange> ranges,
              const Timeline& timeline, HistogramGains* gains);

  private:
    // Where things are of the series at hand, and what its cell said first.
    struct Place {
        const std::byte* cell = nullptr;
        const std::byte* hot_buckets = nullptr;
        const std::byte* ring = nullptr;
        std::uint64_t slots = 1, slot_bytes = 0;
        std::size_t stride = 0;  // buckets with the zero bucket
        std::uint64_t open = 0, open_window = 0, seq = 0;
        bool used_hot = false;
    };
    // All that was observed up to the end of a window, and of those before it back to `from`, which have no slot.
    struct Totals {
        std::uint64_t from = 1, window = 0;
        std::uint64_t count = 0;
        double sum = 0;
        const std::byte* buckets = nullptr;
        std::size_t bucket_bytes = 0;

        bool are_of(std::uint64_t other) const { return other >= from && other <= window; }
        std::uint32_t bucket(std::size_t i) const { return load32(buckets + i * bucket_bytes); }  // modulo 2^32
    };
    bool place(std::uint32_t metric, std::uint32_t index, std::uint32_t tier);
    bool find(std::uint64_t window, Totals* totals);
    bool take_hot(Totals* totals);
    bool gain(const Totals& first, const Totals& last, HistogramGain* gain, std::uint32_t* buckets) const;
    bool is_unchanged() const;

    const MappedBytes& bytes_;
    const SegmentLayout& layout_;
    Place at_;
};

}  // namespace ringside::agent
