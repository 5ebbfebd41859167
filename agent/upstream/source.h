// Where an upstream finds the VMs that it pushes, and what it tells its owner about them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/model.h"

namespace ringside::agent {

// One VM epoch to push. `key` is vm_key() of it, kept by the provider so that it is not built anew
// each round.
struct UpstreamSource {
    std::string key;
    std::shared_ptr<const SeriesSource> source;
    bool made = false;  // by recording rules: leaves whole, whatever the upstream takes of VMs
};

class SourceProvider {
  public:
    virtual ~SourceProvider() = default;
    // All VM epochs that are live, exited or drained; one that is both live and archived may be
    // listed twice, and then counts as drained. Epochs that epoch_done() has named stay listed as
    // long as the owner has them: of one that is not, the cursor is forgotten in time.
    // An epoch on its way into the archive must not be missing in between, and what was drained
    // before the agent started must be there from the first call. Called from the upstream's thread,
    // once or a few times a second; must not block for long.
    virtual std::vector<UpstreamSource> sources() = 0;
};

// How far an upstream is with one VM epoch.
struct Progress {
    std::uint64_t acked_ns = 0;  // end of the newest window that is done with; 0: none
    // From there, or from where pushing begins, to the end of the newest window that may be pushed. None: not known,
    // which it is once the upstream has looked at the VM.
    std::optional<std::uint64_t> lag_ns;
    bool done = false;  // to its end
};

// Called on the upstream's own thread. Handlers must not block and may call stats(), progress() and
// wake() of the upstream, nothing else of it. Empty ones are left out.
struct UpstreamEvents {
    // One window of one VM was acknowledged with this many samples.
    std::function<void(const std::string& vm_key, std::uint64_t window_end_ns, std::size_t samples)> pushed;
    // All of this epoch has been acknowledged, or given up with a counted reason: this upstream does
    // not need it any more. Said when it comes to that, and not again by a later run of the agent.
    std::function<void(const std::string& vm_key)> epoch_done;
    // For the log. `warning`: something was lost or keeps failing.
    std::function<void(bool warning, const std::string& text)> log;
};

}  // namespace ringside::agent
