#include "tools/bridge/host/memory.h"

#include <limits>

#include "tools/bridge/text.h"

namespace ringside::bridge {
namespace {

constexpr std::uint64_t kBytesPerKib = 1024;
// More lines than any kernel prints: what a strange file cannot exceed.
constexpr std::size_t kMostFields = 256;

bool parse_field(std::string_view line, MemoryField& out) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    out.name = line.substr(0, colon);
    if (out.name.find_first_of(" \t") != std::string_view::npos) return false;
    line.remove_prefix(colon + 1);
    if (!next_number(line, out.value)) return false;
    std::string_view unit;
    out.bytes = next_word(line, unit);
    if (!out.bytes) return true;
    if (unit != "kB" || out.value > std::numeric_limits<std::uint64_t>::max() / kBytesPerKib) return false;
    out.value *= kBytesPerKib;
    return true;
}

}  // namespace

std::size_t parse_meminfo(std::string_view text, std::vector<MemoryField>& out) {
    out.clear();
    std::size_t bad_lines = 0;
    std::string_view line;
    while (next_line(text, line)) {
        MemoryField field{};
        if (parse_field(line, field) && out.size() < kMostFields) {
            out.push_back(field);
        } else {
            ++bad_lines;
        }
    }
    return bad_lines;
}

std::string memory_metric_name(const MemoryField& field) {
    std::string name = "node_memory_";
    for (const char letter : field.name) {
        if (letter != ')') name += letter == '(' ? '_' : letter;
    }
    if (field.bytes) name += "_bytes";
    return name;
}

ReadResult MemorySource::read() {
    if (ReadResult result = read_file(file_, path_); result.status != ReadResult::Status::kGood) return result;
    return read_result(path_, parse_meminfo(file_.text(), fields_));
}

MemorySource::Known& MemorySource::known(std::size_t index, const MemoryField& field, Recorder& recorder) {
    const auto is = [&](const Known& candidate) {
        return candidate.name == field.name && candidate.bytes == field.bytes;
    };
    if (index < known_.size() && is(known_[index])) return known_[index];
    for (Known& candidate : known_) {
        if (is(candidate)) return candidate;
    }
    const std::string metric = memory_metric_name(field);
    const bool wanted = recorder.metric(metric) != nullptr && known_.size() < kMostFields;
    known_.push_back({std::string(field.name), field.bytes, wanted ? recorder.reading(metric.c_str()) : Reading()});
    return known_.back();
}

void MemorySource::record(Recorder& recorder) {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        known(i, fields_[i], recorder).reading.set(static_cast<double>(fields_[i].value));
    }
}

}  // namespace ringside::bridge
