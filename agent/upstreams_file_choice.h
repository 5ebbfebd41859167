// The keys of the upstreams file that say what an upstream takes, and in which form.
#pragma once

#include "agent/toml_table.h"
#include "agent/upstream/choice.h"

namespace ringside::agent {

// Of [upstream.NAME]: metrics, drop-metrics, columns, tier, histograms, short-vms, [[upstream.NAME.relabel]].
void read_choice(TomlTable& table, RollupChoice& choice);

}  // namespace ringside::agent
