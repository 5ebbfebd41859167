// The scripts themselves. bash and zsh share the walk over the line and the tables; fish has declarations of its own.
#include "tools/ringsidectl/completion.h"

namespace ringside::ctl {
namespace {

// In every script: VM ids, of the agent that RINGSIDE_SOCKET names. They consist of letters, digits and . _ : - only.
constexpr const char* kVmNames = "ringsidectl ls --all -o csv 2>/dev/null | tail -n +2 | cut -d , -f 1 | sort -u";

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
    return text;
}

std::string hint_word(const Hint& hint) {
    switch (hint.kind) {
        case Hint::kNothing: return "nothing";
        case Hint::kVm: return "vm";
        case Hint::kFile: return "file";
        case Hint::kDirectory: return "directory";
        case Hint::kWords: return "words " + joined(hint.words);
    }
    return "nothing";
}

std::string option_names(const CompletionCommand& command) {
    std::vector<std::string> names;
    for (const CompletionOption& option : command.options) {
        names.insert(names.end(), option.names.begin(), option.names.end());
    }
    return joined(names);
}

// `case` arms that set `kind` and `choices` from "$cmd", "$previous" and "$argument": shell that bash and zsh both read.
std::string tables(const std::vector<CompletionCommand>& commands) {
    std::string values, words, arguments;
    for (const CompletionCommand& command : commands) {
        for (const CompletionOption& option : command.options) {
            if (!option.takes_value) continue;
            std::vector<std::string> patterns;
            for (const std::string& name : option.names) {
                // A global option has the same meaning everywhere.
                patterns.push_back(command.path.empty() ? "*\":" + name + "\""
                                                        : "\"" + command.path + ":" + name + "\"");
            }
            values += "    " + joined(patterns, " | ") + ") kind='" + hint_word(option.hint) + "' ;;\n";
        }
        words += "    \"" + command.path + "\") choices='" + joined(command.commands) +
                 (command.commands.empty() ? "" : " ") + option_names(command) + "' ;;\n";
        for (std::size_t i = 0; i < command.positionals.size(); ++i) {
            const bool repeats = command.last_repeats && i + 1 == command.positionals.size();
            arguments += "    \"" + command.path + ":" + (repeats ? "\"*" : std::to_string(i) + "\"") + ") kind='" +
                         hint_word(command.positionals[i]) + "' ;;\n";
        }
    }
    return "  case \"$cmd:$previous\" in\n" + values + "  esac\n  case \"$cmd\" in\n" + words +
           "  esac\n  [ -n \"$kind\" ] || case \"$cmd:$argument\" in\n" + arguments + "  esac\n";
}

// Options that take the next word, so that it is not taken for a command or an argument.
std::string options_with_value(const std::vector<CompletionCommand>& commands) {
    std::vector<std::string> names;
    for (const CompletionCommand& command : commands) {
        for (const CompletionOption& option : command.options) {
            if (option.takes_value) names.insert(names.end(), option.names.begin(), option.names.end());
        }
    }
    std::string text;
    for (const std::string& name : names) {
        if ((" " + text + " ").find(" " + name + " ") == std::string::npos) text += (text.empty() ? "" : " ") + name;
    }
    return text;
}

std::string all_paths(const std::vector<CompletionCommand>& commands) {
    std::string text;
    for (const CompletionCommand& command : commands) {
        if (!command.path.empty()) text += "|" + command.path;
    }
    return text + "|";
}

// Walks the words before the current one: `cmd` becomes the command, `argument` the number of arguments after it.
std::string walk(const std::vector<CompletionCommand>& commands) {
    return "  local with_value=' " + options_with_value(commands) +
           " '\n"
           "  local paths='" +
           all_paths(commands) +
           "'\n"
           "  for word in \"${before[@]}\"; do\n"
           "    if [ -n \"$skip\" ]; then skip=''; continue; fi\n"
           "    case \"$word\" in\n"
           "      -*=*) continue ;;\n"
           "      -*) case \"$with_value\" in *\" $word \"*) skip=1 ;; esac; continue ;;\n"
           "    esac\n"
           "    case \"$paths\" in\n"
           "      *\"|${cmd:+$cmd }$word|\"*) if [ \"$argument\" = 0 ]; then cmd=\"${cmd:+$cmd }$word\"; continue; fi "
           ";;\n"
           "    esac\n"
           "    argument=$((argument + 1))\n"
           "  done\n"
           "  if [ -z \"$skip\" ]; then previous=''; fi\n";
}

// Single quotes of fish: only \ and ' need a backslash.
std::string fish_quoted(const std::string& text) {
    std::string quoted = "'";
    for (char c : text) {
        if (c == '\\' || c == '\'') quoted += '\\';
        quoted += c;
    }
    return quoted + "'";
}

std::string fish_values(const Hint& hint) {
    switch (hint.kind) {
        case Hint::kNothing: return " -x";
        case Hint::kVm: return " -x -a '(__ringsidectl_vms)'";
        case Hint::kFile: return " -r -F";
        case Hint::kDirectory: return " -x -a '(__fish_complete_directories)'";
        case Hint::kWords: return " -x -a " + fish_quoted(joined(hint.words));
    }
    return {};
}

std::string fish_command(const CompletionCommand& command, const std::vector<CompletionCommand>& all) {
    const std::string at = command.path.empty() ? "" : " -n " + fish_quoted("__ringsidectl_at " + command.path);
    std::string text;
    for (const CompletionOption& option : command.options) {
        text += "complete -c ringsidectl" + at;
        for (const std::string& name : option.names) {
            text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
        }
        if (option.takes_value) text += fish_values(option.hint);
        text += " -d " + fish_quoted(option.help) + "\n";
    }
    for (const CompletionCommand& child : all) {
        const std::string path = (command.path.empty() ? "" : command.path + " ");
        for (const std::string& name : command.commands) {
            if (child.path != path + name) continue;
            text += "complete -c ringsidectl -n " + fish_quoted("__ringsidectl_is " + command.path) + " -a " + name +
                    " -d " + fish_quoted(child.help) + "\n";
        }
    }
    for (std::size_t i = 0; i < command.positionals.size(); ++i) {
        const Hint& hint = command.positionals[i];
        if (hint.kind == Hint::kNothing) continue;
        const bool repeats = command.last_repeats && i + 1 == command.positionals.size();
        text +=
            "complete -c ringsidectl -n " +
            fish_quoted("__ringsidectl_argument " + std::to_string(i) + (repeats ? " -ge " : " -eq ") + command.path) +
            (hint.kind == Hint::kFile ? " -F" : fish_values(hint)) + "\n";
    }
    return text;
}

}  // namespace

