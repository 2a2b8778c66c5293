#include "apps/generate.h"

#include <algorithm>
#include <utility>

#include "apps/output.h"
#include "core/text.h"
#include "stemsmith_version.h"

namespace stemsmith {
namespace {

// An option, a flag or a word of a command line.
struct Entry {
  std::vector<std::string> names;  // "-o", "--out"; none: a word
  std::string value;               // "DIR"; empty: a flag
  std::string description;
  std::vector<std::string> words;  // what may follow
};

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != text.npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

// Up to the end of its first clause.
std::string Brief(const std::string& description) {
  std::size_t end = description.size();
  for (const char* stop : {": ", "; ", " (", "\n"}) end = std::min(end, description.find(stop));
  return description.substr(0, end);
}

// "TEXT:{fail,conceal}" → fail, conceal.
std::vector<std::string> ChoicesIn(const std::string& type) {
  std::vector<std::string> words;
  const std::size_t begin = type.find('{'), end = type.find('}');
  if (begin == type.npos || end == type.npos) return words;
  words.emplace_back();
  for (const char letter : type.substr(begin + 1, end - begin - 1)) {
    if (letter == ',')
      words.emplace_back();
    else
      words.back() += letter;
  }
  return words;
}

std::vector<Entry> EntriesOf(const CLI::App& app, const GenerateOptions& options) {
  std::vector<Entry> entries;
  for (const CLI::Option* option : app.get_options()) {
    Entry entry;
    for (const std::string& name : option->get_snames()) entry.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) entry.names.push_back("--" + name);
    if (option->get_expected_min() > 0 || option->get_positional()) {
      entry.words = ChoicesIn(option->get_type_name());
      entry.value = entry.words.empty() ? option->get_type_name() : JoinNames(entry.words, "|");
    }
    entry.description = option->get_description();
    for (const std::string& name : entry.names)
      if (const auto found = options.words.find(name); found != options.words.end())
        entry.words = found->second;
    entries.push_back(std::move(entry));
  }
  return entries;
}

bool IsForFile(const Entry& entry) {
  for (const char* kind : {"FILE", "DIR", "SONG", "CACHE", "TEXT", "PATH"})
    if (Holds(entry.value, kind)) return true;
  return false;
}

// A table of options for each command; "" is the program without one.
using Commands = std::vector<std::pair<const CLI::App*, std::vector<Entry>>>;

Commands CommandsOf(const CLI::App& app, const GenerateOptions& options) {
  Commands commands = {{&app, EntriesOf(app, options)}};
  for (const CLI::App* command : app.get_subcommands({}))
    commands.emplace_back(command, EntriesOf(*command, options));
  return commands;
}

std::string CommandName(const Commands& commands, std::size_t i) {
  return i == 0 ? "" : commands[i].first->get_name();
}

std::vector<std::string> CommandNames(const Commands& commands) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i < commands.size(); ++i) names.push_back(CommandName(commands, i));
  return names;
}

