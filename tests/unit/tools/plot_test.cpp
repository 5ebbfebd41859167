#include "tools/ringsidectl/plot/plot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tools/ringsidectl/plot/axis.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kNoon = 1'700'049'600 * kSecond;  // 2023-11-15T12:00:00Z

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

Plot plot_of(std::vector<double> values) {
    Plot plot;
    plot.begin_ns = kNoon;
    plot.step_ns = kSecond;
    plot.end_ns = kNoon + (values.size() - 1) * kSecond;
    PlotCurve curve{"requests", {}};
    for (std::size_t i = 0; i < values.size(); ++i) curve.points.push_back({kNoon + i * kSecond, values[i]});
    plot.curves.push_back(curve);
    return plot;
}

std::vector<std::string> texts(const std::vector<Tick>& ticks) {
    std::vector<std::string> all;
    for (const Tick& tick : ticks) all.push_back(tick.text);
    return all;
}
using Texts = std::vector<std::string>;

TEST(PlotAxis, HasRoundTicksThatCoverTheValues) {
    EXPECT_EQ(texts(value_axis(plot_of({3, 9.5}), 6).ticks), (Texts{"0", "2", "4", "6", "8", "10"}));
    EXPECT_EQ(texts(value_axis(plot_of({90, 99}), 4).ticks), (Texts{"90", "95", "100"}));
    EXPECT_EQ(texts(value_axis(plot_of({-0.3, 0.3}), 5).ticks), (Texts{"-0.4", "-0.2", "0", "0.2", "0.4"}));
}

TEST(PlotAxis, CountsBytesByPowersOfTwo) {
    Plot plot = plot_of({0, 3'000'000});
    plot.unit = "bytes";
    EXPECT_EQ(texts(value_axis(plot, 4).ticks), (Texts{"0B", "1MiB", "2MiB", "3MiB"}));
}

TEST(PlotAxis, FitsWhateverTheValuesAre) {
    for (double low : {-1e300, -7.0, -1e-9, 0.0, 1e-300, 3.0, 1e18}) {
        for (double span : {0.0, 1e-12, 0.7, 13.0, 1e20}) {
            for (std::size_t ticks : {3u, 4u, 7u}) {
                const ValueAxis axis = value_axis(plot_of({low, low + span}), ticks);
                EXPECT_LE(axis.ticks.size(), ticks) << low << " " << span;
                EXPECT_LT(axis.low, axis.high) << low << " " << span;
                EXPECT_LE(axis.low, low + std::abs(low) * 1e-9) << low << " " << span;
                EXPECT_GE(axis.high, low + span - std::abs(low) * 1e-9) << low << " " << span;
            }
        }
    }
}

TEST(PlotAxis, IgnoresWhatIsNoNumber) {
    EXPECT_EQ(value_axis(plot_of({NAN, INFINITY}), 3).high, 1);
    EXPECT_EQ(value_axis(plot_of({NAN, 5, 10, -INFINITY}), 3).high, 10);
}

TEST(PlotAxis, TicksOfTimeAreRoundAndDatedWhereTheyMustBe) {
    EXPECT_EQ(texts(time_ticks(kNoon + kSecond, kNoon + 60 * kSecond, 4)), (Texts{"12:00:30", "12:01:00"}));
    EXPECT_EQ(texts(time_ticks(kNoon, kNoon + 3600 * kSecond, 3)), (Texts{"12:00", "12:30", "13:00"}));
    EXPECT_EQ(texts(time_ticks(kNoon, kNoon + 3 * 86400 * kSecond, 4)),
              (Texts{"11-16 00:00", "11-17 00:00", "11-18 00:00"}));
    EXPECT_TRUE(time_ticks(kNoon, kNoon, 4).empty());
}

TEST(PlotRuns, EndAtGapsAndAtWhatIsNoNumber) {
    Plot plot = plot_of({1, 2, NAN, 4, 5, 6});
    EXPECT_EQ(runs_of(plot, plot.curves[0]).size(), 2u);
    plot.curves[0].points.erase(plot.curves[0].points.begin() + 4);
    EXPECT_EQ(runs_of(plot, plot.curves[0]).size(), 3u);
}

