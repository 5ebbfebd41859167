// ringsidectl stat: one line an interval, as vmstat does, from the windows of the VM's rings.
#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/fetch.h"
#include "tools/ringsidectl/names.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/stat_columns.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;
// A window is read this long after its end: the agent takes a window that no record has closed for over only 250 ms after
// it, since the writer's clock may lag and a record may be under way.
constexpr std::uint64_t kSettleNs = 300'000'000;
constexpr std::size_t kHeadingEvery = 20;

struct Options {
    VmChoice vm;
    std::uint64_t interval_ns = 0;  // 0: one line, over the finest tier's resolution or 10 s, whichever is longer
    std::uint64_t count = 0;        // 0: no limit
    std::vector<StatColumn> columns;
};

// The one component that is meant. Two components have two schemas and would need two tables.
Result<v1::Vm> choose_component(const std::vector<v1::Vm>& vms) {
    if (vms.size() == 1) return vms.front();
    std::string names;
    for (const v1::Vm& vm : vms) {
        if (vm.ref().component().empty()) return vm;
        names += (names.empty() ? "" : ", ") + vm.ref().component();
    }
    return agent::error(
        agent::Code::kInvalid,
        "VM " + vms.front().ref().vm_id() + " has several components: choose one of " + names + " with --component");
}

std::uint64_t tier_ns(const StatColumn& column) { return column.resolution_s * kNsPerS; }

// The interval of one column: at least one window of the tier that keeps it.
std::uint64_t begin_of(const StatColumn& column, std::uint64_t end_ns, std::uint64_t interval_ns) {
    const std::uint64_t span_ns = std::max(interval_ns, tier_ns(column));
    return end_ns > span_ns ? end_ns - span_ns : 0;
}

// One call a tier, with one window more than the interval: the one at its begin, to subtract.
Result<std::vector<SeriesOfPoints>> fetch_interval(Client& client, const v1::Vm& vm,
                                                   const std::vector<StatColumn>& columns, std::uint64_t end_ns,
                                                   std::uint64_t interval_ns, Client::Warnings& warnings) {
    std::vector<SeriesOfPoints> all;
    std::set<std::uint32_t> tiers;
    for (const StatColumn& column : columns) tiers.insert(column.resolution_s);
    for (std::uint32_t resolution_s : tiers) {
        v1::ReadSeriesRequest request;
        std::string names;
        bool buckets = false;
        std::uint64_t begin_ns = end_ns;
        for (const StatColumn& column : columns) {
            if (column.resolution_s != resolution_s) continue;
            names += (names.empty() ? "" : "|") + column.metric;  // [a-zA-Z0-9_] only: nothing to escape
            buckets = buckets || column.function == StatFunction::kQuantile;
            // Ends of coarser tiers lie up to one window back.
            const std::uint64_t begin = begin_of(column, end_ns, interval_ns);
            begin_ns = std::min(begin_ns, begin > 2 * tier_ns(column) ? begin - 2 * tier_ns(column) : 0);
        }
        v1::LabelMatcher* matcher = request.add_matchers();
        matcher->set_name("__name__");
        matcher->set_op(v1::LabelMatcher::OP_REGEX);
        matcher->set_value(names);
        request.set_resolution_s(resolution_s);
        request.set_begin_ns(begin_ns);
        request.set_end_ns(end_ns);
        for (int column = v1::COLUMN_COUNT; column <= v1::COLUMN_VALUE; ++column) {
            request.add_columns(static_cast<v1::Column>(column));
        }
        if (buckets) request.add_columns(v1::COLUMN_BUCKETS);
        auto series = fetch_points(client, {vm}, request, warnings);
        if (!series) return series.error();
        for (SeriesOfPoints& one : *series) all.push_back(std::move(one));
    }
    return all;
}

// The end of the interval of `column` that is over at `end_ns`: of a coarser tier the newest closed window.
std::uint64_t end_of(const StatColumn& column, std::uint64_t end_ns, bool ended) {
    return ended ? end_ns : end_ns / tier_ns(column) * tier_ns(column);
}

struct Row {
    std::vector<Value> values;
    bool partial = false;
};

Result<Row> make_row(Client& client, const v1::Vm& vm, const std::vector<StatColumn>& columns, std::uint64_t end_ns,
                     std::uint64_t interval_ns) {
    Client::Warnings warnings;
    const auto series = fetch_interval(client, vm, columns, end_ns, interval_ns, warnings);
    if (!series) return series.error();
    Row row;
    row.values.emplace_back(end_ns);
    for (const StatColumn& column : columns) {
        const std::uint64_t end = end_of(column, end_ns, vm.has_ended_ns());
        row.values.push_back(stat_value(column, *series, begin_of(column, end, interval_ns), end));
    }
    for (const std::string& warning : warnings) note(warning);
    row.partial = !warnings.empty();
    return row;
}

void sleep_until(std::uint64_t until_ns) {
    timespec at{static_cast<std::time_t>(until_ns / kNsPerS), static_cast<long>(until_ns % kNsPerS)};
    while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, nullptr) == EINTR) {
    }
}

std::string end_text(const v1::Vm& vm) {
    std::string text = "VM " + vm.ref().vm_id() + " ended at " + time_text(vm.ended_ns(), 3);
    const std::string cause = exit_cause_name(vm.exit_cause());
    if (!cause.empty()) text += ": " + cause;
    return text;
}

