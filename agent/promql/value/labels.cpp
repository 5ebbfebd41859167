#include "agent/promql/value/labels.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdio>

#include "agent/base/text.h"

namespace ringside::agent::promql {
namespace {

// One byte for lengths below 255, else 0xff and three bytes, the least significant first.
void append_sized(std::string& bytes, std::string_view text) {
    if (text.size() < 255) {
        bytes += static_cast<char>(text.size());
    } else {
        bytes += '\xff';
        for (unsigned shift = 0; shift < 24; shift += 8) bytes += static_cast<char>((text.size() >> shift) & 0xff);
    }
    bytes += text;
}

std::uint64_t hash_of(const LabelSet& set) {
    std::string bytes;
    for (const Label& label : set) {
        append_sized(bytes, label.name);
        append_sized(bytes, label.value);
    }
    return XXH64(bytes.data(), bytes.size(), 0);
}

bool contains(std::span<const std::string> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool is_metadata_label(std::string_view name) { return name == kNameLabel || name == kTypeLabel || name == kUnitLabel; }

Labels::Labels(LabelSet set) {
    if (set.empty()) return;
    std::uint64_t hash = hash_of(set);
    rep_ = std::make_shared<const Rep>(std::move(set), hash);
}

const LabelSet& Labels::set() const {
    static const LabelSet none;
    return rep_ ? rep_->set : none;
}

std::string_view Labels::get(std::string_view name) const { return label_value(set(), name); }

Labels Labels::without_metadata() const {
    auto is_metadata = [](const Label& label) { return is_metadata_label(label.name); };
    if (std::none_of(set().begin(), set().end(), is_metadata)) return *this;
    LabelSet rest = set();
    std::erase_if(rest, is_metadata);
    return Labels(std::move(rest));
}

std::string Labels::text() const {
    std::string text = "{";
    for (const Label& label : set()) {
        if (text.size() > 1) text += ", ";
        text += is_label_name(label.name) ? label.name : quote(label.name);
        text += '=' + quote(label.value);
    }
    return text + '}';
}

void LabelsBuilder::set(std::string_view name, std::string_view value) {
    auto at = std::lower_bound(set_.begin(), set_.end(), name,
                               [](const Label& label, std::string_view n) { return label.name < n; });
    bool found = at != set_.end() && at->name == name;
    if (value.empty()) {
        if (found) set_.erase(at);
    } else if (found) {
        at->value = value;
    } else {
        set_.insert(at, {std::string(name), std::string(value)});
    }
}

void LabelsBuilder::erase(std::span<const std::string> names) {
    std::erase_if(set_, [&](const Label& label) { return contains(names, label.name); });
}

void LabelsBuilder::keep(std::span<const std::string> names) {
    std::erase_if(set_, [&](const Label& label) { return !contains(names, label.name); });
}

}  // namespace ringside::agent::promql
