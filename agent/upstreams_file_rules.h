// Recording rules of the upstreams file.
#pragma once

#include <vector>

#include "agent/toml_table.h"
#include "agent/upstream/options.h"

namespace ringside::agent {

// Each [[rule]] of the file's top table: name, metrics, by, operation, upstreams, keep-sources. Adds it to the upstreams
// that it names.
void read_rules(TomlTable& top, std::vector<UpstreamOptions>& upstreams);

}  // namespace ringside::agent
