#include "agent/promql/run/sample_budget.h"

#include <algorithm>

namespace ringside::agent {
namespace {

// Half of what is free, at most `most`.
std::uint64_t give(std::atomic<std::uint64_t>& given, std::uint64_t all, std::uint64_t most) {
    std::uint64_t before = given, half = 0;
    do {
        half = std::min(most, (all - before) / 2);
    } while (!given.compare_exchange_weak(before, before + half));
    return half;
}

}  // namespace

SampleBudget::Share::Share(SampleBudget& budget, bool of_tenant) : budget_(budget), of_tenant_(of_tenant) {
    std::uint64_t most = budget_.samples_max_;
    if (of_tenant_) most = give(budget_.given_to_tenants_, budget_.samples_max_ / 2, most);
    samples_ = give(budget_.given_, budget_.samples_max_, most);
    if (of_tenant_) budget_.given_to_tenants_ -= most - samples_;
}

SampleBudget::Share::~Share() {
    budget_.given_ -= samples_;
    if (of_tenant_) budget_.given_to_tenants_ -= samples_;
}

}  // namespace ringside::agent
