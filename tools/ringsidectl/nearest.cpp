// Names that look like the one that was not found.
#include <algorithm>
#include <utility>

#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

// Edits from `a` to `b`, a swap of neighbours counting as one (optimal string alignment), or
// `limit` + 1 when there are more.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) {
    if (a.size() > b.size()) std::swap(a, b);
    if (b.size() - a.size() > limit) return limit + 1;
    std::vector<std::size_t> before_last(a.size() + 1), last(a.size() + 1), row(a.size() + 1);
    for (std::size_t i = 0; i <= a.size(); ++i) last[i] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
        row[0] = j;
        for (std::size_t i = 1; i <= a.size(); ++i) {
            const std::size_t changed = last[i - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[i] = std::min({changed, last[i] + 1, row[i - 1] + 1});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[i] = std::min(row[i], before_last[i - 2] + 1);
            }
        }
        std::swap(before_last, last);
        std::swap(last, row);
    }
    return std::min(last[a.size()], limit + 1);
}

}  // namespace

std::vector<std::string> nearest_names(std::string_view wanted, const std::vector<std::string>& known,
                                       std::size_t limit) {
    if (wanted.empty()) return {};
    const std::size_t allowed = std::max<std::size_t>(2, wanted.size() / 3);
    std::vector<std::pair<std::size_t, std::string>> found;
    for (const std::string& name : known) {
        std::size_t distance = edit_distance(wanted, name, allowed);
        if (distance > allowed && !name.starts_with(wanted)) continue;
        // One letter in common is no likeness: of "vm" nearly every name of three letters is two edits
        // away.
        if (distance >= std::max(wanted.size(), name.size())) continue;
        found.emplace_back(distance, name);
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    std::vector<std::string> names;
    for (auto& [distance, name] : found) {
        if (names.size() == limit) break;
        names.push_back(std::move(name));
    }
    return names;
}

std::string did_you_mean(std::string_view wanted, const std::vector<std::string>& known) {
    const std::vector<std::string> names = nearest_names(wanted, known);
    if (names.empty()) return {};
    std::string text = "; did you mean ";
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
        text += printable(names[i]);
    }
    return text + "?";
}

}  // namespace ringside::ctl
