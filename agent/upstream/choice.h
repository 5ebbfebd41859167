// What one upstream takes of what the schemas offer, and in which form.
#pragma once

namespace ringside::agent {

enum class HistogramForm {
    kClassic,  // name_bucket{le}, name_sum, name_count: any receiver
    kNative,   // one sample holds all buckets, as fine as the schema has them
};

struct RollupChoice {
    // One for all time: a series that changes its form in the middle of its life cannot be queried as one.
    HistogramForm histograms = HistogramForm::kClassic;
};

}  // namespace ringside::agent
