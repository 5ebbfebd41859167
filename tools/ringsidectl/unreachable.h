// Why the agent does not answer.
#pragma once

#include <string>

#include "agent/base/result.h"

namespace ringside::ctl {

// Found out by connecting once: the socket is not there, nobody listens, the caller is not permitted (kDenied), the path
// is too long (kInvalid), else kUnavailable. The text says what to do. `agent_text` is what to say when somebody does listen.
agent::Error explain_unreachable(const std::string& socket, const std::string& agent_text);

}  // namespace ringside::ctl
