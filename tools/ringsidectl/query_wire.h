// Answers of QueryService, put together from their messages.
#pragma once

#include <ringside/v1/query.pb.h>

#include <cstdint>

#include "agent/base/result.h"
#include "agent/promql/run/run.h"

namespace ringside::ctl {

namespace v1 = ringside::v1;
using agent::Result;

class AnswerReader {
  public:
    // One message. kInternal: it contradicts itself, so the agent and this program do not fit together.
    Result<void> add(const v1::QueryResponse& response);
    // Whether the newest message was the last of an answer.
    bool is_whole() const { return is_whole_; }
    // The answer; the reader is then ready for the next one. Only when is_whole().
    agent::QueryAnswer take();

    std::int64_t time_ms() const { return time_ms_; }
    std::uint64_t dropped() const { return dropped_; }  // before the answer

  private:
    Result<void> add_series(const v1::QuerySeries& wire, agent::promql::MatrixValue& matrix);

    agent::QueryAnswer answer_;
    std::int64_t time_ms_ = 0;
    std::uint64_t dropped_ = 0;
    bool is_begun_ = false;
    bool is_whole_ = false;
};

}  // namespace ringside::ctl
