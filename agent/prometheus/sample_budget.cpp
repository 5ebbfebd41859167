#include "agent/prometheus/sample_budget.h"

namespace ringside::agent {

SampleBudget::Share::Share(SampleBudget& budget) : budget_(budget) {
    const std::lock_guard lock(budget_.mutex_);
    samples_ = (budget_.samples_max_ - budget_.given_) / 2;
    budget_.given_ += samples_;
}

SampleBudget::Share::~Share() {
    const std::lock_guard lock(budget_.mutex_);
    budget_.given_ -= samples_;
}

}  // namespace ringside::agent
