#include "tools/ringsidectl/options.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

// CLI11 names the option; the reason is ours.
[[noreturn]] void refuse(const std::string& option, const std::string& reason) {
    throw CLI::ValidationError(option, reason);
}

std::string one_of(const std::vector<std::string>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
        text += words[i];
    }
    return text;
}

void check_word(const std::string& option, const std::string& word, const std::vector<std::string>& words) {
    if (std::find(words.begin(), words.end(), word) != words.end()) return;
    refuse(option, "`" + word + "` is not one of " + one_of(words) + did_you_mean(word, words));
}

// Runs `parse` on the option's text when the command line is read.
template <typename Parse, typename Take>
CLI::Option* add_parsed(CLI::App& command, const std::string& name, const std::string& help, const std::string& type,
                        Parse parse, Take take) {
    CLI::Option* option = command.add_option_function<std::string>(
        name,
        [name, parse, take](const std::string& text) {
            auto parsed = parse(text);
            if (!parsed.ok()) refuse(name, parsed.error().context);
            take(*parsed);
        },
        help);
    return option->type_name(type);
}

}  // namespace

void add_vm_choice(CLI::App& command, Session& session, VmChoice& choice) {
    CLI::Option* vm = command.add_option("VM", choice.vm_id, "The VM's id, as `ringsidectl ls` shows it")->required();
    vm->type_name("");
    session.hints[vm] = {Hint::kVm};
    command
        .add_option_function<std::string>(
            "--component", [&choice](const std::string& text) { choice.component = text; },
            "Only this component of the VM; '' is the VMM itself")
        ->type_name("NAME");
    command.add_option("--epoch", choice.epoch, "This life of the VM, or its first digits; else the newest")
        ->type_name("HEX");
}

CLI::Option* add_word(CLI::App& command, Session& session, const std::string& name, std::string& value,
                      const std::vector<std::string>& words, const std::string& help) {
    CLI::Option* option = command.add_option_function<std::string>(
        name,
        [name, &value, words](const std::string& text) {
            check_word(name, text, words);
            value = text;
        },
        help + ": " + one_of(words));
    option->type_name("WORD");
    session.hints[option] = {Hint::kWords, words};
    return option;
}

CLI::Option* add_words(CLI::App& command, Session& session, const std::string& name, std::vector<std::string>& values,
                       const std::vector<std::string>& words, const std::string& help) {
    CLI::Option* option = command.add_option_function<std::vector<std::string>>(
        name,
        [name, &values, words](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) check_word(name, text, words);
            values = texts;
        },
        help + ": " + one_of(words) + ", separated by commas");
    option->type_name("WORD,...")->delimiter(',')->expected(1)->take_all();
    session.hints[option] = {Hint::kWords, words};
    return option;
}

CLI::Option* add_duration(CLI::App& command, const std::string& name, std::uint64_t& ns, const std::string& help) {
    return add_parsed(
        command, name, help, "DURATION", [](const std::string& text) { return parse_duration_ns(text); },
        [&ns](std::uint64_t value) { ns = value; });
}

CLI::Option* add_bytes(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& bytes,
                       const std::string& help) {
    return add_parsed(
        command, name, help, "BYTES", [](const std::string& text) { return parse_bytes(text); },
        [&bytes](std::uint64_t value) { bytes = value; });
}

CLI::Option* add_time(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& ns,
                      const std::string& help) {
    return add_parsed(
        command, name, help, "TIME", [](const std::string& text) { return parse_time_ns(text, now_ns()); },
        [&ns](std::uint64_t value) { ns = value; });
}

std::uint64_t now_ns() {
    std::timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace ringside::ctl
