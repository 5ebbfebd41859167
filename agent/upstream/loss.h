// What an upstream will never get of one VM epoch, and why. Kept beside the VM's cursor, so that an audit can tell years
// of windows that were acknowledged from the few that were not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ringside::agent {

inline constexpr std::uint32_t kEverySeries = UINT32_MAX;        // of the VM
inline constexpr std::uint32_t kUnnamedSeries = UINT32_MAX - 1;  // some: the receiver did not say which

struct Loss {
    std::string reason;  // as in the counters: "lapped", "too_old", "http_400"; kReasonBytesMax at most
    std::uint32_t series = kEverySeries;       // index in the VM's segment
    std::uint64_t after_ns = 0, until_ns = 0;  // windows that end after the one and not after the other
    std::uint64_t samples = 0;                 // that were sent and refused; 0: none was sent, or nobody can count them
    bool operator==(const Loss&) const = default;
};

inline constexpr std::size_t kReasonBytesMax = 31;
// The most losses that are told apart for one VM epoch. What comes on top is merged into the last one.
inline constexpr std::size_t kLossesMax = 32;
inline constexpr char kManyReasons[] = "several";

// The losses of one VM epoch, each in its slot for good.
class LossList {
  public:
    // Takes one in: neighbours of one reason and series become one, and one that is there already (an attempt that a
    // crash repeated) changes nothing. The slot that changed, or all().size() when none did.
    std::size_t add(Loss loss);
    // As a file gives it back.
    void put(std::size_t slot, Loss loss);

    const std::vector<Loss>& all() const { return losses_; }

  private:
    std::size_t merge_into_last(const Loss& loss);

    std::vector<Loss> losses_;
};

}  // namespace ringside::agent
