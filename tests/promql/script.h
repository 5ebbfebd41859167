// The language of Prometheus' test scripts: load series, clear, evaluate and compare.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/base/result.h"
#include "tests/promql/series_text.h"

namespace ringside::agent::promql::script {

struct LoadedSeries {
    SeriesText series;
    std::vector<SequenceValue> starts;  // offsets in ms, one a value; empty if the script says nothing
};

struct Load {
    std::int64_t step_ms = 0;
    bool with_custom_buckets = false;  // also store classic histograms as native ones with custom bounds
    std::vector<LoadedSeries> series;  // each once: a later line of the same series has replaced the earlier one
};

struct Clear {};

// One `expect` line, or what an old form of `eval` says.
struct Expectation {
    enum class Kind { kOrdered, kFail, kWarn, kNoWarn, kInfo, kNoInfo };
    Kind kind = Kind::kOrdered;
    std::optional<std::string> message;  // exactly this text
    std::optional<std::string> pattern;  // or a match of this one anywhere; neither: any text
};

struct ExpectedSeries {
    std::size_t position = 0;
    std::vector<SequenceValue> values;
};

struct Eval {
    std::string query;
    bool is_range = false;
    std::int64_t begin_ms = 0, end_ms = 0, step_ms = 0;  // of a range query, or of an expected range vector
    std::int64_t time_ms = 0;                            // of an instant query
    bool instant_only = false;                           // a string or a range vector: makes no range query
    std::vector<Expectation> expectations;
    std::map<Labels, ExpectedSeries> series;
    std::optional<double> scalar;
    std::string text;

    bool expects(Expectation::Kind kind) const;
};

struct Command {
    std::size_t line = 0;  // of the file, from 1
    std::variant<Load, Clear, Eval> what;
    std::string fault;  // why the block cannot be read; `what` is then only of the right kind
};

// All blocks in their order; one that cannot be read is among them, with its fault.
std::vector<Command> read_script(std::string_view text);

}  // namespace ringside::agent::promql::script