std::string Bash(const Commands& commands, const GenerateOptions& options) {
  const std::string function = "_complete_" + options.program;
  const std::vector<std::string> names = CommandNames(commands);
  std::string text = "# Completion of " + options.program +
                     " for bash: source it, or put it into bash-completion's folder.\n" + function +
                     "() {\n"
                     "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} "
                     "command= words= i\n"
                     "  COMPREPLY=()\n";
  if (!names.empty())
    text += "  for ((i = 1; i < COMP_CWORD; ++i)); do\n    case ${COMP_WORDS[i]} in " +
            JoinNames(names, "|") + ") command=${COMP_WORDS[i]}; break ;; esac\n  done\n";
  text += "  case \"$command $before\" in\n";
  for (std::size_t i = 0; i < commands.size(); ++i) {
    for (const Entry& entry : commands[i].second) {
      if (entry.names.empty() || entry.value.empty()) continue;
      const std::string pattern = JoinNames(entry.names, "|", [&](const std::string& name) {
        return "'" + CommandName(commands, i) + " " + name + "'";
      });
      // Without words bash completes files.
      text += "    " + pattern + ")" +
              (entry.words.empty() ? ""
                                   : " COMPREPLY=($(compgen -W '" + JoinNames(entry.words, " ") +
                                         "' -- \"$word\"));") +
              " return ;;\n";
    }
  }
  text += "  esac\n  case $command in\n";
  for (std::size_t i = 0; i < commands.size(); ++i) {
    std::vector<std::string> flags;
    for (const Entry& entry : commands[i].second)
      flags.insert(flags.end(), entry.names.begin(), entry.names.end());
    text += "    '" + CommandName(commands, i) + "') words='" + JoinNames(flags, " ") + "' ;;\n";
  }
  text += "  esac\n  if [[ $word == -* ]]; then\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n";
  if (!names.empty())
    text += "  elif [[ -z $command ]]; then\n    COMPREPLY=($(compgen -W '" +
            JoinNames(names, " ") + "' -- \"$word\"))\n";
  if (options.names)
    text += "  else\n    mapfile -t COMPREPLY < <(compgen -W \"$(" + options.program +
            " --generate names 2>/dev/null)\" -- \"$word\"; compgen -f -- \"$word\")\n";
  return text + "  fi\n}\ncomplete -o filenames -o default -F " + function + " " +
         options.program + "\n";
}

std::string ZshSpecs(const std::vector<Entry>& entries, const std::string& indent) {
  const auto quoted = [](std::string part) {
    for (const char* special : {"[", "]", ":"})
      part = Replaced(part, special, std::string("\\") + special);
    return Replaced(part, "'", "'\\''");
  };
  std::string text;
  for (const Entry& entry : entries) {
    for (const std::string& name : entry.names) {
      text += " \\\n" + indent + "'" + name;
      if (!entry.value.empty() && name.starts_with("--")) text += "=";
      text += "[" + quoted(Brief(entry.description)) + "]";
      if (!entry.value.empty())
        text += ":" + quoted(entry.value) + ":" +
                (entry.words.empty() ? (IsForFile(entry) ? "_files" : " ")
                                     : "(" + JoinNames(entry.words, " ") + ")");
      text += "'";
    }
  }
  return text;
}

std::string Zsh(const Commands& commands, const GenerateOptions& options) {
  std::string text = "#compdef " + options.program + "\n";
  if (commands.size() == 1) {
    const std::string files = "'*:song:_files'";
    if (!options.names)
      return text + "_arguments" + ZshSpecs(commands[0].second, "  ") + " \\\n  " + files + "\n";
    const std::string function = "_" + options.program + "_words";
    return text + function + "() {\n  compadd -- ${(f)\"$(" + options.program +
           " --generate names 2>/dev/null)\"}\n  _files\n}\n_arguments" +
           ZshSpecs(commands[0].second, "  ") + " \\\n  '*:song:" + function + "'\n";
  }
  text += "local line state\n_arguments -C" + ZshSpecs(commands[0].second, "  ") +
          " \\\n  '1:command:(" + JoinNames(CommandNames(commands), " ") +
          ")' \\\n  '*::argument:->arguments'\n[[ $state == arguments ]] || return\n"
          "case $line[1] in\n";
  for (std::size_t i = 1; i < commands.size(); ++i)
    text += "  " + CommandName(commands, i) + ")\n    _arguments" +
            ZshSpecs(commands[i].second, "      ") + " \\\n      '*:file:_files'\n    ;;\n";
  return text + "esac\n";
}

std::string Fish(const Commands& commands, const GenerateOptions& options) {
  const auto quoted = [](const std::string& text) {
    return "'" + Replaced(Replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
  };
  const std::string begin = "complete -c " + options.program;
  std::string text;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    std::string when;
    if (commands.size() > 1)
      when = i == 0 ? " -n __fish_use_subcommand"
                    : " -n '__fish_seen_subcommand_from " + CommandName(commands, i) + "'";
    if (i > 0)
      text += begin + " -n __fish_use_subcommand -f -a " + CommandName(commands, i) + " -d " +
              quoted(Brief(commands[i].first->get_description())) + "\n";
    for (const Entry& entry : commands[i].second) {
      if (entry.names.empty()) continue;
      text += begin + when;
      for (const std::string& name : entry.names)
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!entry.words.empty())
        text += " -x -a " + quoted(JoinNames(entry.words, " "));
      else if (!entry.value.empty())
        text += IsForFile(entry) ? " -r -F" : " -x";
      text += " -d " + quoted(Brief(entry.description)) + "\n";
    }
  }
  if (options.names) text += begin + " -a '(" + options.program + " --generate names)'\n";
  return text;
}

