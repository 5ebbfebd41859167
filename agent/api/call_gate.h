// How many calls may be under way at once, so that no caller can fill the agent's memory with half-read answers.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "agent/base/caller.h"
#include "agent/base/metrics.h"
#include "agent/base/result.h"

namespace ringside::agent {

enum class CallKind {
    kAnswer,
    kWatch,  // of events
    kQuery,
    kQueryWatch,
};
inline constexpr std::size_t kCallKinds = 4;

// The most calls of one kind. Operators are bounded by `all` alone, so that tenants cannot lock them out.
struct CallBounds {
    std::size_t all = SIZE_MAX;
    std::size_t tenants = SIZE_MAX;     // of all tenants together
    std::size_t one_tenant = SIZE_MAX;  // of each
};

// Watchers wait most of their time and cost little; other calls hold a message of up to a MiB while their caller reads, and
// queries a whole answer.
struct CallLimits {
    CallBounds answers{SIZE_MAX, 256, 16};
    CallBounds watchers{1024, SIZE_MAX, 32};
    CallBounds queries{64, 32, 8};
    CallBounds query_watchers{64, 32, 8};
};

// Any thread.
class CallGate {
  public:
    CallGate(const CallLimits& limits, Metrics& metrics);

    // A place among the calls, given back by the destructor.
    class Ticket {
      public:
        Ticket() = default;
        Ticket(Ticket&& other) noexcept { *this = std::move(other); }
        Ticket& operator=(Ticket&& other) noexcept {
            release();
            gate_ = std::exchange(other.gate_, nullptr);
            caller_ = other.caller_;
            kind_ = other.kind_;
            return *this;
        }
        ~Ticket() { release(); }

      private:
        friend class CallGate;
        Ticket(CallGate* gate, const Caller& caller, CallKind kind) : gate_(gate), caller_(caller), kind_(kind) {}
        void release() {
            if (gate_) std::exchange(gate_, nullptr)->leave(caller_, kind_);
        }

        CallGate* gate_ = nullptr;
        Caller caller_;
        CallKind kind_ = CallKind::kAnswer;
    };

    // kExhausted when the caller or all together have too many.
    Result<Ticket> enter(const Caller& caller, CallKind kind);

    std::size_t under_way(CallKind kind) const;
    // Waits until no call is under way, at most `limit`.
    void wait_idle(std::chrono::milliseconds limit) const;

  private:
    using Counts = std::array<std::size_t, kCallKinds>;

    void leave(const Caller& caller, CallKind kind);
    void show(std::size_t kind);

    const std::array<CallBounds, kCallKinds> bounds_;
    const std::array<MetricGauge*, kCallKinds> gauges_;
    mutable std::condition_variable idle_;
    mutable std::mutex mutex_;  // guards all below
    Counts all_{};
    Counts of_tenants_{};
    std::map<std::uint32_t, Counts> tenants_;
};

}  // namespace ringside::agent
