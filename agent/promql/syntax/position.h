// Where in a query something stands.
#pragma once

#include <cstdint>

namespace ringside::agent::promql {

// Bytes [begin, end) of the query's text.
struct Span {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
};

// From the begin of `first` to the end of `last`, `first` being the one further left.
inline Span cover(Span first, Span last) { return {first.begin, last.end}; }

}  // namespace ringside::agent::promql
