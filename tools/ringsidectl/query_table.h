// Answers of queries as `query` prints them for people, whether they came from the agent or from files.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/ringsidectl/query_rows.h"

namespace ringside::ctl {

// Labels that all series have in common stand above, those in which they differ in columns; a range has a column a series
// where `width` columns (0: no limit) are enough, else a table a series. Values have the unit that unit_of() knows. Of a
// histogram there are its count, its mean and three quantiles.
std::vector<Section> answer_tables(const AskedAnswer& asked, std::size_t width);

// What to look at next when an answer has no sample.
std::string nothing_found(const AskedAnswer& asked, bool has_agent);

}  // namespace ringside::ctl
