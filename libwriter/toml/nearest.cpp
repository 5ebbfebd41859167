#include "libwriter/toml/nearest.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace ringside {
namespace {

constexpr std::size_t kLongestNameBytes = 128;

// Optimal string alignment distance, three rows at a time.
std::size_t edits(std::string_view a, std::string_view b) {
    std::vector<std::size_t> two_up(b.size() + 1);
    std::vector<std::size_t> up(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) up[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = up[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({up[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], two_up[j - 2] + 1);
            }
        }
        std::swap(two_up, up);
        std::swap(up, row);
    }
    return up[b.size()];
}

}  // namespace

std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> known) {
    if (typed.size() > kLongestNameBytes) return {};
    std::string_view best;
    std::size_t fewest = std::max<std::size_t>(2, typed.size() / 3) + 1;
    for (std::string_view name : known) {
        const std::size_t distance = edits(typed, name);
        // All letters different is no resemblance, however short the name.
        if (distance < fewest && distance < std::max(typed.size(), name.size())) {
            fewest = distance;
            best = name;
        }
    }
    return best;
}

std::string list_names(std::span<const std::string_view> names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
        text += names[i];
    }
    return text;
}

}  // namespace ringside
