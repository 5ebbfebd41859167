// A regular expression of an operator: RE2's syntax, matched against the whole text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace re2 {
class RE2;
}

namespace ringside::agent {

// A value, cheap to copy; safe for concurrent use.
class Pattern {
  public:
    // kInvalid with what is wrong: RE2's words, or a pattern of more than 1 KiB or of too many states.
    static Result<Pattern> parse(const std::string& text);

    bool matches(std::string_view text) const;
    // `replacement` with its $1 or ${1} and $0 filled in; $$ is a $. Nothing where the pattern does not match.
    std::optional<std::string> replace(std::string_view text, const std::string& replacement) const;
    // kInvalid where it names a group that the pattern does not have.
    Result<void> check_replacement(const std::string& replacement) const;

    const std::string& text() const;

  private:
    explicit Pattern(std::shared_ptr<const re2::RE2> regex) : regex_(std::move(regex)) {}

    std::shared_ptr<const re2::RE2> regex_;
};

}  // namespace ringside::agent
