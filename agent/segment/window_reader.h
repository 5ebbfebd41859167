// Reads the windows of one series, view by view. Internal to agent/segment.
#pragma once

#include <cstdint>

#include "agent/base/model.h"
#include "agent/segment/series_view.h"
#include "agent/segment/windows.h"

namespace ringside::agent {

// What an answer takes at most.
inline constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{64} << 20;

// Reads all that `request` needs of one series, view by view, and gives its windows: points of the requested columns that the
// tier keeps. All by reference and for this call only.
class WindowReader {
  public:
    WindowReader(SeriesReader& reader, const MetricInfo& metric, const SchemaInfo& schema, const Timeline& timeline)
        : reader_(reader), metric_(metric), schema_(schema), timeline_(timeline) {}

    enum class Outcome : std::uint8_t {
        kRead,
        kFailed,   // view_outcome() says why
        kTooLong,  // the answer could take more than kMaxAnswerBytes
    };
    Outcome read(const ReadRequest& request, SeriesData* data);

    // Of the last read.
    ViewOutcome view_outcome() const { return outcome_; }
    bool hot_left_out() const { return hot_left_out_; }
    int retries() const { return retries_; }
    const WindowStats& left_out() const { return stats_; }

  private:
    bool read_view(const ViewRequest& wanted, SeriesView* view);

    SeriesReader& reader_;
    const MetricInfo& metric_;
    const SchemaInfo& schema_;
    const Timeline& timeline_;
    ViewOutcome outcome_{};
    bool hot_left_out_ = false;
    int retries_ = 0;
    WindowStats stats_;
};

}  // namespace ringside::agent
