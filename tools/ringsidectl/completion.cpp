#include "tools/ringsidectl/completion.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/report.h"

namespace ringside::ctl {
namespace {

Hint hint_of(const CLI::Option* option, const Session& session) {
    const auto found = session.hints.find(option);
    return found == session.hints.end() ? Hint{} : found->second;
}

void collect(const CLI::App& app, const std::string& path, const Session& session,
             std::vector<CompletionCommand>& commands) {
    CompletionCommand command{.path = path, .help = app.get_description()};
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_positional()) {
            command.positionals.push_back(hint_of(option, session));
            command.last_repeats = option->get_items_expected_max() > 1;
            continue;
        }
        CompletionOption entry{.takes_value = option->get_items_expected_max() > 0,
                               .hint = hint_of(option, session),
                               .help = option->get_description()};
        for (const std::string& name : option->get_snames()) entry.names.push_back("-" + name);
        for (const std::string& name : option->get_lnames()) entry.names.push_back("--" + name);
        command.options.push_back(std::move(entry));
    }
    const auto children = app.get_subcommands([](const CLI::App*) { return true; });
    for (const CLI::App* child : children) command.commands.push_back(child->get_name());
    commands.push_back(std::move(command));
    for (const CLI::App* child : children) {
        collect(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), session, commands);
    }
}

}  // namespace

std::vector<CompletionCommand> completion_commands(const CLI::App& root, const Session& session) {
    std::vector<CompletionCommand> commands;
    collect(root, "", session, commands);
    return commands;
}

void add_completion(Command& root, const Session& session, const CLI::App& tree) {
    Command command = root.add("completion", "Print the completion script of a shell");
    auto shell = std::make_shared<std::string>();
    command.word("SHELL", *shell, {"bash", "zsh", "fish"}, "The shell").required();
    command.footer(
        "An installation has put the scripts where the shells look. Without one:\n"
        "  bash:  source <(ringsidectl completion bash)\n"
        "  zsh:   source <(ringsidectl completion zsh)\n"
        "  fish:  ringsidectl completion fish | source");
    command.run([&tree, &session, shell] {
        const auto commands = completion_commands(tree, session);
        const std::string text = *shell == "bash"  ? bash_completion(commands)
                                 : *shell == "zsh" ? zsh_completion(commands)
                                                   : fish_completion(commands);
        std::fwrite(text.data(), 1, text.size(), stdout);
        Output output = session.output();
        return finish(output);
    });
}

}  // namespace ringside::ctl
