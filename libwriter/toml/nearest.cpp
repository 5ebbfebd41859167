#include "libwriter/toml/nearest.h"

#include <algorithm>
#include <utility>

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

std::vector<std::string_view> nearest_names(std::string_view typed, std::span<const std::string_view> known,
                                            std::size_t limit) {
    if (typed.size() > kLongestNameBytes) return {};
    const std::size_t farthest = std::max<std::size_t>(2, typed.size() / 3);
    std::vector<std::pair<std::size_t, std::string_view>> ranked;
    for (std::string_view name : known) {
        if (name.size() > kLongestNameBytes) continue;
        const std::size_t distance = edits(typed, name);
        // Somebody who types half a name means it, too.
        const bool is_part = typed.size() >= 2 && name.find(typed) != std::string_view::npos;
        // All letters different is no resemblance, however short the name.
        const bool is_near = distance <= farthest && distance < std::max(typed.size(), name.size());
        if (is_near || is_part) ranked.emplace_back(std::min(distance, farthest), name);
    }
    std::sort(ranked.begin(), ranked.end());
    ranked.erase(std::unique(ranked.begin(), ranked.end()), ranked.end());
    if (ranked.size() > limit) ranked.resize(limit);
    std::vector<std::string_view> nearest;
    for (const auto& [distance, name] : ranked) nearest.push_back(name);
    return nearest;
}

std::string list_names(std::span<const std::string_view> names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
        text += names[i];
    }
    return text;
}

std::string did_you_mean(std::span<const std::string_view> nearest) {
    return nearest.empty() ? "" : "; did you mean " + list_names(nearest) + "?";
}

}  // namespace ringside
