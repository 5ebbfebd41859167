#include "agent/descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace ringside::agent {
namespace {

// The kernel's table of descriptors grows with the highest number: 512 KiB for these. What LimitNOFILE= of the unit says.
constexpr std::uint64_t kMost = 65536;
constexpr std::uint64_t kFewest = 256;
// A connection's number rests for 10 s before it is used again: enough for 800 connections a second.
constexpr std::uint64_t kConnectionsMax = 8192;
// Standard streams, log, lock and sockets: 20. Archive files that become durable together: 24. Listing, upstreams and
// readers of the archive: one or two each at a time. The 64 connections of HTTP borrow from those of the API, which has more
// numbers than connections.
constexpr std::uint64_t kOwn = 64;
// A few seconds of drains, so that they never wait for the scan.
constexpr std::uint64_t kDeadMax = 256;

std::string advice(std::uint64_t wanted) {
    return "raise it (LimitNOFILE= of the unit, ulimit -n) to " + std::to_string(wanted);
}

}  // namespace

Result<DescriptorShares> share_descriptors(std::uint64_t limit) {
    if (limit < kFewest) {
        return error(Code::kExhausted,
                     "the limit of open files is " + std::to_string(limit) + "; " + advice(kFewest) + " at least");
    }
    DescriptorShares shares;
    shares.limit = std::min(limit, kMost);
    shares.connections = std::min(shares.limit / 2, kConnectionsMax);
    const std::uint64_t segments = shares.limit - shares.connections - kOwn;
    shares.dead = std::min(segments / 4, kDeadMax);
    shares.living = segments - shares.dead;
    return shares;
}

Result<DescriptorShares> claim_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return errno_error(errno, "cannot read the limit of open files");
    if (limit.rlim_cur < kMost && limit.rlim_cur < limit.rlim_max) {
        rlimit raised = limit;
        raised.rlim_cur = std::min<rlim_t>(kMost, limit.rlim_max);
        // A failure leaves the old limit, which is dealt with next.
        if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    return share_descriptors(limit.rlim_cur);
}

std::optional<std::string> descriptor_warning(const DescriptorShares& shares, const Budgets& budgets) {
    if (budgets.host_segments <= shares.living) return std::nullopt;
    std::string text = "option host-segments is " + std::to_string(budgets.host_segments) +
                       ", but the limit of open files (" + std::to_string(shares.limit) + ") holds " +
                       std::to_string(shares.living) +
                       " segments of living VMs; further ones are left alone until there is room: ";
    const std::uint64_t wanted = budgets.host_segments + kDeadMax + kOwn + kConnectionsMax;
    if (wanted > kMost) return text + "lower host-segments";
    return text + advice(wanted) + ", or lower host-segments";
}

}  // namespace ringside::agent
