// Answers of queries as JSON: what the HTTP API of Prometheus answers, so that what reads the one reads the other.
#pragma once

#include <cstdint>
#include <string>

#include "tools/ringsidectl/query_rows.h"

namespace ringside::ctl {

// {"version":1,"kind":"query","status":"success","data":{"resultType":...,"result":[...]},"warnings":[...],"infos":[...]} on one
// line, with a final line break. `explain` adds "stats" to the data, `dropped` above 0 a field of that name.
std::string answer_json(const AskedAnswer& asked, bool explain, std::uint64_t dropped = 0);

}  // namespace ringside::ctl
