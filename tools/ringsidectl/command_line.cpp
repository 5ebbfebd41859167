// The tree of commands, and what holds for all of them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <utility>

#include "tools/ringsidectl/exit_codes.h"
#include "tools/ringsidectl/options.h"
#include "tools/ringsidectl/session.h"

namespace ringside::ctl {
namespace {

constexpr std::size_t kHelpColumn = 26;
constexpr std::size_t kHelpWidth = 110;

// Breaks a text into lines of `width` columns, at blanks.
std::string wrapped(const std::string& text, std::size_t width) {
    std::string out, line;
    std::size_t begin = 0;
    while (begin < text.size()) {
        std::size_t end = std::min(text.find(' ', begin), text.size());
        const std::string word = text.substr(begin, end - begin);
        if (!line.empty() && line.size() + 1 + word.size() > width) {
            out += line + "\n";
            line.clear();
        }
        line += (line.empty() ? "" : " ") + word;
        begin = end + 1;
    }
    return out + line;
}

// CLI11 puts a description on one line, however long.
class Wrapping : public CLI::Formatter {
  public:
    Wrapping() {
        column_width(kHelpColumn);
        label("SUBCOMMAND", "COMMAND");
        label("Positionals", "Arguments");
        label("REQUIRED", "(required)");
    }
    std::string make_option_desc(const CLI::Option* option) const override {
        return wrapped(CLI::Formatter::make_option_desc(option), kHelpWidth - kHelpColumn);
    }
    std::string make_subcommand(const CLI::App* command) const override {
        std::stringstream out;
        CLI::detail::format_help(out, command->get_name(),
                                 wrapped(command->get_description(), kHelpWidth - kHelpColumn), kHelpColumn);
        return out.str();
    }
};

void name_groups(CLI::App& app) {
    for (CLI::App* child : app.get_subcommands([](CLI::App*) { return true; })) {
        child->group("Commands");
        name_groups(*child);
    }
}

std::string footer() {
    std::string text = "Exit codes:\n";
    for (const ExitCodeText& entry : kExitCodes) {
        text += "  " + std::to_string(entry.code) + "  " + entry.text + "\n";
    }
    text +=
        "\nTimes are UTC. A value that is not known is `-`, null in JSON and an empty field in CSV.\n"
        "`ringsidectl COMMAND --help` explains a command; ringsidectl(1) has all of it.";
    return text;
}

void add_global_options(CLI::App& root, Session& session) {
    CLI::Option* socket = root.add_option("--socket", session.socket, "The agent's socket")
                              ->envname(kSocketVariable)
                              ->type_name("PATH")
                              ->capture_default_str();
    session.hints[socket] = {Hint::kFile};
    const std::vector<std::string> formats{"table", "json", "csv"};
    CLI::Option* output = root.add_option_function<std::string>(
        "-o,--output",
        [&session](const std::string& word) {
            if (word == "table") {
                session.format = Format::kTable;
            } else if (word == "json") {
                session.format = Format::kJson;
            } else if (word == "csv") {
                session.format = Format::kCsv;
            } else {
                throw CLI::ValidationError("--output", "`" + word + "` is not one of table, json or csv");
            }
        },
        "What to print: table, json or csv");
    output->type_name("FORMAT")->default_str("table");
    session.hints[output] = {Hint::kWords, formats};
    add_duration(root, "--timeout", session.timeout_ns, "How long to wait for the agent")->default_str("5s");
}

}  // namespace

std::unique_ptr<CLI::App> make_command_line(Session& session) {
    auto root = std::make_unique<CLI::App>(
        "Looks at VMs and their metrics through the agent of this host, and at schemas and segments without it.",
        "ringsidectl");
    root->set_help_flag("-h,--help", "Print this help and exit");
    root->set_version_flag("--version", "ringsidectl " RINGSIDE_VERSION, "Print the version and exit");
    root->formatter(std::make_shared<Wrapping>());
    root->footer(footer());
    // A global option may stand before and after the command.
    root->fallthrough();
    add_global_options(*root, session);

    add_ls(*root, session);
    add_show(*root, session);
    add_stat(*root, session);
    add_read(*root, session);
    add_events(*root, session);
    add_drain(*root, session);
    add_admit(*root, session);
    add_status(*root, session);
    add_provision(*root, session);
    add_schema(*root, session);
    add_segment(*root, session);
    add_completion(*root, session);
    root->require_subcommand(1);
    name_groups(*root);
    return root;
}

}  // namespace ringside::ctl
