// The tree of commands, and what holds for all of them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <utility>

#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/exit_codes.h"

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

void add_global_options(Command& root, CLI::App& app, Session& session) {
    CLI::Option* socket = app.add_option("--socket", session.socket, "The agent's socket")->envname(kSocketVariable);
    socket->type_name("PATH")->capture_default_str();
    session.hints[socket] = {Hint::kFile};
    static const std::vector<std::string> kFormats{"table", "json", "csv"};
    root.parsed("-o,--output", "What to print: table, json or csv",
                [&session](const std::string& word) -> Result<void> {
                    if (word == "table") {
                        session.format = Format::kTable;
                    } else if (word == "json") {
                        session.format = Format::kJson;
                    } else if (word == "csv") {
                        session.format = Format::kCsv;
                    } else {
                        return agent::error(agent::Code::kInvalid, "`" + word + "` is not one of table, json or csv");
                    }
                    return {};
                })
        .type("FORMAT")
        .shows("table")
        .hint({Hint::kWords, kFormats});
    root.duration("--timeout", session.timeout_ns, "How long to wait for the agent").shows("5s");
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
    Command command(root.get(), &session);
    add_global_options(command, *root, session);

    add_ls(command, session);
    add_audit(command, session);
    add_show(command, session);
    add_stat(command, session);
    add_read(command, session);
    add_query(command, session);
    add_graph(command, session);
    add_events(command, session);
    add_drain(command, session);
    add_admit(command, session);
    add_status(command, session);
    add_provision(command, session);
    add_schema(command, session);
    add_segment(command, session);
    add_blackbox(command, session);
    add_completion(command, session, *root);
    root->require_subcommand(1);
    name_groups(*root);
    return root;
}

}  // namespace ringside::ctl
