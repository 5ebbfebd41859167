// Windows of series as `read` and `segment dump` print them: the same fields whether they came from the agent or from a
// file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/columns.h"
#include "agent/base/model.h"
#include "tools/ringsidectl/output.h"

namespace ringside::ctl {

using agent::column_names;

// One series of one tier.
struct SeriesOfPoints {
    std::string vm_id = {}, component = {}, epoch = {};
    std::string metric = {};
    Labels labels = {};
    agent::Kind kind = agent::Kind::kCounter;
    std::string unit = {};
    std::uint32_t resolution_s = 0;
    std::uint64_t created_ns = 0;  // not before this; 0: not known
    // Histograms, as in agent::MetricInfo.
    int histogram_scale = 0;
    std::int32_t bucket_first = 0;
    std::uint32_t bucket_count = 0;  // without the zero bucket
    agent::SeriesData data = {};
};

// "count", "sum" and so on, in the order of the bits of model.h.
const std::vector<std::string>& column_words();
// The bits of such words, which must be of them; all bits for none.
std::uint32_t column_bits(const std::vector<std::string>& words);

// "open", "carried", "partial".
Texts flag_names(std::uint32_t flags);

// For JSON and CSV: one section with one row a point, and the columns that were asked for whether any series has them
// or not.
Section points_section(const std::vector<SeriesOfPoints>& series, std::uint32_t columns);

// For a table: one section a series, with only the columns that it has. Buckets are left out when all columns are asked
// for: they are dozens of numbers a line.
std::vector<Section> series_sections(const std::vector<SeriesOfPoints>& series, std::uint32_t columns);

}  // namespace ringside::ctl
