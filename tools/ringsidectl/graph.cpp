// ringsidectl graph: an expression of PromQL as curves over time.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/plot/plot.h"
#include "tools/ringsidectl/query_ask.h"
#include "tools/ringsidectl/query_json.h"
#include "tools/ringsidectl/query_names.h"
#include "tools/ringsidectl/query_unit.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

namespace promql = agent::promql;

constexpr std::uint64_t kNsPerS = 1'000'000'000;
constexpr std::uint32_t kColumns = 100;  // where there is no terminal
constexpr std::uint32_t kRows = 20;
constexpr std::uint32_t kPixels = 960, kPixelRows = 400;
constexpr std::uint32_t kSizeMax = 10'000;
constexpr std::size_t kCurvesMax = 24;  // beyond that nobody tells them apart

struct Options {
    QueryOptions query;
    std::string svg;
    std::uint32_t width = 0, height = 0;  // 0: what fits
};

double greatest(const promql::Series& series) {
    double most = -INFINITY;
    for (const promql::Point& point : series.points) {
        if (!std::isnan(point.value)) most = std::max(most, point.value);
    }
    return most;
}

// Those with the greatest values where there are too many; in the order of the answer.
std::vector<const promql::Series*> choose_curves(const promql::MatrixValue& matrix) {
    std::vector<const promql::Series*> curves;
    for (const promql::Series& series : matrix) {
        if (!series.points.empty()) curves.push_back(&series);
    }
    if (curves.size() <= kCurvesMax) return curves;
    std::vector<const promql::Series*> by_value = curves;
    std::ranges::stable_sort(by_value, std::greater<>(), [](const auto* series) { return greatest(*series); });
    by_value.resize(kCurvesMax);
    std::erase_if(curves, [&](const auto* series) { return std::ranges::find(by_value, series) == by_value.end(); });
    return curves;
}

Plot plot_of(const AskedAnswer& asked) {
    const auto& matrix = std::get<promql::MatrixValue>(asked.answer.value);
    const std::vector<const promql::Series*> chosen = choose_curves(matrix);
    Plot plot;
    plot.title = printable(asked.query.text);
    std::ranges::replace(plot.title, '\n', ' ');
    const QueryUnit unit = unit_of_query(asked.query.text);
    plot.unit = unit.unit;
    plot.per_second = unit.per_second;
    plot.begin_ns = static_cast<std::uint64_t>(ns_of(asked.query.begin_ms));
    plot.end_ns = static_cast<std::uint64_t>(ns_of(asked.query.end_ms));
    plot.step_ns = static_cast<std::uint64_t>(ns_of(asked.query.step_ms));
    std::vector<promql::Labels> labels;
    for (const promql::Series* series : chosen) labels.push_back(series->labels);
    const std::vector<std::string> names = short_names(labels);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        PlotCurve& curve = plot.curves.emplace_back();
        curve.name = printable(names[i].empty() ? series_text(labels[i]) : names[i]);
        if (curve.name.empty()) curve.name = "value";
        for (const promql::Point& point : chosen[i]->points) {
            curve.points.push_back({static_cast<std::uint64_t>(ns_of(point.time_ms)), point.value});
        }
    }
    return plot;
}

void note_left_out(const AskedAnswer& asked, std::size_t drawn) {
    const auto& matrix = std::get<promql::MatrixValue>(asked.answer.value);
    const auto histograms = static_cast<std::size_t>(
        std::ranges::count_if(matrix, [](const promql::Series& series) { return series.points.empty(); }));
    if (histograms > 0) {
        note(
            std::to_string(histograms) +
            " series are of histograms and not drawn; ask for a number of them, such as histogram_quantile(0.99, ...)");
    }
    if (const std::size_t others = matrix.size() - histograms - drawn; others > 0) {
        note(std::to_string(others) + " series with smaller values are not drawn; sum or topk() makes fewer of them");
    }
}

