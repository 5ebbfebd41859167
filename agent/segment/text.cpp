#include "agent/segment/text.h"

#include <ringside/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace ringside::agent {

namespace {

// Length of the UTF-8 character at the start of `text`, which is not empty; 0 when it is not one.
std::size_t character_bytes(std::string_view text) {
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    unsigned char lead = byte(0);
    if (lead < 0x80) return 1;
    std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    // 0xc0 and 0xc1 could only start overlong forms, 0xf5 and above lie past U+10FFFF.
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;  // overlong
    if (lead == 0xed && byte(1) > 0x9f) return 0;  // surrogates
    if (lead == 0xf0 && byte(1) < 0x90) return 0;  // overlong
    if (lead == 0xf4 && byte(1) > 0x8f) return 0;  // past U+10FFFF
    return size;
}

// C0, DEL, and C1 (U+0080 .. U+009F), which terminals obey as well.
bool is_control(std::string_view character) {
    auto lead = static_cast<unsigned char>(character[0]);
    if (character.size() == 1) return lead < 0x20 || lead == 0x7f;
    return lead == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

}  // namespace

bool valid_utf8(std::string_view text) {
    while (!text.empty()) {
        std::size_t size = character_bytes(text);
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

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
        std::size_t size = character_bytes(text);
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
