// The command line and the configuration file: everything that knows CLI11 is in command_line.cpp.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/config.h"

namespace ringside::agent {

enum class Action {
    kRun,
    kCheckConfig,  // read and check everything, then end
    kPrintConfig,  // print the configuration that would hold, then end
    kPrintText,    // print `text`, then end: --help, --version
};

struct CommandLine {
    Action action = Action::kRun;
    std::string text;
    std::string config_file;  // that was read; "": none
    Config config;
};

// Reads the options of the command line over those of the file over the defaults. To be called again for a reload, with
// the same arguments. kInvalid names the option, the value and the form, and for the file the line; kNotFound when the
// file that --config names is missing.
Result<CommandLine> read_command_line(const std::vector<std::string>& arguments, const Surroundings& around);

}  // namespace ringside::agent
