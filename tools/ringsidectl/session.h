// What the command line said, shared by all commands.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tools/ringsidectl/output.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ringside::ctl {

inline constexpr const char* kDefaultSocket = "/run/ringside/agent.sock";
inline constexpr const char* kSocketVariable = "RINGSIDE_SOCKET";

// What a shell may offer for the value of an option or a positional.
struct Hint {
    enum Kind { kNothing, kVm, kFile, kDirectory, kWords };
    Kind kind = kNothing;
    std::vector<std::string> words = {};
};

struct Session {
    std::string socket = kDefaultSocket;
    Format format = Format::kTable;
    std::uint64_t timeout_ns = 5'000'000'000;  // of one call; streams have none
    std::function<int()> run;                  // the chosen command; its exit code
    std::map<const CLI::Option*, Hint> hints;

    Output output() const { return {stdout, format, wants_colours(stdout), terminal_width(stdout)}; }
};

// Builds the whole command line on `session`, which outlives it.
std::unique_ptr<CLI::App> make_command_line(Session& session);

}  // namespace ringside::ctl
