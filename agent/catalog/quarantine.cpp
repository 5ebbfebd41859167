#include "agent/catalog/quarantine.h"

namespace ringside::agent {

bool Quarantine::put(QuarantinedFile file) {
    auto at = by_file_.find(file.file);
    if (at == by_file_.end()) {
        if (by_file_.size() >= capacity_) {
            ++overflowed_;
            return false;
        }
        std::string name = file.file;
        by_file_.emplace(std::move(name), std::move(file));
        return true;
    }
    const bool news = at->second.reason != file.reason || !at->second.stamp.same_file(file.stamp);
    if (!news) file.since_ns = at->second.since_ns;
    at->second = std::move(file);
    return news;
}

const QuarantinedFile* Quarantine::find(const std::string& file) const {
    auto at = by_file_.find(file);
    return at == by_file_.end() ? nullptr : &at->second;
}

bool Quarantine::worth_opening(const std::string& file, const FileStamp& stamp, std::uint64_t rules_version,
                               bool sweep) const {
    const QuarantinedFile* known = find(file);
    if (!known || !known->stamp.same_file(stamp)) return true;
    if (known->stamp != stamp) return sweep;
    switch (known->retry) {
        case Retry::kNever: return false;
        case Retry::kOnRules: return known->rules_version != rules_version;
        case Retry::kAlways: return sweep;
    }
    return true;
}

std::map<std::string, std::uint64_t> Quarantine::count_by_reason() const {
    std::map<std::string, std::uint64_t> counts;
    for (const auto& [name, file] : by_file_) ++counts[file.reason];
    return counts;
}

}  // namespace ringside::agent
