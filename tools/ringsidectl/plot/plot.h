// Curves over time, for a terminal or a browser. Pure: no clock, no terminal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringside::ctl {

struct PlotPoint {
    std::uint64_t time_ns = 0;  // since 1970
    double value = 0;           // NaN and infinities are gaps
};

struct PlotCurve {
    std::string name;               // printable
    std::vector<PlotPoint> points;  // by rising time
};

struct Plot {
    std::string title;        // printable; "" has no line
    std::string unit;         // of a metric, as in a schema: "bytes", "seconds", "" for a plain number
    bool per_second = false;  // the values are rates of it
    std::uint64_t begin_ns = 0, end_ns = 0;
    std::uint64_t step_ns = 0;  // between points; a longer distance is a gap, and no line crosses it
    std::vector<PlotCurve> curves;
};

// `columns` x `rows` characters, the axes and the title included, and below them a table with a line a curve: its letter (which
// also stands where the curve ends), its name, and its last, least and greatest value. At least 30 x 8; what is too long for
// the width is cut. Where `colours`, each curve has one of six.
std::string terminal_text(const Plot& plot, int columns, int rows, bool colours);

// A document that stands alone, of so many pixels; readable on white and on black.
std::string svg_text(const Plot& plot, int width, int height);

}  // namespace ringside::ctl
