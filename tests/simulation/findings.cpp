#include "tests/simulation/findings.h"

namespace ringside::simulation {

constexpr std::uint64_t kLinesOfAKind = 5;

const char* fault_name(Fault fault) {
    switch (fault) {
        case Fault::kLost: return "lost";
        case Fault::kDoubled: return "doubled";
        case Fault::kInvented: return "invented";
        case Fault::kDisorder: return "disorder";
        case Fault::kArchive: return "archive";
        case Fault::kAudit: return "audit";
        case Fault::kUnsettled: return "unsettled";
    }
    return "unknown";
}

void Findings::add(Fault fault, const std::string& text) {
    if (++counts_[fault] > kLinesOfAKind) return;
    lines_.push_back(std::string(fault_name(fault)) + ": " + text);
}

void Findings::trace(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) hash_ = (hash_ ^ ((number >> shift) & 0xff)) * 0x100000001b3;
}

void Findings::trace(const std::string& text) {
    for (const char byte : text) hash_ = (hash_ ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
}

std::uint64_t Findings::count(Fault fault) const {
    auto at = counts_.find(fault);
    return at == counts_.end() ? 0 : at->second;
}

std::uint64_t Findings::faults() const {
    std::uint64_t sum = 0;
    for (const auto& [fault, count] : counts_) sum += count;
    return sum;
}

std::string Findings::text() const {
    std::string text;
    for (const auto& [fault, count] : counts_)
        text += std::string(fault_name(fault)) + " " + std::to_string(count) + "\n";
    for (const std::string& line : lines_) text += line + "\n";
    return text;
}

}  // namespace ringside::simulation
