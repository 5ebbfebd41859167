// ringsidectl read: windows of series.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agent/base/labels.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/fetch.h"
#include "tools/ringsidectl/names.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/selector.h"

namespace ringside::ctl {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
constexpr std::uint64_t kDefaultLastNs = 300 * kNsPerS;

struct Options {
    VmChoice vm;
    std::string selector;
    std::uint64_t tier_ns = 0;  // 0: the agent chooses, for each component
    std::optional<std::uint64_t> begin_ns, end_ns;
    std::uint64_t last_ns = 0;
    std::vector<std::string> columns;
    bool closed = false;
};

// With --tier alone all that the tier keeps; else --last, whose end is that of the data for a VM that has ended.
void set_range(v1::ReadSeriesRequest& request, const Options& options, std::uint64_t data_end) {
    if (options.begin_ns) request.set_begin_ns(*options.begin_ns);
    if (options.end_ns) request.set_end_ns(*options.end_ns);
    if (options.begin_ns || (options.last_ns == 0 && options.tier_ns != 0)) return;
    const std::uint64_t last_ns = options.last_ns ? options.last_ns : kDefaultLastNs;
    const std::uint64_t end_ns = options.end_ns.value_or(data_end);
    request.set_begin_ns(end_ns > last_ns ? end_ns - last_ns : 0);
}

std::string tiers_text(const std::vector<v1::Vm>& vms) {
    std::string text;
    for (const v1::Tier& tier : vms.front().schema().tiers()) {
        text += (text.empty() ? "" : ", ") + std::to_string(tier.resolution_s()) + "s";
    }
    return text;
}

// A name that no schema has is a mistake, and not a series without data.
Result<void> check_metric(const v1::ReadSeriesRequest& request, const std::vector<v1::Vm>& vms) {
    for (const v1::LabelMatcher& matcher : request.matchers()) {
        if (matcher.name() != agent::kNameLabel || matcher.op() != v1::LabelMatcher::OP_EQUAL) continue;
        const bool is_known = std::any_of(vms.begin(), vms.end(), [&](const v1::Vm& vm) {
            const auto& metrics = vm.schema().metrics();
            // A huge schema comes without all of its metrics.
            return vm.schema().metric_count() > static_cast<std::uint32_t>(metrics.size()) ||
                   std::any_of(metrics.begin(), metrics.end(),
                               [&](const v1::Metric& metric) { return metric.name() == matcher.value(); });
        });
        if (!is_known) return no_such_metric(vms.front().schema(), matcher.value());
    }
    return {};
}

int run(const Session& session, const Options& options) {
    if (options.begin_ns && options.end_ns && *options.begin_ns >= *options.end_ns) {
        return fail(kExitUsage, "--begin must be before --end");
    }
    if (options.tier_ns % kNsPerS != 0)
        return fail(kExitUsage, "--tier is a whole number of seconds, such as 10s or 5m");
    Client client(session.socket, session.timeout_ns);
    const auto vms = find_vm(client, options.vm);
    if (!vms) return fail(vms.error());

    v1::ReadSeriesRequest request;
    if (auto added = add_matchers(request, options.selector); !added) return fail(added.error());
    if (auto known = check_metric(request, *vms); !known) return fail(known.error());
    request.set_resolution_s(static_cast<std::uint32_t>(options.tier_ns / kNsPerS));
    set_range(request, options, data_end_ns(*vms, now_ns()));
    for (const std::string& column : options.columns) request.add_columns(column_of(column));
    request.set_closed_only(options.closed);
    Client::Warnings warnings;
    const auto series = fetch_points(client, *vms, request, warnings);
    if (!series) return fail(series.error());

    const std::uint32_t columns = column_bits(options.columns);
    Document document{.kind = "points"};
    if (session.format == Format::kTable) {
        document.sections = series_sections(*series, columns);
    } else {
        document.sections.push_back(points_section(*series, columns));
    }
    Output output = session.output();
    output.print(document);
    if (series->empty() && session.format == Format::kTable) {
        note("no window of any series fits; `ringsidectl show " + options.vm.vm_id +
             " --series` lists the series, and the tiers are " + tiers_text(*vms));
    }
    for (const std::string& warning : warnings) note(warning);
    return finish(output, warnings.empty() ? kExitOk : kExitPartial);
}

}  // namespace

void add_read(Command& root, const Session& session) {
    Command command = root.add("read", "Print windows of series");
    auto options = std::make_shared<Options>();
    add_vm_choice(command, options->vm);
    add_selector(command, "SELECTOR", options->selector,
                 "Which series, such as 'vmm_block_bytes_total{op=\"read\"}'; left out: all");
    command.duration("--tier", options->tier_ns,
                     "The tier's resolution; left out: the finest that reaches back to the begin");
    const Option last = command.duration(
        "--last", options->last_ns,
        "This span up to --end, which is now, or the VM's end; the default is 5m, and with --tier alone all");
    command.time("--begin", options->begin_ns, "Windows that end after this time").excludes(last);
    command.time("--end", options->end_ns, "Windows that end at this time or before");
    command.words("--columns", options->columns, column_words(), "Only these columns");
    command.flag("--closed", options->closed, "Leave out the window that is not over");
    command.footer(
        "TIME is the end of the window, [T - tier, T). Counters and histograms are cumulative since the epoch began.\n"
        "A window that is not there had no data. Flags: open (not over yet),\n"
        "carried (no record, the value holds from before), partial (the VM or series began or ended inside).");
    command.run([&session, options] { return run(session, *options); });
}

}  // namespace ringside::ctl
