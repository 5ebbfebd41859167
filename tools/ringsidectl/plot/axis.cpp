#include "tools/ringsidectl/plot/axis.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;

// The least of 1, 2 and 5 times a power of `base` that is not below `least`. Bytes count by powers of two.
double round_step(double least, bool binary) {
    if (binary && least > 1) return std::exp2(std::ceil(std::log2(least)));
    const double power = std::pow(10, std::floor(std::log10(least)));
    for (double factor : {1.0, 2.0, 5.0}) {
        if (factor * power >= least * (1 - 1e-9)) return factor * power;
    }
    return 10 * power;
}

void widen(double& low, double& high) {
    const double room = low == 0 ? 1 : std::abs(low) * 0.1;
    low -= low > 0 && low - room < 0 ? low : low == 0 ? 0 : room;
    high += room;
}

}  // namespace

std::string heading_of(const Plot& plot) {
    const std::string unit = unit_text(plot.unit, plot.per_second);
    return unit.empty() ? plot.title : plot.title + " [" + unit + "]";
}

ValueAxis value_axis(const Plot& plot, std::size_t ticks_max) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const PlotCurve& curve : plot.curves) {
        for (const PlotPoint& point : curve.points) {
            if (!std::isfinite(point.value) || point.time_ns < plot.begin_ns || point.time_ns > plot.end_ns) continue;
            low = std::min(low, point.value);
            high = std::max(high, point.value);
        }
    }
    if (low > high) low = 0, high = 1;
    // From zero where that costs little: a curve that lies between 90 and 100 is drawn as that.
    if (low > 0 && low < high / 2) low = 0;
    if (low == high) widen(low, high);
    const auto spans = static_cast<double>(std::max<std::size_t>(ticks_max, 3) - 1);
    ValueAxis axis;
    double step = round_step((high - low) / spans, plot.unit == "bytes");
    // Rounding both ends outwards may take one tick more than there is room for.
    while (std::ceil(high / step) - std::floor(low / step) > spans) step = round_step(step * 1.5, plot.unit == "bytes");
    axis.low = std::floor(low / step) * step;
    axis.high = std::ceil(high / step) * step;
    const auto count = static_cast<int>(std::round((axis.high - axis.low) / step));
    for (int i = 0; i <= count; ++i) {
        const double at = axis.low + i * step;
        axis.ticks.push_back({at, value_text(std::abs(at) < step / 1e6 ? 0 : at, plot.unit, plot.per_second)});
    }
    return axis;
}

std::vector<Tick> time_ticks(std::uint64_t begin_ns, std::uint64_t end_ns, std::size_t ticks_max) {
    constexpr std::uint64_t kSteps[] = {1,   2,    5,    10,   15,    30,    60,    120,   300,    600,
                                        900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800};
    std::vector<Tick> ticks;
    if (end_ns <= begin_ns || ticks_max == 0) return ticks;
    const std::uint64_t span_s = (end_ns - begin_ns) / kNsPerS + 1;
    std::uint64_t step_s = kSteps[std::size(kSteps) - 1];
    for (std::uint64_t step : kSteps) {
        if (span_s / step + 1 > ticks_max) continue;
        step_s = step;
        break;
    }
    while (span_s / step_s + 1 > ticks_max) step_s *= 2;
    const std::uint64_t step_ns = step_s * kNsPerS;
    for (std::uint64_t at = (begin_ns + step_ns - 1) / step_ns * step_ns; at <= end_ns; at += step_ns) {
        const std::string text = time_text(at);  // 2026-11-21T20:40:55Z
        const bool dates = span_s > 86400, seconds = step_s < 60;
        ticks.push_back({static_cast<double>(at), dates     ? text.substr(5, 5) + " " + text.substr(11, 5)
                                                  : seconds ? text.substr(11, 8)
                                                            : text.substr(11, 5)});
    }
    return ticks;
}

std::vector<std::vector<PlotPoint>> runs_of(const Plot& plot, const PlotCurve& curve) {
    std::vector<std::vector<PlotPoint>> runs;
    std::uint64_t before_ns = 0;
    for (const PlotPoint& point : curve.points) {
        if (!std::isfinite(point.value) || point.time_ns < plot.begin_ns || point.time_ns > plot.end_ns) continue;
        // Half a step of room: the points of a query are exact, those of windows may end early.
        const bool gap = plot.step_ns != 0 && point.time_ns - before_ns > plot.step_ns + plot.step_ns / 2;
        if (runs.empty() || gap) runs.emplace_back();
        runs.back().push_back(point);
        before_ns = point.time_ns;
    }
    return runs;
}

}  // namespace ringside::ctl
