// Windows that move forward over the samples of one series.
#pragma once

#include "agent/promql/engine/source.h"

namespace ringside::agent::promql {

class Windows {
  public:
    explicit Windows(const SampleSpan& all) : all_(all) {}

    // The samples with begin < time <= end. Neither bound may go back from one call to the next.
    SampleSpan at(std::int64_t begin_ms, std::int64_t end_ms) {
        floats_.move(all_.floats.times_ms, all_.floats.count, begin_ms, end_ms);
        histograms_.move(all_.histograms.times_ms, all_.histograms.count, begin_ms, end_ms);
        return {all_.floats.slice(floats_.begin, floats_.end),
                all_.histograms.slice(histograms_.begin, histograms_.end)};
    }

  private:
    struct Part {
        std::size_t begin = 0, end = 0;

        void move(const std::int64_t* times_ms, std::size_t count, std::int64_t begin_ms, std::int64_t end_ms) {
            // At the last step, which often is the only one, all that was read is in the window.
            if (end < count && times_ms[count - 1] <= end_ms) end = count;
            while (end < count && times_ms[end] <= end_ms) ++end;
            while (begin < end && times_ms[begin] <= begin_ms) ++begin;
        }
    };
    SampleSpan all_;
    Part floats_, histograms_;
};

// The samples without stale markers. Copies into `buffer` if there are any, which is rare.
SampleSpan without_stale(const SampleSpan& samples, SampleBuffer& buffer);

// The same with each unknown reset hint found out by comparing with the sample before. Copies if there are any.
SampleSpan with_hints(const SampleSpan& samples, SampleBuffer& buffer);

}  // namespace ringside::agent::promql
