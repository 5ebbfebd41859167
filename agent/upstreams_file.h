// The upstreams file: receivers with all that can be said of one, where `--upstream NAME=URL` says a name and a URL.
//
//   [upstream.central]
//   url = "https://mimir.example/api/v1/push"
//   headers = { X-Scope-OrgID = "edge" }
//   [upstream.central.auth]
//   bearer-token-file = "/etc/ringside/central.token"
//
// docs/upstreams.md lists the keys. How a receiver is reached is read here; a group of keys of another kind gets a
// reader of its own beside it (a function that takes the [upstream.NAME] table and the options to fill), called from
// read_upstream() in upstreams_file.cpp: no more is needed for its mistakes to be told as all others are.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/upstream/options.h"

namespace ringside::agent {

// The upstreams of the file, sorted by name and checked, each over what `defaults` gives for its name. kInvalid with
// file, line, key and what it should look like, or what reading the file answered. Secret files are not opened.
Result<std::vector<UpstreamOptions>> read_upstreams_file(const std::string& path, const UpstreamOptions& defaults);

}  // namespace ringside::agent
