// Strings that another process wrote: what may pass as a name, a label value or a line for people.
#pragma once

#include <string>
#include <string_view>

namespace ringside::agent {

// [a-zA-Z_][a-zA-Z0-9_]*, 1 .. 127 characters: schemas, metrics, labels.
bool valid_identifier(std::string_view text);

// Label names that the agent or PromQL owns: vm_id, instance, job, component, epoch, le, quantile, and all that begin with
// two underscores.
bool reserved_label(std::string_view name);

// `text` up to its first NUL, with a '?' for every control character and every byte that is not UTF-8, so that it can
// go to a terminal or a log.
std::string printable(std::string_view text);

}  // namespace ringside::agent
