// What is made of a program's table of options for others to read: completion for shells, and the
// manual page.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace stemsmith {

struct GenerateOptions {
  std::string program;
  // What may follow an option ("--format"), beside the choices that its help shows in braces.
  std::map<std::string, std::vector<std::string>> words;
  // Names that may stand in the place of a file, asked for while somebody types; empty: none.
  std::function<std::vector<std::string>()> names;
};

// Adds `--generate bash|zsh|fish|man`, which writes one of them to standard output and ends the
// parse; `app` must have all its options by then. With `names` also `--generate names`, as the
// scripts ask for.
void AddGenerate(CLI::App& app, const GenerateOptions& options);

}  // namespace stemsmith
