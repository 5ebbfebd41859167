// Durations as a query writes them: `5m`, `300`, or arithmetic that may ask for the query's step and range.
#pragma once

#include <cstdint>
#include <memory>

#include "agent/base/result.h"
#include "agent/promql/syntax/position.h"

namespace ringside::agent::promql {

enum class DurationOp { kNumber, kAdd, kSub, kMul, kDiv, kMod, kPow, kNegate, kStep, kRange, kMin, kMax };

// A tree. kNumber, kStep and kRange are leaves, kNegate has `right` only, all others have both.
struct DurationNode {
    DurationOp op = DurationOp::kNumber;
    double seconds = 0;           // of kNumber
    bool written_as_time = true;  // kNumber: `5m`, not `300`
    bool in_parentheses = false;
    std::unique_ptr<DurationNode> left, right;
    Span span;
};

// What step() and range() stand for.
struct DurationContext {
    std::int64_t step_ms = 0;   // of a range query; 0 in an instant query
    std::int64_t range_ms = 0;  // end - start
};

// A duration is known at once, or hangs on the query's step and range.
struct Duration {
    std::int64_t ms = 0;                 // final if there is no expression, else after resolve()
    std::shared_ptr<DurationNode> expr;  // never changed once parsed, so copies share it

    bool is_set() const { return ms != 0 || expr != nullptr; }
};

// The length in milliseconds. kInvalid, with the place in the query: not above zero where `may_be_negative` is not set, a
// division by zero, or out of range.
Result<std::int64_t> resolve(const Duration& duration, const DurationContext& context, bool may_be_negative);

}  // namespace ringside::agent::promql
