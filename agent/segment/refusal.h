// Why a file is not served as a segment: a closed list, so that each reason has a name in metrics, in the API and in logs.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace ringside::agent {

enum class QuarantineReason : std::uint8_t {
    kUnreadable,   // open or read failed
    kBusy,         // somebody holds a lease on it
    kNotRegular,   // symlink, FIFO, socket, device, folder
    kOtherDevice,  // a file of another file system, mounted over the name
    kLinks,        // more than one hard link
    kWrongOwner,   // the owner may not write this VM's segment
    kTooLarge,
    kWrongSize,     // not the size that its header or its schema says
    kHole,          // a page was never allocated or was punched out
    kBadMagic,      // not a segment at all
    kOtherVersion,  // a segment of another format version: never deleted
    kBadHeader,     // a header field contradicts the format or the schema
    kBadChecksum,
    kBadSchema,     // the schema breaks a rule
    kNameMismatch,  // the header names another VM, epoch or component than the file name
    kBadDirectory,  // a series record breaks a rule
    kShrunk,        // was cut while it was served
    kOverBudget,    // refused by the agent's limits, not by its bytes
};
inline constexpr std::array kAllReasons = {
    QuarantineReason::kUnreadable,   QuarantineReason::kBusy,         QuarantineReason::kNotRegular,
    QuarantineReason::kOtherDevice,  QuarantineReason::kLinks,        QuarantineReason::kWrongOwner,
    QuarantineReason::kTooLarge,     QuarantineReason::kWrongSize,    QuarantineReason::kHole,
    QuarantineReason::kBadMagic,     QuarantineReason::kOtherVersion, QuarantineReason::kBadHeader,
    QuarantineReason::kBadChecksum,  QuarantineReason::kBadSchema,    QuarantineReason::kNameMismatch,
    QuarantineReason::kBadDirectory, QuarantineReason::kShrunk,       QuarantineReason::kOverBudget,
};

// "bad-magic" and the like: for metrics, JSON and scripts.
const char* reason_name(QuarantineReason reason);
// One sentence for people: what it means and what to do.
const char* reason_text(QuarantineReason reason);

struct Refusal {
    QuarantineReason reason = QuarantineReason::kUnreadable;
    std::string detail;  // what exactly was seen, for instance "the file has 4096 bytes, its header says 8192"

    // "bad-magic: detail. What to do." Every byte that came from the segment has been made printable.
    std::string message() const;
};

// What a check returns: the checked thing, or why there is none.
template <typename T>
class [[nodiscard]] Checked {
  public:
    Checked(T value) : state_(std::in_place_index<0>, std::move(value)) {}            // NOLINT: implicit on purpose
    Checked(Refusal refusal) : state_(std::in_place_index<1>, std::move(refusal)) {}  // NOLINT

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    // Only when ok().
    T& operator*() { return *std::get_if<0>(&state_); }
    const T& operator*() const { return *std::get_if<0>(&state_); }
    T* operator->() { return std::get_if<0>(&state_); }
    const T* operator->() const { return std::get_if<0>(&state_); }
    // Only when !ok().
    const Refusal& refusal() const { return *std::get_if<1>(&state_); }

  private:
    std::variant<T, Refusal> state_;
};

}  // namespace ringside::agent
