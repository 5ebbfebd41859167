// What an audit of one VM epoch finds: what it recorded, tier by tier, and what each upstream acknowledged of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/model.h"
#include "agent/upstream/cursor_store.h"

namespace ringside::agent {

// What the windows of one series and tier come to. Of cumulative kinds it is what their newest window says; of gauges the
// sum over all windows.
struct SeriesTotals {
    std::uint64_t windows = 0;
    std::uint64_t from_ns = 0, until_ns = 0;  // ends of the first and of the last
    std::uint64_t count = 0;                  // counter: its value; gauge, histogram: observations; level: ns held
    double sum = 0;  // counter_f64: its value; gauge, histogram: of observations; level: value x seconds
    bool operator==(const SeriesTotals&) const = default;
};

// One window that does not add up with the finer windows that it consists of.
struct TierDifference {
    std::uint32_t fine_s = 0, coarse_s = 0;  // resolutions
    std::uint64_t end_ns = 0;
    std::string text;  // "count: 299 in 1s windows, 300 in this one"
};

inline constexpr std::size_t kDifferencesKept = 4;

struct SeriesAudit {
    SeriesInfo series;
    std::vector<SeriesTotals> tiers;          // as in the schema, finest first
    std::uint64_t compared = 0;               // windows of a coarser tier that were compared with finer ones
    std::uint64_t differing = 0;              // of them
    std::vector<TierDifference> differences;  // some of them
    std::string unreadable;                   // why it could not be read; "" when it could
};

enum class AckVerdict {
    kEqual,    // what was answered is what the source holds, up to the cursor, and all of it was accepted
    kLost,     // the same but for losses, each of which has its reason
    kUnknown,  // the source does not hold enough to say: see `note`
    kDiffers,  // neither: a mistake of ours
};
const char* ack_verdict_name(AckVerdict verdict);  // "equal", "lost", "unknown", "differs"

struct SeriesAck {
    std::uint32_t series = 0;      // index
    SeriesTotals acknowledged;     // of the windows that were answered and are held
    std::uint64_t never_sent = 0;  // windows among them that were not
    std::uint64_t refused = 0;     // samples
};

struct UpstreamAudit {
    std::string upstream;
    AckVerdict verdict = AckVerdict::kUnknown;
    std::string note;
    Ledger ledger;
    Tally expected;             // what ledger.cursor.answered should be, counted again from the source
    std::uint64_t pending = 0;  // closed windows that are not acknowledged yet
    std::vector<SeriesAck> series;
};

struct VmAudit {
    VmInfo vm;
    std::shared_ptr<const SchemaInfo> schema;
    std::vector<SeriesAudit> series;
    // Drained: what a look at every byte of the archive file says; "" when it is sound.
    std::optional<std::string> archive;
    std::vector<UpstreamAudit> upstreams;
};

enum class AuditVerdict {
    kEqual,    // all that was recorded is held, and acknowledged or on its way
    kLossy,    // something is gone, each with its reason
    kDiffers,  // something does not add up, without a reason
};
const char* audit_verdict_name(AuditVerdict verdict);  // "equal", "lossy", "differs"
AuditVerdict verdict_of(const VmAudit& audit);

}  // namespace ringside::agent