// A VM that has ended: the last `count` intervals of its life, at once.
int print_ended(Output& output, Client& client, const v1::Vm& vm, const Options& options, std::uint64_t interval_ns) {
    const std::uint64_t rows = std::max<std::uint64_t>(options.count, 1);
    bool partial = false;
    for (std::uint64_t i = rows; i-- > 0;) {
        const std::uint64_t back_ns = i * interval_ns;
        if (i > 0 && back_ns / i != interval_ns) continue;
        if (back_ns >= vm.ended_ns() || vm.ended_ns() - back_ns <= vm.created_ns()) continue;  // before its life
        const auto row = make_row(client, vm, options.columns, vm.ended_ns() - back_ns, interval_ns);
        if (!row) return fail(row.error());
        output.stream_row(row->values);
        partial = partial || row->partial;
    }
    note(end_text(vm));
    return finish(output, partial ? kExitPartial : kExitOk);
}

int follow(Output& output, Client& client, v1::Vm vm, const Options& options, std::uint64_t interval_ns,
           std::uint64_t grid_ns) {
    v1::GetVmRequest again;
    again.set_vm_id(vm.ref().vm_id());
    again.set_component(vm.ref().component());
    again.set_epoch(vm.ref().epoch());
    std::uint64_t end_ns = (now_ns() - kSettleNs) / grid_ns * grid_ns;
    bool partial = false;
    for (std::uint64_t printed = 0;;) {
        auto row = make_row(client, vm, options.columns, end_ns, interval_ns);
        if (!row) return fail(row.error());
        output.stream_row(row->values);
        partial = partial || row->partial;
        if (!output.flush() || ++printed == options.count || vm.has_ended_ns()) break;
        end_ns += interval_ns;
        // After a stop (Ctrl-Z, a suspended laptop) go on with now and not with what was missed.
        const std::uint64_t newest_ns = (now_ns() - kSettleNs) / grid_ns * grid_ns;
        end_ns = std::max(end_ns, newest_ns);
        sleep_until(end_ns + kSettleNs);
        auto fresh = client.get_vm(again);
        if (!fresh) return fail(fresh.error());
        vm = fresh->front();
        if (vm.has_ended_ns()) end_ns = std::min<std::uint64_t>(end_ns, vm.ended_ns());
    }
    if (vm.has_ended_ns()) note(end_text(vm));
    return finish(output, partial ? kExitPartial : kExitOk);
}

int run(const Session& session, Options& options) {
    Client client(session.socket, session.timeout_ns);
    const auto vms = find_vm(client, options.vm);
    if (!vms) return fail(vms.error());
    const auto vm = choose_component(*vms);
    if (!vm) return fail(vm.error());
    const bool chosen_here = options.columns.empty();
    if (chosen_here) options.columns = default_columns(vm->schema());
    if (options.columns.empty()) {
        return fail(kExitUsage,
                    "schema " + vm->schema().name() +
                        " has no metric that makes a column of its own: choose with --columns; `ringsidectl show " +
                        options.vm.vm_id + "` lists the metrics");
    }
    if (auto resolved = resolve_columns(options.columns, vm->schema()); !resolved) return fail(resolved.error());

    Output output = session.output();
    std::vector<Column> columns{{"time_ns", Unit::kTime}};
    for (const StatColumn& column : options.columns) columns.push_back(output_column(column));
    if (chosen_here) {  // by us, the important ones first: as many as a line has room for
        columns.resize(std::max<std::size_t>(2, output.stream_room(columns)));
        options.columns.resize(columns.size() - 1);
    }

    std::uint64_t grid_ns = UINT64_MAX;
    for (const StatColumn& column : options.columns) grid_ns = std::min(grid_ns, tier_ns(column));
    std::uint64_t interval_ns = options.interval_ns ? options.interval_ns : std::max(grid_ns, 10 * kNsPerS);
    if (interval_ns % grid_ns != 0) {
        interval_ns = (interval_ns / grid_ns + 1) * grid_ns;
        note("the interval is rounded up to " + duration_text(static_cast<double>(interval_ns)) +
             ": the finest tier that has these columns keeps windows of " +
             duration_text(static_cast<double>(grid_ns)));
    }
    output.begin_stream("stat", columns, kHeadingEvery);
    if (options.interval_ns == 0) options.count = 1;
    if (vm->has_ended_ns()) return print_ended(output, client, *vm, options, interval_ns);
    return follow(output, client, *vm, options, interval_ns, grid_ns);
}

}  // namespace

void add_stat(Command& root, const Session& session) {
    Command command = root.add("stat", "Print rates and values of a VM, one line an interval");
    auto options = std::make_shared<Options>();
    add_vm_choice(command, options->vm);
    command.duration("INTERVAL", options->interval_ns, "Print a line this often; left out: one line for the last 10s");
    command.number("COUNT", options->count, "End after this many lines; left out: go on until Ctrl-C");
    command
        .parsed("--columns",
                "What to print: [NAME=]METRIC[{LABEL=\"VALUE\"}][:FUNCTION], separated by commas; functions are rate, "
                "increase, last, avg, min, max and quantiles such as p99",
                [options](const std::string& text) -> Result<void> {
                    auto columns = parse_columns(text);
                    if (!columns) return columns.error();
                    options->columns = std::move(*columns);
                    return {};
                })
        .type("COLUMN,...");
    command.footer(
        "The first line comes at once, from the rings: it covers the interval that is just over. Rates are increases "
        "a\n"
        "second, summed over the series that match; `last` is summed too, `min` and `max` are over all of them.\n"
        "A quantile covers at least one window of the finest tier that keeps buckets. Of a VM that has ended, the "
        "last\n"
        "COUNT intervals are printed. JSON is one object a line.");
    command.run([&session, options] { return run(session, *options); });
}

}  // namespace ringside::ctl
