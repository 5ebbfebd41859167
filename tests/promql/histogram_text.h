// Native histograms as test scripts write them: `{{schema:1 sum:5 count:3 buckets:[1 2] offset:-1}}`.
#pragma once

#include "agent/promql/value/float_histogram.h"
#include "tests/promql/text_cursor.h"

namespace ringside::agent::promql::script {

struct HistogramText {
    FloatHistogram histogram;
    bool hint_given = false;
};

// The cursor stands on the opening braces; afterwards it stands behind the closing ones.
Result<HistogramText> read_histogram(Cursor& cursor);

}  // namespace ringside::agent::promql::script
