#include "agent/segment/refusal.h"

namespace ringside::agent {

const char* reason_name(QuarantineReason reason) {
    switch (reason) {
        case QuarantineReason::kUnreadable: return "unreadable";
        case QuarantineReason::kBusy: return "busy";
        case QuarantineReason::kNotRegular: return "not-regular";
        case QuarantineReason::kOtherDevice: return "other-device";
        case QuarantineReason::kLinks: return "links";
        case QuarantineReason::kWrongOwner: return "wrong-owner";
        case QuarantineReason::kTooLarge: return "too-large";
        case QuarantineReason::kWrongSize: return "wrong-size";
        case QuarantineReason::kHole: return "hole";
        case QuarantineReason::kBadMagic: return "bad-magic";
        case QuarantineReason::kOtherVersion: return "other-version";
        case QuarantineReason::kBadHeader: return "bad-header";
        case QuarantineReason::kBadChecksum: return "bad-checksum";
        case QuarantineReason::kBadSchema: return "bad-schema";
        case QuarantineReason::kNameMismatch: return "name-mismatch";
        case QuarantineReason::kBadDirectory: return "bad-directory";
        case QuarantineReason::kShrunk: return "shrunk";
        case QuarantineReason::kOverBudget: return "over-budget";
    }
    return "unknown";
}

const char* reason_text(QuarantineReason reason) {
    switch (reason) {
        case QuarantineReason::kUnreadable:
            return "The agent cannot open or read the file; give its group read access (mode 0640 in a setgid folder).";
        case QuarantineReason::kBusy: return "Another process holds a lease on the file; the agent tries again.";
        case QuarantineReason::kNotRegular: return "A segment is a regular file; remove what stands in its place.";
        case QuarantineReason::kOtherDevice:
            return "A segment lies on the file system of its folder; unmount what covers it.";
        case QuarantineReason::kLinks: return "A segment has exactly one name; remove its other hard links.";
        case QuarantineReason::kWrongOwner:
            return "The owner of the file may not write for this VM; admit the VM under that user.";
        case QuarantineReason::kTooLarge:
            return "The file is larger than the agent accepts; use a smaller schema or raise the limit.";
        case QuarantineReason::kWrongSize:
            return "The file was cut or grown after its creation, or never completed; remove it.";
        case QuarantineReason::kHole:
            return "Not every page of the file is allocated; create segments with the writer library.";
        case QuarantineReason::kBadMagic: return "The file is not a segment; remove it.";
        case QuarantineReason::kOtherVersion:
            return "Another release wrote this segment; run an agent that reads its format version.";
        case QuarantineReason::kBadHeader:
            return "The header contradicts the format; the VM or its writer library is broken.";
        case QuarantineReason::kBadChecksum:
            return "Header or schema were changed after creation; the VM or its memory is broken.";
        case QuarantineReason::kBadSchema: return "The schema breaks a rule; check it with ringsidectl schema check.";
        case QuarantineReason::kNameMismatch:
            return "The file was renamed or claims to be of another VM; restore its name or remove it.";
        case QuarantineReason::kBadDirectory:
            return "A registered series breaks a rule; the VM or its writer library is broken.";
        case QuarantineReason::kShrunk: return "The file was cut while it was read; what it still held is lost.";
        case QuarantineReason::kOverBudget:
            return "The VM is over a limit of this host; raise the limit or shrink its schema.";
    }
    return "";
}

std::string Refusal::message() const {
    std::string text = reason_name(reason);
    if (!detail.empty()) text += ": " + detail;
    return text + ". " + reason_text(reason);
}

}  // namespace ringside::agent
