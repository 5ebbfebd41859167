// Admissions: what a launcher was promised for a VM before it boots, and which uid may own its segments.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/catalog/budget.h"

namespace ringside::agent {

inline constexpr std::uint64_t kNeverExpires = UINT64_MAX;

// When a wait that begins now is over; without an end when `ttl_ns` is 0 or longer than time goes.
inline std::uint64_t expiry(std::uint64_t now_ns, std::uint64_t ttl_ns) {
    return ttl_ns == 0 || ttl_ns > kNeverExpires - now_ns ? kNeverExpires : now_ns + ttl_ns;
}

struct Admission {
    std::string vm_id;
    std::uint32_t uid = 0;
    Demand demand;
    std::uint64_t admitted_ns = 0;
    std::uint64_t expires_ns = 0;  // 0: a segment of the VM is there; kNeverExpires: waits without an end

    bool present() const { return expires_ns == 0; }
    bool operator==(const Admission&) const = default;
};

// All admissions by vm_id. A plain value with no lock: its owner guards it.
class AdmissionTable {
  public:
    const Admission* find(const std::string& vm_id) const;
    void set(Admission admission);
    void erase(const std::string& vm_id) { by_vm_.erase(vm_id); }
    const std::map<std::string, Admission>& all() const { return by_vm_; }

    // Starts the wait for a segment, or ends it. Nothing for a VM without an admission. Whether something changed.
    bool set_present(const std::string& vm_id, bool present, std::uint64_t now_ns, std::uint64_t ttl_ns);

    // Takes out what has waited for too long and is not `spared`, and says whose they were.
    std::vector<std::string> expire(std::uint64_t now_ns, const std::function<bool(const Admission&)>& spared = {});

    // What those still waiting for their segment have been promised, and how many they are.
    Demand reserved() const;
    std::uint64_t reserved_count() const;

    // Lines of text with a checksum, for a file. parse() gives kCorrupt for anything that text() did not write.
    std::string text() const;
    static Result<AdmissionTable> parse(std::string_view text);

    bool operator==(const AdmissionTable&) const = default;

  private:
    std::map<std::string, Admission> by_vm_;
};

}  // namespace ringside::agent
