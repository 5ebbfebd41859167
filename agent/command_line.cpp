#include "agent/command_line.h"

#include <CLI/CLI.hpp>
#include <map>
#include <optional>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "agent/base/file.h"
#include "agent/upstreams_file.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kConfigMaxBytes = 1 << 20;

using Given = std::map<std::string, std::vector<std::string>>;  // by option name

// A value of the file as it would stand on the command line; nothing for a table or a date.
std::optional<std::string> scalar_text(const toml::node& node) {
    if (auto text = node.as_string()) return text->get();
    if (auto number = node.as_integer()) return std::to_string(number->get());
    if (auto truth = node.as_boolean()) return truth->get() ? "true" : "false";
    return std::nullopt;
}

std::string place(const std::string& path, const toml::source_region& source) {
    return path + ", line " + std::to_string(source.begin.line);
}

Result<std::vector<std::string>> values_of(const std::string& path, const toml::node& node) {
    auto wrong = [&](const toml::node& at) {
        return error(Code::kInvalid,
                     place(path, at.source()) +
                         ": a value is a text in quotes, a whole number, true or false, or a list of those");
    };
    std::vector<std::string> values;
    if (const toml::array* array = node.as_array()) {
        for (const toml::node& element : *array) {
            auto text = scalar_text(element);
            if (!text) return wrong(element);
            values.push_back(std::move(*text));
        }
        return values;
    }
    auto text = scalar_text(node);
    if (!text) return wrong(node);
    values.push_back(std::move(*text));
    return values;
}

Result<void> apply_file(const std::string& path, Config& config) {
    auto bytes = read_file(FileSystem::real(), path, kConfigMaxBytes);
    if (!bytes) return bytes.error();
    toml::parse_result parsed = toml::parse(*bytes, path);
    if (!parsed) {
        return error(Code::kInvalid,
                     place(path, parsed.error().source()) + ": " + std::string(parsed.error().description()));
    }
    for (const auto& [key, node] : parsed.table()) {
        const std::string name(key.str());
        const std::string where = place(path, node.source()) + ": ";
        if (node.is_table()) {
            return error(Code::kInvalid, where + "sections like [" + name + "] are not used; write option = value");
        }
        auto values = values_of(path, node);
        if (!values) return values.error();
        if (auto applied = apply_option(config, name, *values); !applied) {
            return error(Code::kInvalid, where + applied.error().context);
        }
    }
    return {};
}

// What stands on the command line beside the options of the table.
struct Flags {
    std::string config_file;
    bool check = false;
    bool print = false;
};

void declare(CLI::App& app, Flags& flags, Given& given) {
    app.set_help_flag("-h,--help", "Print this text and end");
    app.set_version_flag("--version", "ringside-agent " RINGSIDE_VERSION, "Print the version and end");
    app.add_option("-c,--config", flags.config_file,
                   "A file of options: name = \"value\", one a line (TOML); with a - before the path it may be missing")
        ->type_name("FILE");
    app.add_flag("--check-config", flags.check, "Check all options and the file, then end");
    app.add_flag("--print-config", flags.print, "Print the options that hold, as a file, then end");
    for (const Option& option : config_options()) {
        CLI::Option* added = app.add_option(std::string("--") + option.name, given[option.name], option.help);
        added->type_name(option.form)->group(option.group)->type_size(1)->allow_extra_args(false);
        if (!option.list) added->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
}

Result<CommandLine> parse(CLI::App& app, const std::vector<std::string>& arguments) {
    CommandLine line;
    // CLI11 wants the arguments last first.
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    try {
        app.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
        line.action = Action::kPrintText;
        line.text = app.help();
    } catch (const CLI::CallForVersion&) {
        line.action = Action::kPrintText;
        line.text = "ringside-agent " RINGSIDE_VERSION "\n";
    } catch (const CLI::Error& failed) {
        return error(Code::kInvalid, std::string(failed.what()) + "; see ringside-agent --help");
    }
    return line;
}

}  // namespace

Result<CommandLine> read_command_line(const std::vector<std::string>& arguments, const Surroundings& around) {
    CLI::App app("Keeps the metrics of this host's VMs where they are made, and sends summaries upstream.",
                 "ringside-agent");
    Flags flags;
    Given given;
    declare(app, flags, given);
    auto line = parse(app, arguments);
    if (!line || line->action == Action::kPrintText) return line;

    line->config = default_config(around);
    const bool may_be_missing = flags.config_file.starts_with('-');
    const std::string path = flags.config_file.substr(may_be_missing ? 1 : 0);
    if (!path.empty()) {
        auto applied = apply_file(path, line->config);
        const bool missing = !applied && applied.error().code == Code::kNotFound;
        if (!applied && !(missing && may_be_missing)) return applied.error();
        if (applied) line->config_file = path;
    }
    for (const auto& [name, values] : given) {
        if (values.empty()) continue;
        if (auto applied = apply_option(line->config, name, values); !applied) return applied.error();
    }
    // Last of all, because what it leaves open is what the options say.
    if (!line->config.upstreams_file.empty()) {
        auto upstreams = read_upstreams_file(line->config.upstreams_file, upstream_options(line->config, {}));
        if (!upstreams) return upstreams.error();
        line->config.file_upstreams = std::move(*upstreams);
    }
    if (auto good = check_config(line->config); !good) return good.error();
    if (flags.check) line->action = Action::kCheckConfig;
    if (flags.print) line->action = Action::kPrintConfig;
    return line;
}

}  // namespace ringside::agent
