// Options of the same shape in several commands. Values are checked while the command line is read, so that a mistake in
// any of them is an error of usage and nothing has been done yet.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/ringsidectl/session.h"

namespace ringside::ctl {

// Which VM: a positional VM, and --component and --epoch to tell its segments apart.
struct VmChoice {
    std::string vm_id;
    std::optional<std::string> component;  // "" is the VMM itself
    std::string epoch;
};
void add_vm_choice(CLI::App& command, Session& session, VmChoice& choice);

// One word of `words`; the shell completes them.
CLI::Option* add_word(CLI::App& command, Session& session, const std::string& name, std::string& value,
                      const std::vector<std::string>& words, const std::string& help);

// Words of `words`, separated by commas or given several times.
CLI::Option* add_words(CLI::App& command, Session& session, const std::string& name, std::vector<std::string>& values,
                       const std::vector<std::string>& words, const std::string& help);

// A span of time such as 5m, in ns.
CLI::Option* add_duration(CLI::App& command, const std::string& name, std::uint64_t& ns, const std::string& help);

// A size such as 64KiB.
CLI::Option* add_bytes(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& bytes,
                       const std::string& help);

// A point in time such as -5m or 2026-11-21T20:40:55Z, in ns since 1970.
CLI::Option* add_time(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& ns,
                      const std::string& help);

// CLOCK_REALTIME in ns.
std::uint64_t now_ns();

}  // namespace ringside::ctl
