// How every program takes its command line, and what it says of errors.
#pragma once

#include <CLI/CLI.hpp>
#include <sstream>
#include <string>

#include "apps/output.h"
#include "core/error.h"

namespace stemsmith {

// The exit status of `program`: parses, and calls `run`, which gives one.
template <typename Action>
int RunCommandLine(const std::string& program, CLI::App& app, int argc, char** argv, Action run) {
  try {
    app.parse(argc, argv);
    return run();
  } catch (const CLI::RuntimeError& status) {  // of a subcommand
    return status.get_exit_code();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      std::ostringstream text;
      app.exit(error, text);
      WriteOutput(text.str());
      return 0;
    }
    const auto commands = app.get_subcommands();
    WriteError(Error::Usage(error.what(), "",
                            "see " + program + " " +
                                (commands.empty() ? "" : commands[0]->get_name() + " ") +
                                "--help"));
    return static_cast<int>(ExitCode::kWrongUse);
  } catch (...) {
    return WriteCurrentError();
  }
}

}  // namespace stemsmith
