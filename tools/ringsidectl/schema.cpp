// ringsidectl schema check, size, show: schemas without an agent.
#include <array>
#include <cstdio>
#include <memory>
#include <vector>

#include "libwriter/toml/schema_names.h"
#include "libwriter/toml/schema_toml.h"
#include "libwriter/toml/standard_schemas.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/points.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/schema_cost.h"

namespace ringside::ctl {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;

std::string hash_text(std::uint64_t hash) {
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
    return text.data();
}

Section schema_section(const SchemaCost& cost, std::uint64_t vms) {
    return {.name = "schema",
            .columns = {{"name"},
                        {"version", Unit::kNumber},
                        {"hash"},
                        {"series_capacity", Unit::kNumber},
                        {"vms", Unit::kNumber},
                        {"total_bytes", Unit::kBytes},
                        {"segment_bytes", Unit::kBytes},
                        {"fixed_bytes", Unit::kBytes},
                        {"label_arena_bytes", Unit::kBytes},
                        {"hot_bytes", Unit::kBytes}},
            .rows = {{cost.name, std::uint64_t{cost.version}, hash_text(cost.hash), std::uint64_t{cost.series_capacity},
                      vms, cost.segment_bytes * vms, cost.segment_bytes, cost.fixed_bytes, cost.label_arena_bytes,
                      cost.hot_bytes}},
            .single = true};
}

Section tiers_section(const SchemaCost& cost) {
    Section section{.name = "tiers",
                    .title = "Tiers",
                    .columns = {{"resolution_ns", Unit::kDuration},
                                {"slots", Unit::kNumber},
                                {"history_ns", Unit::kDuration},
                                {"bytes", Unit::kBytes},
                                {"columns"}}};
    for (const TierCost& tier : cost.tiers) {
        const std::uint64_t resolution_ns = tier.resolution_s * kNsPerS;
        section.rows.push_back({resolution_ns, std::uint64_t{tier.slots}, resolution_ns * tier.slots, tier.bytes,
                                column_names(tier.columns)});
    }
    return section;
}

Section rings_section(const SchemaCost& cost) {
    Section section{.name = "rings",
                    .title = "Rings",
                    .columns = {{"resolution_ns", Unit::kDuration},
                                {"kinds"},
                                {"slot_bytes", Unit::kBytes},
                                {"series", Unit::kNumber},
                                {"series_bytes", Unit::kBytes, "PER_SERIES"},
                                {"bytes", Unit::kBytes},
                                {"columns"}}};
    for (const RingCost& ring : cost.rings) {
        Texts kinds;
        for (const std::uint8_t kind : ring.kinds) kinds.emplace_back(kind_name(kind));
        section.rows.push_back({ring.resolution_s * kNsPerS, std::move(kinds), ring.slot_bytes, ring.series,
                                ring.series_bytes, ring.bytes, column_names(ring.columns)});
    }
    return section;
}

Section metric_costs_section(const SchemaCost& cost) {
    Section section{.name = "metrics",
                    .title = "Metrics",
                    .columns = {{"metric"},
                                {"kind"},
                                {"max_series", Unit::kNumber},
                                {"series_bytes", Unit::kBytes, "PER_SERIES"},
                                {"bytes", Unit::kBytes}}};
    for (const MetricCost& metric : cost.metrics) {
        section.rows.push_back({metric.name, std::string(kind_name(metric.kind)), std::uint64_t{metric.max_series},
                                metric.series_bytes, metric.bytes});
    }
    return section;
}

int run_size(const Session& session, const std::string& name, std::uint64_t vms, const std::string& section) {
    const auto cost = schema_cost(name);
    if (!cost) return fail(cost.error());
    if (vms > 0 && cost->segment_bytes > UINT64_MAX / vms) {
        return fail(kExitUsage, "--vms " + std::to_string(vms) + " is more than 64 bits of bytes can hold");
    }
    Document document{.kind = "schema_size",
                      .sections = {schema_section(*cost, vms), tiers_section(*cost), rings_section(*cost),
                                   metric_costs_section(*cost)}};
    document.keep(section);
    Output output = session.output();
    output.print(document);
    return finish(output);
}

Section metrics_section(const rside_schema& schema) {
    Section section{.name = "metrics",
                    .title = "Metrics",
                    .columns = {{"metric"},
                                {"kind"},
                                {"unit"},
                                {"label_names", Unit::kText, "LABELS"},
                                {.name = "max_series", .unit = Unit::kNumber, .spare = 1},
                                {.name = "shared", .spare = 2},
                                {.name = "histogram_scale", .unit = Unit::kNumber, .heading = "SCALE", .spare = 3},
                                {.name = "histogram_lowest", .unit = Unit::kNumber, .heading = "LOWEST", .spare = 3},
                                {.name = "histogram_highest", .unit = Unit::kNumber, .heading = "HIGHEST", .spare = 3},
                                {.name = "help", .spare = 4}}};
    for (std::uint32_t m = 0; m < schema.metric_count; ++m) {
        const rside_metric& metric = schema.metrics[m];
        const bool histogram = metric.kind == RSIDE_HISTOGRAM;
        Texts labels(metric.labels, metric.labels + metric.label_count);
        section.rows.push_back(
            {std::string(metric.name), std::string(kind_name(metric.kind)), std::string(metric.unit ? metric.unit : ""),
             std::move(labels), std::uint64_t{metric.max_series}, (metric.flags & RSIDE_METRIC_SHARED) != 0,
             histogram ? Value(std::int64_t{metric.histogram_scale}) : Value(),
             histogram ? Value(metric.histogram_lowest) : Value(),
             histogram ? Value(metric.histogram_highest) : Value(), std::string(metric.help ? metric.help : "")});
    }
    return section;
}

Section show_tiers_section(const rside_schema& schema) {
    Section section{.name = "tiers",
                    .title = "Tiers",
                    .columns = {{"resolution_ns", Unit::kDuration},
                                {"slots", Unit::kNumber},
                                {"history_ns", Unit::kDuration},
                                {"columns"}}};
    for (std::uint32_t t = 0; t < schema.tier_count; ++t) {
        const rside_tier& tier = schema.tiers[t];
        section.rows.push_back({tier.resolution_s * kNsPerS, std::uint64_t{tier.slots},
                                tier.resolution_s * kNsPerS * tier.slots,
                                column_names(tier.columns ? tier.columns : RSIDE_COLUMNS_ALL)});
    }
    return section;
}

int run_show(const Session& session, const std::string& name, bool toml, const std::string& section) {
    const auto schema = load_schema(name);
    if (!schema) return fail(schema.error());
    Output output = session.output();
    if (toml) {
        const std::string text = schema_to_toml(**schema);
        std::fwrite(text.data(), 1, text.size(), stdout);
        return finish(output);
    }
    const SchemaCost cost = cost_of(**schema);
    Document document{
        .kind = "schema",
        .sections = {{.name = "schema",
                      .columns = {{"name"},
                                  {"version", Unit::kNumber},
                                  {"hash"},
                                  {"series_capacity", Unit::kNumber},
                                  {"segment_bytes", Unit::kBytes},
                                  {"label_arena_bytes", Unit::kBytes}},
                      .rows = {{cost.name, std::uint64_t{cost.version}, hash_text(cost.hash),
                                std::uint64_t{cost.series_capacity}, cost.segment_bytes, cost.label_arena_bytes}},
                      .single = true},
                     show_tiers_section(**schema),
                     metrics_section(**schema)},
        .csv = 2};
    document.keep(section);
    output.print(document);
    return finish(output);
}

// One line a schema: every one is checked, whatever the others say.
int run_check(const Session& session, const std::vector<std::string>& names) {
    Section section{.name = "schemas",
                    .columns = {{"file", Unit::kText, "SCHEMA"},
                                {"valid"},
                                {"hash"},
                                {"segment_bytes", Unit::kBytes},
                                {"series_capacity", Unit::kNumber, "SERIES"},
                                {"error"}}};
    ExitCode worst = kExitOk;
    for (const std::string& name : names) {
        const auto cost = schema_cost(name);
        if (cost) {
            section.rows.push_back({name, true, hash_text(cost->hash), cost->segment_bytes,
                                    std::uint64_t{cost->series_capacity}, Value()});
            continue;
        }
        section.rows.push_back({name, false, Value(), Value(), Value(), cost.error().message()});
        // A broken rule outweighs a file that is not there: it is what was asked.
        const ExitCode code = exit_code_of(cost.error().code);
        if (worst == kExitOk || code == kExitInvalid) worst = code;
        if (session.format == Format::kTable) note(cost.error().message());
    }
    if (session.format == Format::kTable) {
        section.columns.pop_back();  // it stands on stderr
        for (auto& row : section.rows) row.pop_back();
    }
    Output output = session.output();
    output.print({.kind = "schema_check", .sections = {std::move(section)}});
    return finish(output, worst);
}

std::string standard_names() {
    std::string names;
    for (const schemas::Standard& standard : schemas::all()) {
        names += (names.empty() ? "" : ", ") + std::string(standard.name);
    }
    return names;
}

}  // namespace