TEST(TerminalPlot, DrawsALineFromCornerToCorner) {
    Plot plot = plot_of({0, 10});
    plot.title = "rate(requests_total[30s])";
    const auto lines = lines_of(terminal_text(plot, 40, 9, false));
    ASSERT_EQ(lines.size(), 11u);
    EXPECT_EQ(lines[0], plot.title);
    EXPECT_EQ(lines[1].substr(0, 6), "10 ┤");
    EXPECT_EQ(lines[1].back(), 'a') << "the curve ends at the top right";
    EXPECT_NE(lines[6].find("0 ┤⣀⠤"), std::string::npos) << lines[6];
    EXPECT_EQ(lines[9], "    CURVE     LAST  MIN  MAX");
    EXPECT_EQ(lines[10], "  a requests    10    0   10");
    for (const std::string& line : lines) EXPECT_LE(width_of(line), 40u) << line;
}

TEST(TerminalPlot, SaysTheUnitAndNamesACurveWhereItEnds) {
    Plot plot = plot_of({8, 8, NAN, 0, 0});
    plot.title = "x";
    plot.unit = "bytes";
    plot.per_second = true;
    const auto lines = lines_of(terminal_text(plot, 40, 9, false));
    EXPECT_EQ(lines[0], "x [B/s]");
    EXPECT_NE(lines[1].back(), 'a') << "only a gap is there";
    EXPECT_EQ(lines[6].back(), 'a');
}

TEST(TerminalPlot, AConstantIsALevelLineAndNothingIsAnEmptyField) {
    const auto level = lines_of(terminal_text(plot_of({5, 5, 5}), 40, 9, false));
    int drawn = 0;
    for (const std::string& line : level)
        drawn += line.find("⠒") != std::string::npos || line.find("⠤") != std::string::npos ||
                 line.find("⠉") != std::string::npos || line.find("⣀") != std::string::npos;
    EXPECT_EQ(drawn, 1);
    Plot nothing = plot_of({NAN, NAN});
    EXPECT_NE(terminal_text(nothing, 40, 9, false).find("a requests     -    -    -\n"), std::string::npos);
}

TEST(TerminalPlot, ColoursOnlyWhereAsked) {
    EXPECT_EQ(terminal_text(plot_of({1, 2}), 40, 9, false).find('\x1b'), std::string::npos);
    EXPECT_NE(terminal_text(plot_of({1, 2}), 40, 9, true).find("\x1b[36m"), std::string::npos);
}

TEST(TerminalPlot, TellsManyCurvesApartAndKeepsToItsWidth) {
    Plot plot = plot_of({0, 1});
    plot.curves.clear();
    for (int i = 0; i < 60; ++i) {
        plot.curves.push_back({"vm-" + std::to_string(i), {{kNoon, 1.0 * i}, {kNoon + kSecond, 2.0 * i}}});
    }
    const auto lines = lines_of(terminal_text(plot, 20, 3, false));  // less than the least
    EXPECT_EQ(lines.size(), 8u + 1u + 60u);
    EXPECT_EQ(lines[9].substr(0, 8), "  a vm-0");
    EXPECT_EQ(lines[9 + 26].substr(0, 9), "  A vm-26");
    EXPECT_EQ(lines[9 + 59].substr(0, 9), "  * vm-59");
    for (const std::string& line : lines) EXPECT_LE(width_of(line), 30u) << line;
}

TEST(TerminalPlot, CutsWhatIsTooLongButNotTheUnit) {
    Plot plot = plot_of({0, 10});
    plot.title = "sum by (vm_id) (rate(network_receive_bytes_total[30s]))";
    plot.unit = "bytes";
    plot.per_second = true;
    plot.curves[0].name = "network_receive_bytes_total{device=\"eth0\"}";
    const auto lines = lines_of(terminal_text(plot, 40, 9, false));
    EXPECT_EQ(lines[0], "sum by (vm_id) (rate(network_rece… [B/s]");
    EXPECT_EQ(lines[10], "  a network_receive_byt…   10B   0B  10B");
    for (const std::string& line : lines) EXPECT_LE(width_of(line), 40u) << line;
}

TEST(SvgPlot, EscapesNamesAndDrawsEachRun) {
    Plot plot = plot_of({1, 2, NAN, 4, NAN, 1, 1});
    plot.title = "a < b & \"c\"";
    const std::string svg = svg_text(plot, 640, 320);
    EXPECT_NE(svg.find("a &lt; b &amp; &quot;c&quot;"), std::string::npos);
    std::size_t lines = 0;
    for (std::size_t at = svg.find("<polyline"); at != std::string::npos; at = svg.find("<polyline", at + 1)) ++lines;
    EXPECT_EQ(lines, 2u);
    EXPECT_NE(svg.find("<circle"), std::string::npos) << "the point that stands alone";
    EXPECT_EQ(svg.find("nan"), std::string::npos);
}

}  // namespace
}  // namespace ringside::ctl
