// ringsidectl segment verify, dump: segments and archive files without an agent.
#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/dump.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/segment_file.h"
#include "tools/ringsidectl/selector.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;

// --- verify -----------------------------------------------------------------------------------------------------------

std::vector<Value> verified_row(const std::string& path, const SegmentFile& file, const Verified& verified) {
    const agent::VmInfo vm = file.source->vm();
    return {path,
            true,
            file.format,
            vm.vm_id,
            vm.component,
            agent::epoch_text(vm.epoch),
            std::string(agent::vm_state_name(vm.state)),
            file.source->schema()->name,
            std::uint64_t{vm.series_count},
            verified.points,
            verified.unreadable,
            Value()};
}

int run_verify(const Session& session, const std::vector<std::string>& paths) {
    Section section{.name = "files",
                    .columns = {{"path"},
                                {"valid"},
                                {.name = "format", .spare = 4},
                                {"vm_id"},
                                {"component"},
                                {.name = "epoch", .spare = 2},
                                {"state"},
                                {.name = "schema", .spare = 3},
                                {.name = "series_count", .unit = Unit::kNumber, .heading = "SERIES", .spare = 1},
                                {"points", Unit::kNumber},
                                {"unreadable", Unit::kNumber},
                                {"error"}}};
    ExitCode worst = kExitOk;
    for (const std::string& path : paths) {
        const auto file = open_segment_file(path);
        const auto verified = file ? verify_segment_file(path, *file) : Result<Verified>(file.error());
        if (verified) {
            section.rows.push_back(verified_row(path, *file, *verified));
            continue;
        }
        std::vector<Value> row(section.columns.size());
        row[0] = path;
        row[1] = false;
        row.back() = verified.error().message();
        section.rows.push_back(std::move(row));
        const ExitCode code = exit_code_of(verified.error().code);
        if (worst == kExitOk || code == kExitInvalid) worst = code;
        if (session.format == Format::kTable) note(verified.error().message());
    }
    if (session.format == Format::kTable) {
        section.columns.pop_back();  // it stands on stderr
        for (auto& row : section.rows) {
            row.pop_back();
            if (auto* epoch = std::get_if<std::string>(&row[5])) epoch->resize(std::min<std::size_t>(8, epoch->size()));
        }
    }
    Output output = session.output();
    output.print({.kind = "segment_check", .sections = {std::move(section)}});
    return finish(output, worst);
}

// --- dump -------------------------------------------------------------------------------------------------------------

// Facts are texts; those that are numbers become numbers again. Names and hashes may look like numbers and stay texts.
Value fact_value(const std::string& name, const std::string& text) {
    static constexpr const char* kTexts[] = {"vm_id",  "component",   "epoch",     "boot_id",
                                             "schema", "schema_hash", "close_text"};
    if (std::find(std::begin(kTexts), std::end(kTexts), name) != std::end(kTexts)) return text;
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    if (const auto parsed = std::from_chars(text.data(), end, number); parsed.ptr == end && !text.empty()) {
        if (number < 0) return number;
        const bool never = number == 0 && name.ends_with("_ns");
        return never ? Value() : Value(static_cast<std::uint64_t>(number));
    }
    return text;
}

Section header_section(const SegmentFile& file) {
    const agent::VmInfo vm = file.source->vm();
    Section section{.name = "header",
                    .columns = {{"format"},
                                {"life"},
                                {"life_proof"},
                                {"vm_state"},
                                {"exit_cause"},
                                {"last_write_ns", Unit::kTimeMs},
                                {"ended_ns", Unit::kTimeMs},
                                {"uid", Unit::kNumber}},
                    .rows = {{file.format, file.life, file.proof, std::string(agent::vm_state_name(vm.state)),
                              std::string(agent::exit_cause_name(vm.exit_cause)), known_or_unknown(vm.last_write_ns),
                              known_or_unknown(vm.ended_ns), std::uint64_t{vm.uid}}},
                    .single = true};
    for (const auto& [name, text] : file.facts) {
        const auto same = [&name = name](const Column& column) { return column.name == name; };
        if (std::any_of(section.columns.begin(), section.columns.end(), same)) continue;
        const Unit unit = name.ends_with("_ns")      ? Unit::kTimeMs
                          : name.ends_with("_bytes") ? Unit::kBytes
                                                     : Unit::kNumber;
        // Tiers have a section of their own.
        if (name.starts_with("tier_")) continue;
        // With their units: there is a field `schema` beside `schema_bytes`.
        std::string heading = name == "schema_bytes" ? "SCHEMA_BYTES" : "";
        section.columns.push_back({name, unit, std::move(heading)});
        const bool is_known = name != "close_code" || vm.closed_ns != 0 || agent::has_close_code(vm.exit_cause);
        section.rows[0].push_back(is_known ? fact_value(name, text) : Value());
    }
    return section;
}

