#include "agent/segment/name.h"

#include <ringside/format.h>

#include <algorithm>

namespace ringside::agent {

namespace {

constexpr std::string_view kSuffix = ".seg";

// Not isalnum and the like: those ask the locale, and a name means the same everywhere.
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Cuts the last dot and what follows it off `rest` and returns what follows; nothing when there is no dot.
std::optional<std::string_view> take_last_field(std::string_view& rest) {
    std::size_t dot = rest.rfind('.');
    if (dot == std::string_view::npos) return std::nullopt;
    std::string_view field = rest.substr(dot + 1);
    rest = rest.substr(0, dot);
    return field;
}

}  // namespace

bool valid_vm_id(std::string_view text) {
    if (text.empty() || text.size() >= RSIDE_VM_ID_BYTES) return false;
    auto allowed = [](char c) {
        return is_lower(c) || is_upper(c) || is_digit(c) || c == '.' || c == '_' || c == ':' || c == '-';
    };
    char first = text.front();
    return (is_lower(first) || is_upper(first) || is_digit(first)) && std::ranges::all_of(text, allowed);
}

bool valid_component(std::string_view text) {
    if (text.empty() || text.size() >= RSIDE_COMPONENT_BYTES) return false;
    return std::ranges::all_of(text, [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-'; });
}

std::optional<SegmentName> SegmentName::parse(std::string_view file_name) {
    if (!file_name.ends_with(kSuffix)) return std::nullopt;
    std::string_view rest = file_name.substr(0, file_name.size() - kSuffix.size());

    SegmentName name;
    std::optional<std::string_view> field = take_last_field(rest);
    if (!field) return std::nullopt;
    Result<Epoch> epoch = parse_epoch(std::string(*field));
    if (!epoch) {
        if (!valid_component(*field)) return std::nullopt;
        name.component = *field;
        field = take_last_field(rest);
        if (!field) return std::nullopt;
        epoch = parse_epoch(std::string(*field));
        if (!epoch) return std::nullopt;
    }
    if (!valid_vm_id(rest)) return std::nullopt;
    name.epoch = *epoch;
    name.vm_id = rest;
    return name;
}

std::string SegmentName::text() const {
    std::string text = vm_id + "." + epoch_text(epoch);
    if (!component.empty()) text += "." + component;
    return text + std::string(kSuffix);
}

}  // namespace ringside::agent
