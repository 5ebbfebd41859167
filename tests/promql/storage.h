// What a script has loaded, as a source of series for the engine.
#pragma once

#include <map>
#include <vector>

#include "tests/promql/script.h"
#include "tests/support/promql_memory_source.h"

namespace ringside::agent::promql::script {

class Storage {
  public:
    // Appends what the block says. kInvalid: a sample that is not newer than the last one of its series.
    Result<void> load(const Load& load);
    void clear();
    MemorySource& source() { return source_; }

  private:
    Result<void> append(const LoadedSeries& loaded, std::int64_t step_ms);

    MemorySource source_;
    std::map<Labels, std::int64_t> newest_ms_;
};

// The native histograms with custom bounds that the classic ones of `load` make.
Result<std::vector<LoadedSeries>> with_custom_buckets(const Load& load);

}  // namespace ringside::agent::promql::script
