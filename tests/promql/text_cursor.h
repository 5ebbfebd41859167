// Reading a line from left to right.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace ringside::agent::promql::script {

class Cursor {
  public:
    explicit Cursor(std::string_view text) : rest_(text) {}

    bool at_end() const { return rest_.empty(); }
    bool at_space() const { return !rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t'); }
    bool starts_with(std::string_view text) const { return rest_.starts_with(text); }
    std::string_view rest() const { return rest_; }
    // For messages: what stands here, or that nothing does.
    std::string context() const { return rest_.empty() ? "the end" : "'" + std::string(rest_.substr(0, 20)) + "'"; }

    bool accept(std::string_view text) {
        if (!starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    template <typename Predicate>
    std::string_view take_while(Predicate wanted) {
        std::size_t length = 0;
        while (length < rest_.size() && wanted(rest_[length])) ++length;
        const std::string_view taken = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return taken;
    }
    void skip_space() {
        while (at_space()) rest_.remove_prefix(1);
    }
    // Up to the next space.
    std::string_view word() {
        return take_while([](char c) { return c != ' ' && c != '\t'; });
    }

  private:
    std::string_view rest_;
};

// A decimal number, Inf or NaN, with an optional sign, and nothing of what follows it.
Result<double> read_number(Cursor& cursor);

}  // namespace ringside::agent::promql::script
