// Series with values as Prometheus' test scripts write them: `name{a="b"} 1 2+1x3 _ stale {{count:3 ...}}x4`.
#pragma once

#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/promql/value/float_histogram.h"
#include "agent/promql/value/labels.h"

namespace ringside::agent::promql::script {

struct SequenceValue {
    bool omitted = false;
    double value = 0;
    HistogramPtr histogram;   // if set, this is the value
    bool hint_given = false;  // the text says which reset hint the histogram has
};

struct SeriesText {
    Labels labels;
    std::vector<SequenceValue> values;
};

// `0x8` is nine zeros, there being no hexadecimal numbers here. kInvalid with what cannot be read.
Result<SeriesText> parse_series(std::string_view line);

// Labels alone: `name{a="b"}`, `{a="b"}`, `name`.
Result<Labels> parse_labels(std::string_view text);

// Offsets of start timestamps in milliseconds: `-30s-1mx2 _ 0 *`.
Result<std::vector<SequenceValue>> parse_start_offsets(std::string_view text);

// How many bytes of labels stand at the front of the line.
std::size_t labels_length(std::string_view line);

}  // namespace ringside::agent::promql::script
