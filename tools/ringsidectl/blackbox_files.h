// Black box files, from the agent or from a folder without one.
#pragma once

#include <ringside/v1/blackbox.pb.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "tools/ringsidectl/command.h"

namespace ringside::ctl {

namespace v1 = ringside::v1;

class BlackBoxFiles {
  public:
    virtual ~BlackBoxFiles() = default;
    // All of these VMs, or of all; `warnings` takes what could not be read.
    virtual Result<std::vector<v1::BlackBox>> list(const std::vector<std::string>& vm_ids,
                                                   std::vector<std::string>& warnings) = 0;
    // One of them whole. kNotFound.
    virtual Result<std::pair<v1::BlackBox, std::string>> fetch(const VmChoice& choice, bool host_signals) = 0;
};

// `directory` empty: those of the agent.
std::unique_ptr<BlackBoxFiles> open_black_box(const Session& session, const std::string& directory);

// The name of a file in a black box's folder.
std::string black_box_file_name(const v1::BlackBox& file);

}  // namespace ringside::ctl