void add_schema(Command& root, const Session& session) {
    Command schema = root.add("schema", "Check schemas, and say what they cost");
    schema.needs_command();
    const std::string what = "A standard schema (" + standard_names() + ") or a TOML file";

    Command check = schema.add("check", "Check schemas against every rule");
    auto names = std::make_shared<std::vector<std::string>>();
    check.texts("SCHEMA", *names, what).required().hint({Hint::kFile});
    check.footer("Exit code 7 when one breaks a rule.");
    check.run([&session, names] { return run_check(session, *names); });

    Command size = schema.add("size", "Say how many bytes a segment takes, to the byte, and for what");
    auto size_of = std::make_shared<std::string>();
    auto vms = std::make_shared<std::uint64_t>(1);
    size.text("SCHEMA", *size_of, what).required().hint({Hint::kFile});
    size.number("--vms", *vms, "For this many VMs").shows("1");
    auto size_section = std::make_shared<std::string>();
    add_section_choice(size, *size_section, {"schema", "tiers", "rings", "metrics"});
    size.footer("CSV has the line of the schema, or the section that is named.");
    size.run([&session, size_of, vms, size_section] { return run_size(session, *size_of, *vms, *size_section); });

    Command show = schema.add("show", "Show a schema's tiers and metrics");
    auto shown = std::make_shared<std::string>();
    auto toml = std::make_shared<bool>(false);
    show.text("SCHEMA", *shown, what).required().hint({Hint::kFile});
    show.flag("--toml", *toml, "Print it as TOML, to be copied and changed");
    auto shown_section = std::make_shared<std::string>();
    add_section_choice(show, *shown_section, {"schema", "tiers", "metrics"});
    show.footer("CSV has the metrics, or the section that is named.");
    show.run([&session, shown, toml, shown_section] { return run_show(session, *shown, *toml, *shown_section); });
}

}  // namespace ringside::ctl
