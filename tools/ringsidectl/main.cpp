// ringsidectl: reads the command line, runs one command. CLI11 throws; nothing it throws leaves this file.
#include <CLI/CLI.hpp>
#include <exception>

#include "libwriter/toml/nearest.h"
#include "tools/ringsidectl/exit_codes.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/session.h"

namespace {

using namespace ringside::ctl;

// The innermost command that was recognised, so that the hint names the help that helps.
const CLI::App* innermost(const CLI::App* app) {
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return app;
}

// "ls", "schema check" without the program's name; "" for the root.
std::string command_name(const CLI::App* app) {
    if (!app->get_parent()) return {};
    const std::string above = command_name(app->get_parent());
    return above.empty() ? app->get_name() : above + " " + app->get_name();
}

int usage_error(const CLI::App& root, const CLI::ParseError& error) {
    const CLI::App* command = innermost(&root);
    const std::string name = command_name(command);
    const auto children = command->get_subcommands([](const CLI::App*) { return true; });
    std::string text = error.what();
    if (!children.empty() && error.get_name() != "ValidationError") {
        const std::vector<std::string> rest = root.remaining(true);
        if (rest.empty() || rest[0].starts_with('-')) {
            text = rest.empty() ? "a command is missing" : "there is no option " + rest[0];
        } else {
            std::vector<std::string_view> names;
            for (const CLI::App* child : children) names.push_back(child->get_name());
            text = "there is no command `" + (name.empty() ? "" : name + " ") + rest[0] + "`" +
                   ringside::did_you_mean(ringside::nearest_names(rest[0], names));
        }
    }
    while (!text.empty() && (text.back() == '\n' || text.back() == '.')) text.pop_back();
    return fail(kExitUsage, text + (text.ends_with('?') ? " " : "; ") + "see `ringsidectl " +
                                (name.empty() ? "" : name + " ") + "--help`");
}

int run(int argc, char** argv) {
    Session session;
    const auto root = make_command_line(session);
    try {
        root->parse(argc, argv);
    } catch (const CLI::Success& help_or_version) {
        root->exit(help_or_version);
        Output output = session.output();
        return finish(output);
    } catch (const CLI::ParseError& error) {
        return usage_error(*root, error);
    }
    return session.run();
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        // Out of memory, or a mistake in here.
        return fail(kExitError, std::string("internal error: ") + error.what());
    }
}