Section tiers_section(const agent::SchemaInfo& schema) {
    Section section{.name = "tiers",
                    .title = "Tiers",
                    .columns = {{"resolution_ns", Unit::kDuration},
                                {"slots", Unit::kNumber},
                                {"history_ns", Unit::kDuration},
                                {"columns"}}};
    for (const agent::TierInfo& tier : schema.tiers) {
        const std::uint64_t resolution_ns = tier.resolution_s * kNsPerS;
        section.rows.push_back(
            {resolution_ns, std::uint64_t{tier.slots}, resolution_ns * tier.slots, column_names(tier.columns)});
    }
    return section;
}

Section metrics_section(const agent::SchemaInfo& schema) {
    Section section{.name = "metrics",
                    .title = "Metrics",
                    .columns = {{"metric"},
                                {"kind"},
                                {"unit"},
                                {"label_names", Unit::kText, "LABELS"},
                                {"max_series", Unit::kNumber},
                                {.name = "histogram_scale", .unit = Unit::kNumber, .heading = "SCALE", .spare = 1},
                                {.name = "bucket_first", .unit = Unit::kNumber, .spare = 1},
                                {.name = "bucket_count", .unit = Unit::kNumber, .spare = 1},
                                {.name = "help", .spare = 2}}};
    for (const agent::MetricInfo& metric : schema.metrics) {
        const bool histogram = metric.kind == agent::Kind::kHistogram;
        section.rows.push_back({metric.name, std::string(agent::kind_name(metric.kind)), metric.unit,
                                Texts(metric.label_names), std::uint64_t{metric.max_series},
                                histogram ? Value(std::int64_t{metric.histogram_scale}) : Value(),
                                histogram ? Value(std::int64_t{metric.bucket_first}) : Value(),
                                histogram ? Value(std::uint64_t{metric.bucket_count}) : Value(), metric.help});
    }
    return section;
}

Section series_section(const SegmentFile& file, const std::vector<agent::SeriesInfo>& series) {
    Section section{
        .name = "series",
        .title = "Series",
        .columns = {
            {"index", Unit::kNumber}, {"metric"}, {"labels"}, {"kind"}, {"unit"}, {"created_ns", Unit::kTimeMs}}};
    const auto schema = file.source->schema();
    for (const agent::SeriesInfo& one : series) {
        const agent::MetricInfo& metric = schema->metrics[one.metric];
        section.rows.push_back({std::uint64_t{one.index}, metric.name, labels_of(metric, one),
                                std::string(agent::kind_name(metric.kind)), metric.unit,
                                known_or_unknown(one.created_ns)});
    }
    return section;
}

// Indexes of the tiers that --tier names.
Result<std::vector<std::uint32_t>> choose_tiers(const agent::SchemaInfo& schema, const std::string& wanted) {
    if (wanted.empty()) return std::vector<std::uint32_t>{0};
    std::vector<std::uint32_t> tiers;
    std::string names;
    const std::uint64_t wanted_ns = wanted == "all" ? 0 : *parse_duration_ns(wanted);
    for (std::uint32_t t = 0; t < schema.tiers.size(); ++t) {
        const std::uint64_t resolution_ns = schema.tiers[t].resolution_s * kNsPerS;
        names += (names.empty() ? "" : ", ") + duration_text(static_cast<double>(resolution_ns));
        if (wanted == "all" || resolution_ns == wanted_ns) tiers.push_back(t);
    }
    if (tiers.empty()) {
        return agent::error(agent::Code::kInvalid,
                            "there is no tier of " + wanted + "; there are " + names + ", and `all`");
    }
    return tiers;
}

