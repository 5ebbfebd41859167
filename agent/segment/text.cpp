#include "agent/segment/text.h"

#include <ringside/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "agent/base/text.h"

namespace ringside::agent {

namespace {

// C0, DEL, and C1 (U+0080 .. U+009F), which terminals obey as well.
bool is_control(std::string_view character) {
    auto lead = static_cast<unsigned char>(character[0]);
    if (character.size() == 1) return lead < 0x20 || lead == 0x7f;
    return lead == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

}  // namespace

bool valid_identifier(std::string_view text) {
    if (text.empty() || text.size() >= RSIDE_MAX_NAME_BYTES) return false;
    auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    return letter(text.front()) &&
           std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

bool reserved_label(std::string_view name) {
    static constexpr std::array<std::string_view, 7> kReserved = {"vm_id", "instance", "job",     "component",
                                                                  "epoch", "le",       "quantile"};
    return name.starts_with("__") || std::ranges::find(kReserved, name) != kReserved.end();
}

std::string printable(std::string_view text) {
    text = text.substr(0, text.find('\0'));
    std::string clean;
    clean.reserve(text.size());
    while (!text.empty()) {
        std::size_t size = utf8_character_bytes(text);
        if (size == 0 || is_control(text.substr(0, size))) {
            clean += '?';
            text.remove_prefix(size == 0 ? 1 : size);
        } else {
            clean += text.substr(0, size);
            text.remove_prefix(size);
        }
    }
    return clean;
}

}  // namespace ringside::agent
