// What keeps VMs from being drained, as a log tells it: once when a kind of trouble begins and once when it has passed,
// however many VMs have it and however often each is tried.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "agent/base/result.h"
#include "agent/drain/host.h"

namespace ringside::agent {

// Failures are of a kind when they have the step and the code and errno in common. Any thread.
class Troubles {
  public:
    // An attempt failed and is repeated. The line for the log when no other VM has trouble of this kind.
    std::optional<std::string> failed(const std::string& key, DrainStep step, const Error& error);
    // The VM is drained, or given up. The line when it was the last one with its kind of trouble.
    std::optional<std::string> ended(const std::string& key);

  private:
    struct Kind {
        std::uint64_t vms = 0;  // that have it now
        std::uint64_t vms_ever = 0;
        std::uint64_t attempts = 0;
        DrainStep step = DrainStep::kFinalise;
    };

    std::optional<std::string> leave(const std::string& key);

    std::mutex mutex_;                        // guards all below
    std::map<std::string, Kind> kinds_;       // by name
    std::map<std::string, std::string> vms_;  // the kind's name, by key
};

}  // namespace ringside::agent