std::string bash_completion(const std::vector<CompletionCommand>& commands) {
    std::string text = R"(# bash completion for ringsidectl, written by `ringsidectl completion bash`
_ringsidectl() {
  # COMP_WORDS is split at `:` and `=`, which VM ids and options contain: split the line at blanks instead.
  local line=${COMP_LINE:0:COMP_POINT} current=''
  local -a before
  read -r -a before <<<"$line"
  if [[ $line != *[[:space:]] ]]; then current=${before[-1]}; unset 'before[-1]'; fi
  before=("${before[@]:1}")
  local cmd='' previous='' word='' skip='' kind='' choices='' argument=0
  if ((${#before[@]})); then previous=${before[-1]}; fi
)";
    text += walk(commands) + tables(commands);
    text += R"(  COMPREPLY=()
  if [[ $current = -* && -z $previous ]]; then kind=''; fi
  case "$kind" in
    vm) choices=$()";
    text += kVmNames;
    text += R"() ;;
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    directory) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    words\ *) choices=${kind#words } ;;
    nothing) return ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
  # What readline replaces begins after the last `:` of the word.
  if [[ $current = *:* && $COMP_WORDBREAKS = *:* ]]; then
    local head=${current%"${current##*:}"} i
    for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$head"}; done
  fi
}
complete -F _ringsidectl ringsidectl
)";
    return text;
}

std::string zsh_completion(const std::vector<CompletionCommand>& commands) {
    std::string text = R"(#compdef ringsidectl
# zsh completion for ringsidectl, written by `ringsidectl completion zsh`
_ringsidectl() {
  local current=$PREFIX
  local -a before
  before=("${(@)words[2,CURRENT-1]}")
  local cmd='' previous='' word='' skip='' kind='' choices='' argument=0
  if (($#before)); then previous=$before[-1]; fi
)";
    text += walk(commands) + tables(commands);
    text += R"(  if [[ $current = -* && -z $previous ]]; then kind=''; fi
  case "$kind" in
    vm) choices=$()";
    text += kVmNames;
    text += R"() ;;
    file) _files; return ;;
    directory) _files -/; return ;;
    words\ *) choices=${kind#words } ;;
    nothing) return 1 ;;
  esac
  compadd -- ${=choices}
}
if [[ $funcstack[1] = _ringsidectl ]]; then _ringsidectl "$@"; else compdef _ringsidectl ringsidectl; fi
)";
    return text;
}

std::string fish_completion(const std::vector<CompletionCommand>& commands) {
    std::string text = R"(# fish completion for ringsidectl, written by `ringsidectl completion fish`
function __ringsidectl_vms
  )";
    text += kVmNames;
    text += R"(
end
# The command and the arguments typed so far, without options and their values.
function __ringsidectl_words
  set -l with_value )";
    text += options_with_value(commands);
    text += R"(
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
    else if contains -- $word $with_value
      set skip 1
    else if not string match -q -- '-*' $word
      echo $word
    end
  end
end
function __ringsidectl_at
  set -l typed (__ringsidectl_words)
  set -l n (count $argv)
  test (count $typed) -ge $n; and test "$typed[1..$n]" = "$argv"
end
# Whether argument N of a command comes next: N, then -eq, or -ge where the argument may be repeated, then the command.
function __ringsidectl_argument
  set -l typed (__ringsidectl_words)
  set -l n (count $argv[3..-1])
  __ringsidectl_at $argv[3..-1]; and test (math (count $typed) - $n) $argv[2] $argv[1]
end
function __ringsidectl_is
  set -l typed (__ringsidectl_words)
  test "$typed" = "$argv"
end
complete -c ringsidectl -f
)";
    for (const CompletionCommand& command : commands) text += fish_command(command, commands);
    return text;
}

}  // namespace ringside::ctl
