#include "agent/prometheus/sample_budget.h"

namespace ringside::agent {

SampleBudget::Share::~Share() {
    const std::lock_guard lock(budget_.mutex_);
    budget_.held_ -= held_;
}

bool SampleBudget::Share::take(std::uint64_t samples) {
    const std::lock_guard lock(budget_.mutex_);
    const std::uint64_t free = budget_.samples_max_ - budget_.held_;
    if (samples > free || held_ + samples > free - samples) return false;
    held_ += samples;
    budget_.held_ += samples;
    return true;
}

std::uint64_t SampleBudget::held() const {
    const std::lock_guard lock(mutex_);
    return held_;
}

}  // namespace ringside::agent
