#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "agent/api/call_gate.h"
#include "agent/base/work_pool.h"

namespace ringside::agent {
namespace {

TEST(WorkPool, RunsJobsInTheOrderInWhichTheyCame) {
    std::vector<int> seen;
    {
        WorkPool pool(1);
        for (int i = 0; i < 100; ++i) pool.submit([&seen, i] { seen.push_back(i); });
    }  // Runs what is queued.
    ASSERT_EQ(seen.size(), 100u);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(WorkPool, GoesOnWhileOneJobWaits) {
    WorkPool pool(2);
    std::promise<void> release;
    std::promise<void> other;
    pool.submit([&] { release.get_future().wait(); });
    pool.submit([&] { other.set_value(); });
    EXPECT_EQ(other.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
    release.set_value();
}

TEST(WorkPool, RunsAJobAtOnceAfterItsStop) {
    WorkPool pool(1);
    pool.stop();
    std::thread::id ran;
    pool.submit([&] { ran = std::this_thread::get_id(); });
    EXPECT_EQ(ran, std::this_thread::get_id());
}

CallLimits small() {
    return {.answers = {SIZE_MAX, 3, 2}, .watchers = {4, SIZE_MAX, 2}};
}

TEST(CallGate, BoundsTheCallsOfEachTenantAndOfAllTenants) {
    Metrics metrics;
    CallGate gate(small(), metrics);
    auto a = gate.enter({1, false}, CallKind::kAnswer);
    auto b = gate.enter({1, false}, CallKind::kAnswer);
    auto c = gate.enter({1, false}, CallKind::kAnswer);
    EXPECT_TRUE(b);
    ASSERT_FALSE(c);
    EXPECT_EQ(c.error().code, Code::kExhausted);
    auto d = gate.enter({2, false}, CallKind::kAnswer);
    EXPECT_TRUE(d);
    EXPECT_FALSE(gate.enter({3, false}, CallKind::kAnswer));
    // Neither an operator nor a watcher is kept out by them.
    EXPECT_TRUE(gate.enter({0, true}, CallKind::kAnswer));
    EXPECT_TRUE(gate.enter({3, false}, CallKind::kWatch));
    *a = {};
    EXPECT_TRUE(gate.enter({1, false}, CallKind::kAnswer));
}

TEST(CallGate, BoundsTheWatchersOfEachTenantAndOfAll) {
    Metrics metrics;
    CallGate gate(small(), metrics);
    auto a = gate.enter({1, false}, CallKind::kWatch);
    auto b = gate.enter({1, false}, CallKind::kWatch);
    EXPECT_FALSE(gate.enter({1, false}, CallKind::kWatch));
    auto c = gate.enter({0, true}, CallKind::kWatch);
    auto d = gate.enter({0, true}, CallKind::kWatch);
    EXPECT_FALSE(gate.enter({0, true}, CallKind::kWatch));
    EXPECT_EQ(gate.under_way(CallKind::kWatch), 4u);
    EXPECT_NE(metrics.text().find("ringside_api_calls{kind=\"watch\"} 4\n"), std::string::npos);
}

TEST(CallGate, TakesEachTicketBackOnce) {
    Metrics metrics;
    CallGate gate(small(), metrics);
    {
        auto a = gate.enter({1, false}, CallKind::kAnswer);
        CallGate::Ticket moved = std::move(*a);
        EXPECT_EQ(gate.under_way(CallKind::kAnswer), 1u);
    }
    EXPECT_EQ(gate.under_way(CallKind::kAnswer), 0u);
}

}  // namespace
}  // namespace ringside::agent