// Text in the language of manual pages, groff's.
std::string Roff(const std::string& text) {
  std::string out = Replaced(Replaced(text, "\\", "\\e"), "-", "\\-");
  out = Replaced(Replaced(out, "\n.", "\n\\&."), "\n'", "\n\\&'");
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string ManEntries(const std::vector<Entry>& entries) {
  std::string text;
  for (const Entry& entry : entries) {
    const std::string value = entry.value.empty() ? "" : "\\fI" + Roff(entry.value) + "\\fR";
    const std::string names = JoinNames(entry.names, ", ", [](const std::string& name) {
      return "\\fB" + Roff(name) + "\\fR";
    });
    text += ".TP\n" + names + (names.empty() || value.empty() ? "" : " ") + value + "\n" +
            Roff(entry.description) + "\n";
  }
  return text;
}

std::string Man(const Commands& commands, const GenerateOptions& options) {
  const CLI::App& app = *commands[0].first;
  const std::string description = app.get_description();
  std::string title = options.program, words;
  std::transform(title.begin(), title.end(), title.begin(), ::toupper);
  for (const Entry& entry : commands[0].second)
    if (entry.names.empty()) words += " \\fI" + Roff(entry.value) + "\\fR";
  if (commands.size() > 1) words = " \\fICOMMAND\\fR …";
  std::string text = ".\\\" -*- coding: UTF-8 -*-\n.TH " + title + " 1 \"\" \"stemsmith " +
                     STEMSMITH_VERSION + "\" \"stemsmith\"\n.ad l\n.SH NAME\n" + options.program +
                     " \\- " + Roff(description.substr(description.find(": ") + 2)) +
                     "\n.SH SYNOPSIS\n.B " + options.program + "\n[\\fIOPTIONS\\fR]" + words +
                     "\n.SH OPTIONS\n" + ManEntries(commands[0].second);
  for (std::size_t i = 1; i < commands.size(); ++i)
    text += ".SH \"" + Roff(options.program + " " + CommandName(commands, i)) + "\"\n" +
            Roff(commands[i].first->get_description()) + ".\n" + ManEntries(commands[i].second);
  std::string footer = app.get_footer();
  while (footer.ends_with('\n')) footer.pop_back();
  return text + ".SH NOTES\n" + Replaced(Roff(footer), "\n", "\n.PP\n") + "\n";
}

constexpr std::pair<const char*, std::string (*)(const Commands&, const GenerateOptions&)>
    kKinds[] = {{"bash", Bash}, {"zsh", Zsh}, {"fish", Fish}, {"man", Man}};

}  // namespace

void AddGenerate(CLI::App& app, const GenerateOptions& options) {
  std::vector<std::string> kinds;
  for (const auto& [kind, make] : kKinds) kinds.emplace_back(kind);
  const auto generate = [&app, options](const std::string& wanted) {
    for (const auto& [kind, make] : kKinds)
      if (wanted == kind) WriteOutput(make(CommandsOf(app, options), options));
    if (wanted == "names") WriteOutput(JoinNames(options.names(), "\n") + "\n");
    throw CLI::Success();
  };
  app.add_option_function<std::string>(
         "--generate", generate,
         "Write the completion of this program's options for a shell, or its manual page")
      ->check([kinds, has_names = options.names != nullptr](const std::string& wanted) {
        // The names are for the completion of bash alone.
        const bool is_known = std::find(kinds.begin(), kinds.end(), wanted) != kinds.end() ||
                              (has_names && wanted == "names");
        return is_known ? "" : "give one of " + JoinNames(kinds);
      })
      ->configurable(false)
      ->type_name("{" + JoinNames(kinds, ",") + "}");
}

}  // namespace stemsmith
