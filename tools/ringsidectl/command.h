// Commands and their options, as each command declares its own. The library that reads command lines (CLI11) stays
// behind this: it throws, and its headers cost seconds a file.
//
// Values are checked while the command line is read, so that a mistake in any of them is an error of usage and nothing has
// been done yet. A name without dashes is a positional argument.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "tools/ringsidectl/session.h"

namespace ringside::ctl {

using agent::Result;

// A handle on one option; valid as long as the command line.
class Option {
  public:
    Option(CLI::Option* option, Session* session) : option_(option), session_(session) {}

    Option& type(const std::string& name);  // what stands after the option in --help
    Option& required();
    Option& hint(Hint hint);  // what a shell may offer
    Option& shows(const std::string& default_value);
    Option& excludes(const Option& other);

  private:
    CLI::Option* option_;
    Session* session_;
};

// A handle on one command; valid as long as the command line. The values to which options are bound must live as long: let
// the action of run() own them.
class Command {
  public:
    Command(CLI::App* app, Session* session) : app_(app), session_(session) {}

    Command add(const std::string& name, const std::string& help);
    // One of its commands must be named.
    void needs_command();
    void footer(const std::string& text);
    // What to do when this is the command; its exit code.
    void run(std::function<int()> action);

    Option flag(const std::string& name, bool& value, const std::string& help);
    Option text(const std::string& name, std::string& value, const std::string& help);
    Option texts(const std::string& name, std::vector<std::string>& values, const std::string& help);
    Option number(const std::string& name, std::uint64_t& value, const std::string& help);
    Option number(const std::string& name, std::uint32_t& value, const std::string& help);
    // `take` says what is wrong with the text.
    Option parsed(const std::string& name, const std::string& help,
                  std::function<Result<void>(const std::string&)> take);
    // One of `words`; several of them, separated by commas or given several times. The shell completes them.
    Option word(const std::string& name, std::string& value, const std::vector<std::string>& words,
                const std::string& help);
    Option words(const std::string& name, std::vector<std::string>& values, const std::vector<std::string>& words,
                 const std::string& help);
    // A span such as 5m in ns, above zero; a size such as 64KiB; a time such as -5m or 2026-11-21T20:40:55Z in ns since 1970.
    Option duration(const std::string& name, std::uint64_t& ns, const std::string& help);
    Option bytes(const std::string& name, std::optional<std::uint64_t>& bytes, const std::string& help);
    Option time(const std::string& name, std::optional<std::uint64_t>& ns, const std::string& help);

  private:
    CLI::App* app_;
    Session* session_;
};

// Which VM: a positional VM, and --component and --epoch to tell its segments apart.
struct VmChoice {
    std::string vm_id;
    std::optional<std::string> component;  // "" is the VMM itself
    std::string epoch;
};
void add_vm_choice(Command& command, VmChoice& choice);

// --section: which of the answer's sections to print, for Document::keep(); else all, and in CSV the one that matters most.
void add_section_choice(Command& command, std::string& section, const std::vector<std::string>& names);

// One file each.
void add_blackbox(Command& root, const Session& session);
void add_admit(Command& root, const Session& session);  // admit, release, admissions
void add_audit(Command& root, const Session& session);
void add_drain(Command& root, const Session& session);
void add_events(Command& root, const Session& session);
void add_graph(Command& root, const Session& session);
void add_ls(Command& root, const Session& session);
void add_provision(Command& root, const Session& session);
void add_query(Command& root, const Session& session);
void add_read(Command& root, const Session& session);
void add_schema(Command& root, const Session& session);
void add_segment(Command& root, const Session& session);
void add_show(Command& root, const Session& session);
void add_stat(Command& root, const Session& session);
void add_status(Command& root, const Session& session);
// Completes the tree that it is part of.
void add_completion(Command& root, const Session& session, const CLI::App& tree);

// CLOCK_REALTIME in ns.
std::uint64_t now_ns();

}  // namespace ringside::ctl
