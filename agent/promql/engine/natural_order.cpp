#include "agent/promql/engine/natural_order.h"

#include <algorithm>
#include <compare>

namespace ringside::agent::promql {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes the digits, or the characters up to the next digit, from the front of the text.
std::string_view take_chunk(std::string_view* text) {
    std::size_t length = 1;
    while (length < text->size() && is_digit((*text)[length]) == is_digit(text->front())) ++length;
    const std::string_view chunk = text->substr(0, length);
    text->remove_prefix(length);
    return chunk;
}

std::strong_ordering compare_chunks(std::string_view a, std::string_view b) {
    if (!is_digit(a.front()) || !is_digit(b.front())) return a <=> b;
    a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
    b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
    return a.size() != b.size() ? a.size() <=> b.size() : a <=> b;
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
    while (!a.empty() && !b.empty()) {
        const auto order = compare_chunks(take_chunk(&a), take_chunk(&b));
        if (order != 0) return order < 0;
    }
    return a.empty() && !b.empty();
}

}  // namespace ringside::agent::promql
