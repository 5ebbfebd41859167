// Completion scripts, generated from the tree of commands, so that they know every option that there is.
#pragma once

#include <string>
#include <vector>

#include "tools/ringsidectl/session.h"

namespace ringside::ctl {

// One command as a shell sees it.
struct CompletionOption {
    std::vector<std::string> names = {};  // with dashes
    bool takes_value = false;
    Hint hint = {};
    std::string help = {};
};
struct CompletionCommand {
    std::string path = {};  // "", "ls", "schema check"
    std::string help = {};
    std::vector<CompletionOption> options = {};
    std::vector<Hint> positionals = {};
    bool last_repeats = false;  // the last positional takes any number
    std::vector<std::string> commands = {};
};

// All commands, the root first, each before its own.
std::vector<CompletionCommand> completion_commands(const CLI::App& root, const Session& session);

std::string bash_completion(const std::vector<CompletionCommand>& commands);
std::string zsh_completion(const std::vector<CompletionCommand>& commands);
std::string fish_completion(const std::vector<CompletionCommand>& commands);

}  // namespace ringside::ctl