bool has_values(const Plot& plot) {
    return std::ranges::any_of(plot.curves, [](const PlotCurve& curve) {
        return std::ranges::any_of(curve.points, [](const PlotPoint& point) { return std::isfinite(point.value); });
    });
}

int write_svg(const Options& options, const Plot& plot) {
    const std::string text = svg_text(plot, static_cast<int>(options.width ? options.width : kPixels),
                                      static_cast<int>(options.height ? options.height : kPixelRows));
    std::FILE* file = std::fopen(options.svg.c_str(), "we");
    if (!file) return fail(agent::errno_error(errno, "cannot write " + options.svg));
    const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    const int cause = errno;
    if (std::fclose(file) != 0 || !written)
        return fail(agent::errno_error(written ? errno : cause, "cannot write " + options.svg));
    return kExitOk;
}

// With its legend it fits the terminal, where that is not too low for any.
std::uint32_t rows_for(const Plot& plot) {
    const std::size_t terminal = terminal_height(stdout);
    const std::size_t others = plot.curves.size() + 2;  // the legend, and the prompt
    if (terminal == 0) return kRows;
    return static_cast<std::uint32_t>(std::min<std::size_t>(kRows, terminal > others ? terminal - others : 0));
}

int run(const Session& session, Options options) {
    if (std::max(options.width, options.height) > kSizeMax) {
        return fail(kExitUsage, "--width and --height are at most " + std::to_string(kSizeMax));
    }
    const auto terminal = static_cast<std::uint32_t>(std::min<std::size_t>(terminal_width(stdout), kSizeMax));
    const std::uint32_t columns = options.width ? options.width : terminal ? terminal : kColumns;
    if (options.query.range_ns == 0) options.query.range_ns = 600 * kNsPerS;
    // As many points as there are columns: finer ones would be drawn on top of each other.
    options.query.points = options.svg.empty() ? columns : options.width ? options.width / 2 : kPixels / 2;
    const auto asked = ask(session, options.query);
    if (!asked) return fail_query(asked.error(), options.query.expression);
    Output output = session.output();
    if (session.format == Format::kJson) {
        std::fputs(answer_json(*asked, false).c_str(), stdout);
    } else if (session.format == Format::kCsv) {
        output.print(answer_document(*asked));
    } else {
        const Plot plot = plot_of(*asked);
        if (is_empty(asked->answer)) note(nothing_found(*asked, options.query.files.empty()));
        note_left_out(*asked, plot.curves.size());
        if (!plot.curves.empty() && !has_values(plot))
            note("all values are NaN or infinite, which has no place in a plot");
        if (!options.svg.empty()) {
            if (const int failed = write_svg(options, plot); failed != kExitOk) return failed;
        } else if (!plot.curves.empty()) {
            const std::uint32_t rows = options.height ? options.height : rows_for(plot);
            std::fputs(
                terminal_text(plot, static_cast<int>(columns), static_cast<int>(rows), wants_colours(stdout)).c_str(),
                stdout);
        }
    }
    return finish(output, note_gaps(asked->answer));
}

}  // namespace

void add_graph(Command& root, const Session& session) {
    Command command = root.add("graph", "Draw an expression of PromQL over time, in the terminal or as SVG");
    auto options = std::make_shared<Options>();
    add_query_options(command, options->query, "This span up to --time; the default is 10m");
    command.text("--svg", options->svg, "Write an SVG document to this file instead").type("FILE").hint({Hint::kFile});
    command.number("--width", options->width, "Columns, or pixels of an SVG; left out: the terminal's, or 960 pixels");
    command.number("--height", options->height,
                   "Lines, or pixels of an SVG; left out: 20 lines at most, or 400 pixels");
    command.footer(
        "The legend has for each curve its letter, which also stands where the curve ends, what tells it\n"
        "apart from the others, and its last, least and greatest value. At most 24 curves are drawn. In\n"
        "JSON and CSV the points are printed as `query --range` prints them.");
    command.run([&session, options] { return run(session, *options); });
}

}  // namespace ringside::ctl
