// Braille: each character is a field of 2 x 4 dots.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tools/ringsidectl/plot/axis.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

constexpr int kDotsAcross = 2, kDotsDown = 4;
constexpr int kColumnsMin = 30, kRowsMin = 8;
// Colours that stand out on both black and white: cyan, magenta, yellow, green, red, blue.
constexpr int kColours[] = {36, 35, 33, 32, 31, 34};
constexpr char kReset[] = "\x1b[0m";
constexpr int kNobody = -1;

std::string colour(std::size_t curve) { return "\x1b[" + std::to_string(kColours[curve % std::size(kColours)]) + "m"; }
// a to z, A to Z, then * for all others.
char letter(std::size_t curve) {
    if (curve < 26) return static_cast<char>('a' + curve);
    return curve < 52 ? static_cast<char>('A' + curve - 26) : '*';
}

// U+2800 and the dots as bits, in UTF-8.
std::string braille(unsigned dots) {
    const unsigned code = 0x2800 + dots;
    return {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3f)),
            static_cast<char>(0x80 | (code & 0x3f))};
}

// The bit of a dot at (x, y) of its character, as Unicode numbers them.
unsigned dot_bit(int x, int y) {
    constexpr unsigned kBits[kDotsDown][kDotsAcross] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    return kBits[y][x];
}

class Canvas {
  public:
    Canvas(int columns, int rows)
        : columns_(columns), rows_(rows), cells_(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows)) {}

    int dots_across() const { return columns_ * kDotsAcross; }
    int dots_down() const { return rows_ * kDotsDown; }

    // (0, 0) is at the top left.
    void dot(int x, int y, int curve) {
        if (x < 0 || y < 0 || x >= dots_across() || y >= dots_down()) return;
        Cell& cell = at(x / kDotsAcross, y / kDotsDown);
        cell.dots |= dot_bit(x % kDotsAcross, y % kDotsDown);
        cell.curve = curve;
    }
    // Bresenham's line.
    void line(int x, int y, int to_x, int to_y, int curve) {
        const int across = std::abs(to_x - x), down = -std::abs(to_y - y);
        const int step_x = x < to_x ? 1 : -1, step_y = y < to_y ? 1 : -1;
        for (int error = across + down;;) {
            dot(x, y, curve);
            if (x == to_x && y == to_y) return;
            const int twice = 2 * error;
            if (twice >= down) error += down, x += step_x;
            if (twice <= across) error += across, y += step_y;
        }
    }
    std::string row(int row, bool colours) const {
        std::string text;
        int before = kNobody;
        for (int column = 0; column < columns_; ++column) {
            const Cell& cell = cells_[static_cast<std::size_t>(row * columns_ + column)];
            if (colours && cell.curve != before) {
                text += cell.curve == kNobody ? kReset : colour(static_cast<std::size_t>(cell.curve));
                before = cell.curve;
            }
            text += cell.dots == 0 ? " " : braille(cell.dots);
        }
        return colours && before != kNobody ? text + kReset : text;
    }

  private:
    struct Cell {
        unsigned dots = 0;
        int curve = kNobody;  // the one drawn last
    };
    Cell& at(int column, int row) { return cells_[static_cast<std::size_t>(row * columns_ + column)]; }

    int columns_, rows_;
    std::vector<Cell> cells_;
};

std::string padded(const std::string& text, std::size_t width) {
    const std::size_t is = width_of(text);
    return std::string(is < width ? width - is : 0, ' ') + text;
}

struct Scale {
    double low, high;
    int dots;
    int dot(double value) const { return static_cast<int>(std::lround((value - low) / (high - low) * (dots - 1))); }
};

// Time labels under their columns, as far as they do not touch each other.
std::string time_line(const std::vector<Tick>& ticks, const Scale& times, int columns) {
    std::string line(static_cast<std::size_t>(columns), ' ');
    std::size_t free_from = 0;
    for (const Tick& tick : ticks) {
        const auto centre = static_cast<std::ptrdiff_t>(times.dot(tick.at) / kDotsAcross);
        const auto half = static_cast<std::ptrdiff_t>(tick.text.size() / 2);
        const auto from = static_cast<std::size_t>(
            std::clamp<std::ptrdiff_t>(centre - half, 0, columns - static_cast<std::ptrdiff_t>(tick.text.size())));
        if (from < free_from) continue;
        line.replace(from, tick.text.size(), tick.text);
        free_from = from + tick.text.size() + 1;
    }
    return line;
}

struct LegendLine {
    std::string name, last, least, greatest;
};