// What cannot be read is named in `warnings`; the rest is complete.
Result<std::vector<SeriesOfPoints>> read_points(const SegmentFile& file, const std::vector<agent::SeriesInfo>& series,
                                                const DumpOptions& options, std::uint32_t columns, Texts& warnings) {
    const auto schema = file.source->schema();
    const auto tiers = choose_tiers(*schema, options.tier);
    if (!tiers) return tiers.error();
    std::vector<SeriesOfPoints> points;
    for (const agent::SeriesInfo& one : series) {
        // The constant 1: it has no windows in the agent's answers either.
        if (schema->metrics[one.metric].kind == agent::Kind::kInfo) continue;
        for (std::uint32_t tier : *tiers) {
            auto read = read_series_of_file(file, one, tier, columns);
            if (read) {
                points.push_back(std::move(*read));
            } else {
                warnings.push_back(read.error().message());
            }
        }
    }
    return points;
}

// The series that `selector` chooses.
Result<std::vector<agent::SeriesInfo>> choose_series(const SegmentFile& file,
                                                     const std::optional<std::string>& selector) {
    auto series = file.source->series();
    if (!series || !selector) return series;
    const auto parsed = agent::parse_selector(*selector);
    if (!parsed) return parsed.error();
    const auto schema = file.source->schema();
    std::erase_if(*series, [&](const agent::SeriesInfo& one) {
        const agent::MetricInfo& metric = schema->metrics[one.metric];
        return !selects(*parsed, metric.name, labels_of(metric, one));
    });
    return series;
}

Result<void> check_tier(const std::string& text) {
    if (text == "all") return {};
    const auto parsed = parse_duration_ns(text);
    if (!parsed) return agent::error(parsed.error().code, parsed.error().context + ", or all");
    return {};
}

void add_dump(Command& segment, const Session& session) {
    Command dump = segment.add("dump", "Print header, schema and series of a file, and windows on request");
    auto options = std::make_shared<DumpOptions>();
    dump.text("PATH", options->path, "A segment or an archive file").required().hint({Hint::kFile});
    dump.parsed("--series", "Also the windows of these series; '{}' is all of them",
                [options](const std::string& text) {
                    options->series = text;
                    return check_selector(text);
                })
        .type("SELECTOR");
    dump.parsed("--tier", "The tier's resolution, or all; the default is the finest",
                [options](const std::string& text) {
                    options->tier = text;
                    return check_tier(text);
                })
        .type("DURATION|all");
    dump.words("--columns", options->columns, column_words(), "Only these columns");
    add_section_choice(dump, options->section, {"header", "schema", "tiers", "metrics", "series"});
    dump.footer("CSV has the windows, or without --series and --tier the series, or the section that is named.");
    dump.run([&session, options] { return run_dump(session, *options); });
}

}  // namespace

int run_dump(const Session& session, const DumpOptions& options) {
    const auto file = open_segment_file(options.path);
    if (!file) return fail(file.error());
    const auto schema = file->source->schema();
    const auto series = choose_series(*file, options.series);
    if (!series) return fail(series.error());
    Document document{
        .kind = "segment",
        .sections = {header_section(*file),
                     {.name = "schema",
                      .title = "Schema",
                      .columns = {{"name"}, {"version", Unit::kNumber}, {"series_capacity", Unit::kNumber}},
                      .rows = {{schema->name, std::uint64_t{schema->version}, std::uint64_t{schema->series_capacity}}},
                      .single = true},
                     tiers_section(*schema),
                     metrics_section(*schema),
                     series_section(*file, *series)},
        .csv = 4};
    Texts warnings;
    if (options.series || !options.tier.empty()) {
        const std::uint32_t columns = column_bits(options.columns);
        const auto points = read_points(*file, *series, options, columns, warnings);
        if (!points) return fail(points.error());
        if (session.format == Format::kTable) {
            for (Section& section : series_sections(*points, columns)) document.sections.push_back(std::move(section));
        } else {
            document.sections.push_back(points_section(*points, columns));
            document.csv = document.sections.size() - 1;
        }
    }
    document.keep(options.section);
    Output output = session.output();
    output.print(document);
    for (const std::string& warning : warnings) note(warning);
    return finish(output, warnings.empty() ? kExitOk : kExitPartial);
}

void add_segment(Command& root, const Session& session) {
    Command segment = root.add("segment", "Check and read segments and archive files, with or without an agent");
    segment.needs_command();

    Command verify = segment.add("verify", "Check files as the agent does, and read every window");
    auto paths = std::make_shared<std::vector<std::string>>();
    verify.texts("PATH", *paths, "Segments and archive files").required().hint({Hint::kFile});
    verify.footer("Exit code 7 when one of them is not right.");
    verify.run([&session, paths] { return run_verify(session, *paths); });

    add_dump(segment, session);
}

}  // namespace ringside::ctl
