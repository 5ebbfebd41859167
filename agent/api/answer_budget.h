// The memory of answers that are made whole and wait for their readers.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

#include "agent/base/caller.h"

namespace ringside::agent {

// An answer may have half of what is free, so there is always room for one that comes later and is small, however long others
// are not read. Tenants together have half of all, so operators do not depend on them. Any thread.
class AnswerBudget {
  public:
    explicit AnswerBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    // Given back by the destructor.
    class Hold {
      public:
        Hold(Hold&& other) noexcept
            : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_), is_tenant_(other.is_tenant_) {}
        Hold& operator=(Hold&& other) = delete;
        ~Hold() {
            if (budget_) budget_->release(bytes_, is_tenant_);
        }

      private:
        friend class AnswerBudget;
        Hold(AnswerBudget* budget, std::size_t bytes, bool is_tenant)
            : budget_(budget), bytes_(bytes), is_tenant_(is_tenant) {}
        AnswerBudget* budget_;
        std::size_t bytes_;
        bool is_tenant_;
    };

    // Nothing: there is no room for it now.
    std::optional<Hold> hold(std::size_t bytes, const Caller& caller) {
        const std::lock_guard lock(mutex_);
        const bool is_tenant = !caller.is_operator;
        if (bytes > (bytes_max_ - held_) / 2) return std::nullopt;
        if (is_tenant && bytes > (bytes_max_ / 2 - held_by_tenants_) / 2) return std::nullopt;
        held_ += bytes;
        if (is_tenant) held_by_tenants_ += bytes;
        return Hold(this, bytes, is_tenant);
    }
    // What an answer may have when there are no others.
    std::size_t most(const Caller& caller) const { return caller.is_operator ? bytes_max_ / 2 : bytes_max_ / 4; }
    std::size_t held() const {
        const std::lock_guard lock(mutex_);
        return held_;
    }

  private:
    void release(std::size_t bytes, bool is_tenant) {
        const std::lock_guard lock(mutex_);
        held_ -= bytes;
        if (is_tenant) held_by_tenants_ -= bytes;
    }

    const std::size_t bytes_max_;
    mutable std::mutex mutex_;  // guards all below
    std::size_t held_ = 0;
    std::size_t held_by_tenants_ = 0;
};

}  // namespace ringside::agent
