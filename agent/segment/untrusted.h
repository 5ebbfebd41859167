// Untrusted<T>: a number that another process wrote. It converts to nothing; it has to pass a check to become a T.
#pragma once

#include <cstdint>
#include <optional>

namespace ringside::agent {

template <typename T>
class Untrusted {
  public:
    explicit constexpr Untrusted(T value) : value_(value) {}

    // The value, if low <= value <= high.
    constexpr std::optional<T> between(T low, T high) const {
        if (value_ < low || value_ > high) return std::nullopt;
        return value_;
    }
    constexpr std::optional<T> at_most(T high) const {
        if (value_ > high) return std::nullopt;
        return value_;
    }
    // The value, if it is an index into something that has `count` elements.
    constexpr std::optional<T> index_below(T count) const {
        if (value_ >= count) return std::nullopt;
        return value_;
    }
    // Comparing with what is known already needs no check first.
    constexpr bool is(T expected) const { return value_ == expected; }
    // For messages to people only; never for arithmetic.
    constexpr T shown() const { return value_; }

  private:
    T value_;
};

// Whether `size` bytes from `offset` on lie within `limit` bytes. Nothing is added, so nothing can wrap around.
constexpr bool fits(Untrusted<std::uint32_t> offset, Untrusted<std::uint32_t> size, std::uint32_t limit) {
    std::optional<std::uint32_t> begin = offset.at_most(limit);
    return begin && size.at_most(limit - *begin).has_value();
}

}  // namespace ringside::agent