LegendLine legend_line(const Plot& plot, const PlotCurve& curve) {
    double last = NAN, least = INFINITY, greatest = -INFINITY;
    for (const PlotPoint& point : curve.points) {
        if (!std::isfinite(point.value)) continue;
        last = point.value;
        least = std::min(least, point.value);
        greatest = std::max(greatest, point.value);
    }
    if (std::isnan(last)) return {curve.name, "-", "-", "-"};
    auto text = [&](double value) { return value_text(value, plot.unit, plot.per_second); };
    return {curve.name, text(last), text(least), text(greatest)};
}

// A table with a line a curve. Names are cut where they are too long for it.
std::string legend(const Plot& plot, std::size_t columns, bool colours) {
    std::vector<LegendLine> lines{{"CURVE", "LAST", "MIN", "MAX"}};
    for (const PlotCurve& curve : plot.curves) lines.push_back(legend_line(plot, curve));
    std::size_t names = 0, last = 0, least = 0, greatest = 0;
    for (const LegendLine& line : lines) {
        names = std::max(names, width_of(line.name));
        last = std::max(last, width_of(line.last));
        least = std::max(least, width_of(line.least));
        greatest = std::max(greatest, width_of(line.greatest));
    }
    const std::size_t others = 4 + 3 * 2 + last + least + greatest;
    names = std::min(names, std::max<std::size_t>(columns > others ? columns - others : 0, 8));
    std::string text;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const LegendLine& line = lines[i];
        const std::string name = shortened(line.name, names);
        const std::string mark = i == 0 ? " " : std::string(1, letter(i - 1));
        text += "  " + (colours && i > 0 ? colour(i - 1) + mark + kReset : mark) + " " + name +
                std::string(names - width_of(name), ' ') + "  " + padded(line.last, last) + "  " +
                padded(line.least, least) + "  " + padded(line.greatest, greatest) + "\n";
    }
    return text;
}

// The title cut to the width, but not its unit.
std::string heading_line(const Plot& plot, std::size_t columns) {
    const std::string whole = heading_of(plot);
    const std::size_t unit = width_of(whole) - width_of(plot.title);
    return shortened(plot.title, columns > unit ? columns - unit : 0) + whole.substr(plot.title.size());
}

}  // namespace

std::string terminal_text(const Plot& plot, int columns, int rows, bool colours) {
    columns = std::max(columns, kColumnsMin);
    rows = std::max(rows, kRowsMin);
    const int inner_rows = rows - 2 - (plot.title.empty() ? 0 : 1);
    const ValueAxis axis = value_axis(plot, static_cast<std::size_t>(inner_rows / 3 + 2));
    std::size_t margin = 0;
    for (const Tick& tick : axis.ticks) margin = std::max(margin, width_of(tick.text));
    // The labels, a blank, the axis; behind the curves the column with their letters.
    const int inner_columns = std::max(columns - static_cast<int>(margin) - 3, 10);
    Canvas canvas(inner_columns, inner_rows);
    const Scale times{static_cast<double>(plot.begin_ns),
                      std::max(static_cast<double>(plot.end_ns), static_cast<double>(plot.begin_ns) + 1),
                      canvas.dots_across()};
    const Scale values{axis.high, axis.low, canvas.dots_down()};
    std::string letters(static_cast<std::size_t>(inner_rows), ' ');
    for (std::size_t curve = 0; curve < plot.curves.size(); ++curve) {
        int y = kNobody;
        for (const auto& run : runs_of(plot, plot.curves[curve])) {
            int x = times.dot(static_cast<double>(run[0].time_ns));
            y = values.dot(run[0].value);
            for (const PlotPoint& point : run) {
                const int to_x = times.dot(static_cast<double>(point.time_ns)), to_y = values.dot(point.value);
                canvas.line(x, y, to_x, to_y, static_cast<int>(curve));
                x = to_x, y = to_y;
            }
        }
        if (y != kNobody) letters[static_cast<std::size_t>(y / kDotsDown)] = letter(curve);
    }
    std::string text = plot.title.empty() ? "" : heading_line(plot, static_cast<std::size_t>(columns)) + "\n";
    for (int row = 0; row < inner_rows; ++row) {
        std::string label;
        for (const Tick& tick : axis.ticks) {
            if (values.dot(tick.at) / kDotsDown == row) label = tick.text;
        }
        text += padded(label, margin) + (label.empty() ? " │" : " ┤") + canvas.row(row, colours);
        text += letters[static_cast<std::size_t>(row)];
        text += '\n';
    }
    text += std::string(margin + 1, ' ') + "└";
    for (int column = 0; column < inner_columns; ++column) text += "─";
    text += '\n' + std::string(margin + 2, ' ') +
            time_line(time_ticks(plot.begin_ns, plot.end_ns, static_cast<std::size_t>(inner_columns / 12 + 1)), times,
                      inner_columns) +
            '\n';
    return plot.curves.empty() ? text : text + legend(plot, static_cast<std::size_t>(columns), colours);
}

}  // namespace ringside::ctl
