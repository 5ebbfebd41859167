#include "tools/ringsidectl/command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "agent/base/clock.h"
#include "libwriter/toml/nearest.h"
#include "tools/ringsidectl/text.h"

namespace ringside::ctl {
namespace {

using agent::Code;
using agent::error;

bool is_positional(const std::string& name) { return !name.starts_with('-'); }

std::vector<std::string_view> views(const std::vector<std::string>& words) { return {words.begin(), words.end()}; }

Result<void> check_word(const std::string& word, const std::vector<std::string>& words) {
    if (std::find(words.begin(), words.end(), word) != words.end()) return {};
    const std::vector<std::string_view> known = views(words);
    return error(Code::kInvalid,
                 "`" + word + "` is not one of " + list_names(known) + did_you_mean(nearest_names(word, known)));
}

// CLI11 names the option; the reason is ours.
void refuse_unless(const Result<void>& good, const std::string& option) {
    if (!good) throw CLI::ValidationError(option, good.error().context);
}

// Stores what `parse` makes of the text.
template <typename To, typename Parse>
std::function<Result<void>(const std::string&)> storing(To& to, Parse parse) {
    return [&to, parse](const std::string& text) -> Result<void> {
        const auto value = parse(text);
        if (!value) return value.error();
        to = static_cast<To>(*value);
        return {};
    };
}

}  // namespace

Option& Option::type(const std::string& name) {
    option_->type_name(name);
    return *this;
}

Option& Option::required() {
    option_->required();
    return *this;
}

Option& Option::hint(Hint hint) {
    session_->hints[option_] = std::move(hint);
    return *this;
}

Option& Option::shows(const std::string& default_value) {
    option_->default_str(default_value);
    return *this;
}

Option& Option::excludes(const Option& other) {
    option_->excludes(other.option_);
    return *this;
}

Command Command::add(const std::string& name, const std::string& help) {
    return {app_->add_subcommand(name, help), session_};
}

void Command::needs_command() { app_->require_subcommand(1); }

void Command::footer(const std::string& text) { app_->footer(text); }

void Command::run(std::function<int()> action) {
    app_->callback([session = session_, action = std::move(action)] { session->run = action; });
}

Option Command::flag(const std::string& name, bool& value, const std::string& help) {
    return {app_->add_flag(name, value, help), session_};
}

Option Command::text(const std::string& name, std::string& value, const std::string& help) {
    return {app_->add_option(name, value, help)->type_name(is_positional(name) ? "" : "TEXT"), session_};
}

Option Command::texts(const std::string& name, std::vector<std::string>& values, const std::string& help) {
    CLI::Option* option = app_->add_option(name, values, help)->type_name(is_positional(name) ? "" : "TEXT");
    // `--schema a b`: b is not a second schema, it is an argument.
    if (!is_positional(name)) option->expected(1)->take_all();
    return {option, session_};
}

Option Command::number(const std::string& name, std::uint64_t& value, const std::string& help) {
    Option option = parsed(name, help, storing(value, [](const std::string& text) { return parse_count(text); }));
    return is_positional(name) ? option : option.type("N");
}

Option Command::number(const std::string& name, std::uint32_t& value, const std::string& help) {
    Option option =
        parsed(name, help, storing(value, [](const std::string& text) { return parse_count(text, UINT32_MAX); }));
    return is_positional(name) ? option : option.type("N");
}

Option Command::parsed(const std::string& name, const std::string& help,
                       std::function<Result<void>(const std::string&)> take) {
    CLI::Option* option = app_->add_option_function<std::string>(
        name, [name, take = std::move(take)](const std::string& text) { refuse_unless(take(text), name); }, help);
    return {option->type_name(is_positional(name) ? "" : "TEXT"), session_};
}

Option Command::word(const std::string& name, std::string& value, const std::vector<std::string>& words,
                     const std::string& help) {
    Option option = parsed(name, help + ": " + list_names(views(words)), [&value, words](const std::string& text) {
        value = text;
        return check_word(text, words);
    });
    if (!is_positional(name)) option.type("WORD");
    return option.hint({Hint::kWords, words});
}

Option Command::words(const std::string& name, std::vector<std::string>& values, const std::vector<std::string>& words,
                      const std::string& help) {
    CLI::Option* option = app_->add_option_function<std::vector<std::string>>(
        name,
        [name, &values, words](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) refuse_unless(check_word(text, words), name);
            values = texts;
        },
        help + ": " + list_names(views(words)) + ", separated by commas");
    option->type_name("WORD,...")->delimiter(',')->expected(1)->take_all();
    return Option(option, session_).hint({Hint::kWords, words});
}

Option Command::duration(const std::string& name, std::uint64_t& ns, const std::string& help) {
    Option option = parsed(name, help, storing(ns, [](const std::string& text) -> Result<std::uint64_t> {
                               auto span = parse_duration_ns(text);
                               if (span && *span == 0) return error(Code::kInvalid, "`" + text + "` is no time at all");
                               return span;
                           }));
    return is_positional(name) ? option : option.type("DURATION");
}

Option Command::bytes(const std::string& name, std::optional<std::uint64_t>& bytes, const std::string& help) {
    return parsed(name, help, storing(bytes, [](const std::string& text) { return parse_bytes(text); })).type("BYTES");
}

Option Command::time(const std::string& name, std::optional<std::uint64_t>& ns, const std::string& help) {
    return parsed(name, help, storing(ns, [](const std::string& text) { return parse_time_ns(text, now_ns()); }))
        .type("TIME");
}

void add_vm_choice(Command& command, VmChoice& choice) {
    command.text("VM", choice.vm_id, "The VM's id, as `ringsidectl ls` shows it").required().hint({Hint::kVm});
    command
        .parsed("--component", "Only this component of the VM; '' is the VMM itself",
                [&choice](const std::string& text) -> Result<void> {
                    choice.component = text;
                    return {};
                })
        .type("NAME");
    command.text("--epoch", choice.epoch, "This life of the VM, or its first digits; else the newest").type("HEX");
}

void add_section_choice(Command& command, std::string& section, const std::vector<std::string>& names) {
    command.word("--section", section, names, "Print only this section, which makes each of them a CSV").type("NAME");
}

std::uint64_t now_ns() { return agent::realtime_ns(); }

}  // namespace ringside::ctl
