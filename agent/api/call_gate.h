// How many calls may be under way at once, so that no caller can fill the agent's memory with half-read answers.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "agent/base/caller.h"
#include "agent/base/metrics.h"
#include "agent/base/result.h"

namespace ringside::agent {

// Watchers wait most of their time and cost little; other calls hold a message of up to a MiB while their caller reads.
// Operators are bounded by their connections alone, so that tenants cannot lock them out.
struct CallLimits {
    std::size_t watchers_max = 1024;  // of all callers together
    std::size_t watchers_per_tenant_max = 32;
    std::size_t tenant_calls_max = 256;  // of all tenants together
    std::size_t calls_per_tenant_max = 16;
};

enum class CallKind { kAnswer, kWatch };

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
    struct Counts {
        std::size_t calls = 0;
        std::size_t watchers = 0;
    };

    void leave(const Caller& caller, CallKind kind);
    void show();

    const CallLimits limits_;
    MetricGauge& calls_;
    MetricGauge& watchers_;
    mutable std::condition_variable idle_;
    mutable std::mutex mutex_;  // guards all below
    Counts all_;
    std::size_t tenant_calls_ = 0;
    std::map<std::uint32_t, Counts> tenants_;
};

}  // namespace ringside::agent
