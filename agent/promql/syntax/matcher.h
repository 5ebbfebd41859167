// Label matchers and selectors, as PromQL has them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace re2 {
class RE2;
}

namespace ringside::agent {

enum class MatchOp { kEqual, kNotEqual, kRegex, kNotRegex };
const char* match_op_text(MatchOp op);  // "=", "!=", "=~", "!~"

// What a hostile pattern may cost.
inline constexpr std::size_t kRegexMaxBytes = 1024;
inline constexpr std::size_t kRegexMaxMemory = 1024 * 1024;
// Of all patterns of one query or request together, by Matcher::cost(). Making them takes some 50 ms and 1 MiB.
inline constexpr std::size_t kPatternsMaxCost = 100'000;
inline constexpr std::size_t kSelectorMaxBytes = 64 * 1024;
inline constexpr std::size_t kSelectorMaxMatchers = 64;

// One test of one label. A value, cheap to copy; safe for concurrent use.
class Matcher {
  public:
    // Regular expressions are RE2's, match the whole value, and `.` matches a newline too.
    // kInvalid: a pattern that RE2 refuses, or one over kRegexMaxBytes or kRegexMaxMemory.
    static Result<Matcher> make(std::string label, MatchOp op, std::string value);

    // `value` is that of the series, "" where it has no such label.
    bool matches(std::string_view value) const;
    // Whether a series without this label passes. Known beforehand: it decides how an index is walked.
    bool matches_empty() const { return matches_empty_; }

    // Instructions of the pattern's program; 0 without a pattern.
    std::size_t cost() const;

    const std::string& label() const { return label_; }
    MatchOp op() const { return op_; }
    const std::string& value() const { return value_; }
    std::string text() const;  // label="value", in PromQL's quoting

  private:
    Matcher(std::string label, MatchOp op, std::string value);

    std::string label_;
    std::string value_;
    std::shared_ptr<const re2::RE2> regex_;  // set for the two regex operators
    MatchOp op_ = MatchOp::kEqual;
    bool matches_empty_ = false;
};

// A conjunction. Without matchers it selects everything.
struct Selector {
    std::vector<Matcher> matchers;

    std::string text() const;
};

// Parses `name`, `name{label="v",other=~"a.*"}`, `{label!="v"}` or `{"name",label="v"}`; strings in
// ", ' or ` with PromQL's escapes; an empty text and `{}` select everything. kInvalid with the
// position of what is wrong (counted from 1), or what Matcher::make refuses.
Result<Selector> parse_selector(std::string_view text);

}  // namespace ringside::agent
