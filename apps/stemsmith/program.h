// What the programs `stemsmith` and `stemsmith-torch` share: the table of commands and one place
// where errors become exit codes.
#pragma once

#include <CLI/CLI.hpp>
#include <span>

namespace stemsmith {

struct CommandRow {
  const char* name;
  void (*add)(CLI::App& app);  // adds the subcommand of this name
};

// The commands that work without LibTorch. Loading it takes a third of a second.
std::span<const CommandRow> LightCommands();

// Parses, runs, returns the exit status.
int RunProgram(int argc, char** argv, std::span<const CommandRow> commands);

}  // namespace stemsmith
