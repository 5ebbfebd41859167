// Where samples come from. The evaluator knows series by number within one selection and reads a span of each in turn,
// so that a source can keep them in whatever form it has.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/promql/syntax/matcher.h"
#include "agent/promql/value/float_histogram.h"
#include "agent/promql/value/labels.h"

namespace ringside::agent::promql {

// The value that says that a series has ended, in a sample or in a histogram's sum. No other NaN has these bits.
inline constexpr std::uint64_t kStaleBits = 0x7ff0000000000002;
inline bool is_stale(double value) { return std::bit_cast<std::uint64_t>(value) == kStaleBits; }
double stale_value();

// What a selection is for. A source may use it to read less, or to choose a tier and a column; it may as well not.
struct SelectHints {
    std::int64_t begin_ms = 0, end_ms = 0;  // samples in (begin, end] are going to be read
    // Where what is wanted begins: the first step of an instant selector, for which older samples only stand in; else begin_ms.
    std::int64_t wanted_ms = 0;
    std::int64_t step_ms = 0;               // of the steps that the selector is evaluated at; 0 for one step
    std::int64_t range_ms = 0;              // of a range selector; 0 for an instant one
    std::string_view function;              // the innermost function or aggregation over the selector, "" if none
    std::span<const std::string> grouping;  // the labels of an aggregation right over the selector or over `function`
    bool by = false;                        // whether `grouping` is what stays, rather than what goes
};

// Samples of one series by rising time, column by column. Pointers stay valid until the next read into the same buffer.
struct FloatSamples {
    std::size_t count = 0;
    const std::int64_t* times_ms = nullptr;
    const double* values = nullptr;
    const std::int64_t* starts_ms = nullptr;  // since when a counter counts, 0 where unknown; null if always unknown

    // Set (all four or none) if samples stand for windows of observations that end at their times; `values` has the
    // last one then. Functions over time take what they are about from here: avg is the sum of sums over the sum of
    // counts, max the largest maximum. All others see `values`.
    const double* counts = nullptr;
    const double* sums = nullptr;
    const double* minima = nullptr;
    const double* maxima = nullptr;

    bool has_windows() const { return counts != nullptr; }
    FloatSamples slice(std::size_t begin, std::size_t end) const;
};

struct HistogramSamples {
    std::size_t count = 0;
    const std::int64_t* times_ms = nullptr;
    const HistogramPtr* values = nullptr;
    const std::int64_t* starts_ms = nullptr;

    HistogramSamples slice(std::size_t begin, std::size_t end) const;
};

// A series may change from one kind to the other, so it may have both.
struct SampleSpan {
    FloatSamples floats;
    HistogramSamples histograms;

    std::size_t count() const { return floats.count + histograms.count; }
};

// The samples of a counter in short, none of which is less than the one before.
struct CounterSpan {
    std::size_t count = 0;
    std::int64_t first_ms = 0, last_ms = 0;
    double first = 0, last = 0;
};

// A window of the samples of a histogram in short, none of whose counts falls.
struct HistogramGain {
    std::size_t count = 0;  // samples; where there are none, nothing else is set
    std::int64_t first_ms = 0, last_ms = 0;
    double first_count = 0;  // of the first sample
    FloatHistogram gain;     // the last sample without the first, no bucket of it empty
};

struct TimeWindow {
    std::int64_t begin_ms = 0, end_ms = 0;  // (begin, end]
};

// Room for the samples of one series, used again for the next. A source fills it, or points into memory of its own.
struct SampleBuffer {
    std::vector<std::int64_t> times_ms, starts_ms;
    std::vector<double> values, counts, sums, minima, maxima;
    std::vector<std::int64_t> histogram_times_ms, histogram_starts_ms;
    std::vector<HistogramPtr> histograms;

    void clear();
    // Columns that are not as long as their times are null in it: some of the samples have none.
    SampleSpan span() const;
};

// The series of one selection, numbered from 0 in an order that is the same each time.
class SeriesSet {
  public:
    virtual ~SeriesSet() = default;

    virtual std::size_t size() const = 0;
    // "" where the series has no such label. Valid as long as the set. Cheap: aggregations ask for each series.
    virtual std::string_view label(std::size_t series, std::string_view name) const = 0;
    virtual Labels labels(std::size_t series) const = 0;
    // Whether two series have the same values of all these labels, none of which is metadata. False where that is not known
    // without a look at the values.
    virtual bool same_values(std::size_t /*one*/, std::size_t /*other*/, std::span<const std::string> /*names*/) const {
        return false;
    }
    // Whether some series has __type__ or __unit__, so that two may differ in nothing else.
    virtual bool has_metadata_labels() const { return false; }

    // False saves the evaluator a look at each sample.
    virtual bool has_stale_markers() const { return true; }

    // The samples with begin_ms < time <= end_ms, stale markers included.
    virtual Result<SampleSpan> read(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                                    SampleBuffer& buffer) const = 0;
    // What read() would give in short, of `series` and those after it, where it is floats that never fall and no stale marker.
    // Returns how many of `spans` it filled; of the series after these only read() can tell.
    virtual std::size_t read_counters(std::size_t /*series*/, std::int64_t /*begin_ms*/, std::int64_t /*end_ms*/,
                                      std::span<CounterSpan> /*spans*/) const {
        return 0;
    }
    // The same for a histogram, window by window: gains[i] is that of windows[i], whose begins and ends rise. False, with
    // *gains undefined, where only read() can tell.
    virtual bool read_gains(std::size_t /*series*/, std::span<const TimeWindow> /*windows*/,
                            std::span<HistogramGain> /*gains*/) const {
        return false;
    }
    // What the caller should know about the answer's gaps: "vm-7 is quarantined".
    virtual std::vector<std::string> warnings() const { return {}; }
};

class SampleSource {
  public:
    virtual ~SampleSource() = default;

    // All series that pass each matcher and may have a sample in the time of `hints`.
    virtual Result<std::unique_ptr<SeriesSet>> select(std::span<const Matcher> matchers, const SelectHints& hints) = 0;
};

}  // namespace ringside::agent::promql
