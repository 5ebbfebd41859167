#include "agent/catalog/admission.h"

#include <array>
#include <charconv>

#include "agent/base/crc32c.h"

namespace ringside::agent {
namespace {

constexpr std::string_view kHeader = "ringside admissions 1\n";
constexpr std::string_view kChecksum = "crc32c ";

Error corrupt(const std::string& what) { return error(Code::kCorrupt, "list of admissions: " + what); }

// Cuts the text up to `end` off the front of `rest`; false when there is no `end`.
bool cut(std::string_view* rest, char end, std::string_view* part) {
    std::size_t at = rest->find(end);
    if (at == std::string_view::npos) return false;
    *part = rest->substr(0, at);
    rest->remove_prefix(at + 1);
    return true;
}

template <typename T>
bool read_number(std::string_view text, T* number) {
    const char* end = text.data() + text.size();
    auto [at, failed] = std::from_chars(text.data(), end, *number);
    return failed == std::errc() && at == end && !text.empty();
}

// "vm_id uid segment_bytes series label_bytes admitted_ns expires_ns"
bool parse_line(std::string_view line, Admission* admission) {
    std::array<std::string_view, 7> fields;
    for (std::size_t i = 0; i + 1 < fields.size(); ++i) {
        if (!cut(&line, ' ', &fields[i])) return false;
    }
    fields.back() = line;
    admission->vm_id = fields[0];
    return !fields[0].empty() && read_number(fields[1], &admission->uid) &&
           read_number(fields[2], &admission->demand.segment_bytes) &&
           read_number(fields[3], &admission->demand.series) &&
           read_number(fields[4], &admission->demand.label_bytes) && read_number(fields[5], &admission->admitted_ns) &&
           read_number(fields[6], &admission->expires_ns);
}

std::string checksum_line(std::string_view text) {
    return std::string(kChecksum) + std::to_string(crc32c(0, text.data(), text.size())) + "\n";
}

}  // namespace

const Admission* AdmissionTable::find(const std::string& vm_id) const {
    auto at = by_vm_.find(vm_id);
    return at == by_vm_.end() ? nullptr : &at->second;
}

void AdmissionTable::set(Admission admission) {
    std::string vm_id = admission.vm_id;
    by_vm_[vm_id] = std::move(admission);
}

bool AdmissionTable::set_present(const std::string& vm_id, bool present, std::uint64_t now_ns, std::uint64_t ttl_ns) {
    auto at = by_vm_.find(vm_id);
    if (at == by_vm_.end() || at->second.present() == present) return false;
    at->second.expires_ns = present ? 0 : expiry(now_ns, ttl_ns);
    return true;
}

std::vector<std::string> AdmissionTable::expire(std::uint64_t now_ns,
                                                const std::function<bool(const Admission&)>& spared) {
    std::vector<std::string> expired;
    for (auto at = by_vm_.begin(); at != by_vm_.end();) {
        const Admission& one = at->second;
        const bool over = !one.present() && one.expires_ns <= now_ns && one.expires_ns != kNeverExpires;
        if (!over || (spared && spared(one))) {
            ++at;
            continue;
        }
        expired.push_back(at->first);
        at = by_vm_.erase(at);
    }
    return expired;
}

Demand AdmissionTable::reserved() const {
    Demand sum;
    for (const auto& [vm_id, admission] : by_vm_) {
        if (!admission.present()) sum += admission.demand;
    }
    return sum;
}

std::uint64_t AdmissionTable::reserved_count() const {
    std::uint64_t count = 0;
    for (const auto& [vm_id, admission] : by_vm_) count += admission.present() ? 0 : 1;
    return count;
}

std::string AdmissionTable::text() const {
    std::string text(kHeader);
    for (const auto& [vm_id, one] : by_vm_) {
        text += vm_id + ' ' + std::to_string(one.uid);
        for (std::uint64_t number :
             {one.demand.segment_bytes, one.demand.series, one.demand.label_bytes, one.admitted_ns, one.expires_ns}) {
            text += ' ' + std::to_string(number);
        }
        text += '\n';
    }
    return text + checksum_line(text);
}

Result<AdmissionTable> AdmissionTable::parse(std::string_view text) {
    if (!text.starts_with(kHeader)) return corrupt("the first line is not \"ringside admissions 1\"");
    std::size_t last = text.rfind(kChecksum);
    if (last == std::string_view::npos || text.substr(last) != checksum_line(text.substr(0, last))) {
        return corrupt("the checksum at its end does not fit");
    }
    std::string_view rest = text.substr(kHeader.size(), last - kHeader.size());
    AdmissionTable table;
    std::string_view line;
    while (cut(&rest, '\n', &line)) {
        Admission admission;
        if (!parse_line(line, &admission)) return corrupt("a line is not understood");
        table.set(std::move(admission));
    }
    if (!rest.empty()) return corrupt("the last line has no end");
    return table;
}

}  // namespace ringside::agent
