// The closed windows of a counter, straight from mapped memory: what window_reader.h does of them, for the case that nearly
// all are in, at a tenth of the price. Internal to agent/segment.
//
// It answers for a writer that lives and is not inside a turn, for windows that the ring still holds in full, and leaves all
// else (a death, an open window, slots that were lost, a time that is not believed) to the general reader, which it must
// agree with in every answer it does give.
#pragma once

#include <cstdint>

#include "agent/base/model.h"
#include "agent/segment/layout.h"
#include "agent/segment/mapped_bytes.h"
#include "agent/segment/windows.h"

namespace ringside::agent {

class CounterScan {
  public:
    // All by reference, all must outlive it.
    CounterScan(const MappedBytes& bytes, const SegmentLayout& layout) : bytes_(bytes), layout_(layout) {}

    // Fills *data and returns true, or returns false: ask the general reader. `index` is a directory entry of `metric`, a
    // counter.
    bool read(std::uint32_t metric, std::uint32_t index, const ReadRequest& request, const Timeline& timeline,
              SeriesData* data);

  private:
    const MappedBytes& bytes_;
    const SegmentLayout& layout_;
};

}  // namespace ringside::agent
