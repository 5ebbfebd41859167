// Series in memory for tests of the query language. Histograms come back with the hints that Prometheus' storage would
// give them, since its test scripts rely on these.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/promql/engine/source.h"

namespace ringside::agent::promql {

class MemorySource : public SampleSource {
  public:
    // Samples of one series by rising time. `start_ms`: since when it counts, 0 if unknown.
    void add(const Labels& labels, std::int64_t time_ms, double value, std::int64_t start_ms = 0);
    // As a storage that keeps histograms in chunks: a histogram that counts on from the one before it was not reset,
    // of any other one nothing is known, whatever its hint says. Gauges stay gauges.
    void add(const Labels& labels, std::int64_t time_ms, FloatHistogram histogram, std::int64_t start_ms = 0);
    // Consolidated windows: how many observations ended in a window that ends at `time_ms`, and what they come to.
    struct Window {
        double last = 0, count = 0, sum = 0, min = 0, max = 0;
    };
    void add_window(const Labels& labels, std::int64_t time_ms, const Window& window);
    // Forgets a series, so that another load may replace it.
    void remove(const Labels& labels);
    void clear();

    Result<std::unique_ptr<SeriesSet>> select(std::span<const Matcher> matchers, const SelectHints& hints) override;

    std::vector<std::string> warnings;    // of each selection from now on
    std::vector<std::string> gaps;        // the same, but they show only once a series has been read
    std::vector<SelectHints> selections;  // what was asked for; `function` and `grouping` may no longer be read
    std::vector<std::string> functions;   // the hint's function of each
    bool fails = false;                   // each selection does

    struct OneSeries {
        Labels labels;
        SampleBuffer samples;
    };

  private:
    OneSeries& series(const Labels& labels);

    std::deque<OneSeries> series_;
    std::unordered_map<Labels, std::size_t, LabelsHash> index_;
};

// Labels from pairs, in any order: labels_of({{"__name__", "up"}, {"job", "a"}}).
Labels labels_of(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs);

}  // namespace ringside::agent::promql
