#include <algorithm>
#include <cstdio>

#include "tools/ringsidectl/plot/axis.h"

namespace ringside::ctl {
namespace {

// Tell apart also for those who see no red or green (Okabe and Ito); the grey is for axes.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
constexpr const char* kGrey = "#888888";
constexpr int kMarginLeft = 72, kMarginRight = 16, kMarginTop = 32, kMarginBottom = 28, kLegendLine = 18;

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

std::string escaped(const std::string& text) {
    std::string out;
    for (char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            default: out += c;
        }
    }
    return out;
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
    return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\">" + escaped(text) +
           "</text>\n";
}

std::string line_of(double x1, double y1, double x2, double y2, const char* opacity) {
    return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) +
           "\" stroke=\"" + kGrey + "\" stroke-opacity=\"" + opacity + "\"/>\n";
}

}  // namespace

std::string svg_text(const Plot& plot, int width, int height) {
    const double left = kMarginLeft, right = std::max(width, 200) - kMarginRight;
    const double top = kMarginTop, bottom = std::max(height, 120) - kMarginBottom;
    const double whole = bottom + kMarginBottom + kLegendLine * static_cast<double>(plot.curves.size()) + 8;
    const ValueAxis axis = value_axis(plot, static_cast<std::size_t>((bottom - top) / 40 + 2));
    const double span_ns = std::max(1.0, static_cast<double>(plot.end_ns - plot.begin_ns));
    auto x_of = [&](double ns) { return left + (ns - static_cast<double>(plot.begin_ns)) / span_ns * (right - left); };
    auto y_of = [&](double value) { return bottom - (value - axis.low) / (axis.high - axis.low) * (bottom - top); };

    const std::string size = std::to_string(static_cast<int>(right) + kMarginRight);
    std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + size + "\" height=\"" + number(whole) +
                      "\" viewBox=\"0 0 " + size + " " + number(whole) +
                      "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"" + kGrey + "\">\n";
    if (!plot.title.empty()) svg += text_at(left, 18, "start", heading_of(plot));
    for (const Tick& tick : axis.ticks) {
        svg += line_of(left, y_of(tick.at), right, y_of(tick.at), "0.25");
        svg += text_at(left - 6, y_of(tick.at) + 4, "end", tick.text);
    }
    for (const Tick& tick : time_ticks(plot.begin_ns, plot.end_ns, static_cast<std::size_t>((right - left) / 90 + 1))) {
        svg += line_of(x_of(tick.at), bottom, x_of(tick.at), bottom + 4, "1");
        svg += text_at(x_of(tick.at), bottom + 18, "middle", tick.text);
    }
    svg += line_of(left, bottom, right, bottom, "1");
    for (std::size_t curve = 0; curve < plot.curves.size(); ++curve) {
        const std::string colour = kColours[curve % std::size(kColours)];
        for (const auto& run : runs_of(plot, plot.curves[curve])) {
            if (run.size() == 1) {  // a line of one point cannot be seen
                svg += "<circle cx=\"" + number(x_of(static_cast<double>(run[0].time_ns))) + "\" cy=\"" +
                       number(y_of(run[0].value)) + "\" r=\"1.5\" fill=\"" + colour + "\"/>\n";
                continue;
            }
            svg += "<polyline fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"1.5\" points=\"";
            for (const PlotPoint& point : run) {
                svg += number(x_of(static_cast<double>(point.time_ns))) + "," + number(y_of(point.value)) + " ";
            }
            svg.back() = '"';
            svg += "/>\n";
        }
        const double y = bottom + kMarginBottom + kLegendLine * static_cast<double>(curve) + 10;
        svg += "<rect x=\"" + number(left) + "\" y=\"" + number(y - 8) + "\" width=\"10\" height=\"10\" fill=\"" +
               colour + "\"/>\n" + text_at(left + 16, y + 1, "start", plot.curves[curve].name);
    }
    return svg + "</svg>\n";
}

}  // namespace ringside::ctl
