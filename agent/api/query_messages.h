// An answer cut into messages.
#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/promql/run/run.h"
#include "ringside/v1/query.pb.h"

namespace ringside::agent {

void to_wire(const promql::FloatHistogram& histogram, v1::QueryHistogram* out);

// About what an answer holds in memory until its reader has taken it.
std::size_t answer_bytes(const QueryAnswer& answer);

class QueryMessages {
  public:
    // `time_ms`: what it was evaluated for; `now_ms`: when, to tell how old its samples are.
    QueryMessages(QueryAnswer answer, std::int64_t time_ms, std::int64_t now_ms, std::uint64_t dropped)
        : answer_(std::move(answer)), time_ms_(time_ms), now_ms_(now_ms), dropped_(dropped) {}

    // The next message into `out`, which is empty. False: the one before was the last.
    bool next(v1::QueryResponse* out);

  private:
    void add_samples(const promql::VectorValue& vector, v1::QueryResponse* out);
    void add_series(const promql::MatrixValue& matrix, v1::QueryResponse* out);
    std::size_t add_points(const promql::Series& series, std::size_t room, v1::QuerySeries* out);
    void finish(v1::QueryResponse* out);

    const QueryAnswer answer_;
    const std::int64_t time_ms_;
    const std::int64_t now_ms_;
    const std::uint64_t dropped_;
    std::size_t next_ = 0;  // sample or series
    // Of the series at hand.
    std::size_t next_point_ = 0;
    std::size_t next_histogram_ = 0;
    bool done_ = false;
};

}  // namespace ringside::agent
