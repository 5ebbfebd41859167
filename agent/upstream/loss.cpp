#include "agent/upstream/loss.h"

#include <algorithm>
#include <utility>

namespace ringside::agent {

std::size_t LossList::add(Loss loss) {
    if (loss.reason.size() > kReasonBytesMax) loss.reason.resize(kReasonBytesMax);
    for (std::size_t slot = 0; slot < losses_.size(); ++slot) {
        Loss& known = losses_[slot];
        if (known.reason != loss.reason || known.series != loss.series) continue;
        if (loss.after_ns < known.after_ns || loss.after_ns > known.until_ns) continue;
        if (loss.until_ns <= known.until_ns) return losses_.size();
        known.until_ns = loss.until_ns;
        known.samples += loss.samples;
        return slot;
    }
    if (losses_.size() == kLossesMax) return merge_into_last(loss);
    losses_.push_back(std::move(loss));
    return losses_.size() - 1;
}

std::size_t LossList::merge_into_last(const Loss& loss) {
    Loss& last = losses_.back();
    const bool whole_vm = last.series == kEverySeries && loss.series == kEverySeries;
    last.series = whole_vm ? kEverySeries : kUnnamedSeries;
    last.reason = last.reason == loss.reason ? loss.reason : kManyReasons;
    last.after_ns = std::min(last.after_ns, loss.after_ns);
    last.until_ns = std::max(last.until_ns, loss.until_ns);
    last.samples += loss.samples;
    return losses_.size() - 1;
}

void LossList::put(std::size_t slot, Loss loss) {
    if (slot >= kLossesMax) return;
    if (slot >= losses_.size()) losses_.resize(slot + 1);
    losses_[slot] = std::move(loss);
}

}  // namespace ringside::agent
