// What both kinds of plot are laid out by: heading, ticks, runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/ringsidectl/plot/plot.h"

namespace ringside::ctl {

// The title, with the unit where there is one: "rate(x[30s]) [B/s]".
std::string heading_of(const Plot& plot);

struct Tick {
    double at = 0;  // a value, or ns since 1970
    std::string text;
};

// What the values of a plot span, with ticks on round numbers: at most `ticks_max` (3 or more), the first and the last
// of them at the ends. Without a finite value it is 0 to 1.
struct ValueAxis {
    double low = 0, high = 1;
    std::vector<Tick> ticks;
};
ValueAxis value_axis(const Plot& plot, std::size_t ticks_max);

// Ticks on round times of the UTC day, at most `ticks_max`. Where the range is longer than a day they carry the date.
std::vector<Tick> time_ticks(std::uint64_t begin_ns, std::uint64_t end_ns, std::size_t ticks_max);

// The shape of a curve without its gaps: runs of points that belong together, in the range of the plot.
std::vector<std::vector<PlotPoint>> runs_of(const Plot& plot, const PlotCurve& curve);

}  // namespace ringside::ctl
