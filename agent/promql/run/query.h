// What is asked for.
#pragma once

#include <cstdint>
#include <string>

namespace ringside::agent {

struct Query {
    std::string text;
    std::int64_t begin_ms = 0;
    std::int64_t end_ms = 0;       // of a range; else not looked at
    std::int64_t step_ms = 0;      // 0: at `begin_ms` alone
    std::int64_t lookback_ms = 0;  // 0: that of the limits

    std::int64_t newest_ms() const { return step_ms == 0 ? begin_ms : end_ms; }  // that it asks about
};

}  // namespace ringside::agent
