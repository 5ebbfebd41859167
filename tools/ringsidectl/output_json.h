// The JSON of output.h, apart so that one file alone compiles the JSON library.
#pragma once

#include <string>
#include <vector>

#include "tools/ringsidectl/output.h"

namespace ringside::ctl {

// {"version":1,"kind":...,"<section>":[{...},...],...}, indented, with a final line break.
std::string json_text(const Document& document);

// {"version":1,"kind":...,<column>:<value>,...} on one line, with a final line break.
std::string json_line(const std::string& kind, const std::vector<Column>& columns, const std::vector<Value>& row);

}  // namespace ringside::ctl
