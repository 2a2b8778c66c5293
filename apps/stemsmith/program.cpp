#include "apps/stemsmith/program.h"

#include <iostream>
#include <sstream>

#include "apps/stemsmith/commands.h"
#include "core/current_error.h"
#include "core/error.h"
#include "core/program.h"
#include "stemsmith_version.h"

namespace stemsmith {

std::span<const CommandRow> LightCommands() {
  static const CommandRow rows[] = {
      {"synth", AddSynthCommand},     {"doctor", AddDoctorCommand},
      {"prepare", AddPrepareCommand}, {"augment-preview", AddAugmentPreviewCommand},
      {"watch", AddWatchCommand},
  };
  return rows;
}

void AddOutputFlags(CLI::App& command, OutputMode& mode) {
  auto* json = command.add_flag_callback(
      "--json", [&mode] { mode = OutputMode::kJson; },
      "Progress and result as JSON lines on standard output");
  command
      .add_flag_callback(
          "--quiet", [&mode] { mode = OutputMode::kQuiet; }, "No progress")
      ->excludes(json);
}

namespace {

int ParseAndRun(int argc, char** argv, std::span<const CommandRow> commands) {
  CLI::App app{"stemsmith: train, export and run music source separation models"};
  app.set_version_flag("--version", "stemsmith " STEMSMITH_VERSION);
  app.require_subcommand(1);
  for (const CommandRow& row : commands) row.add(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& status) {
    return status.get_exit_code();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      std::ostringstream text;
      app.exit(error, text);
      WriteOutput(text.str());
      return 0;
    }
    std::cerr << "error: " << error.what() << "; see stemsmith "
              << (app.get_subcommands().empty() ? "" : app.get_subcommands()[0]->get_name() + " ")
              << "--help\n";
    return static_cast<int>(ExitCode::kWrongUse);
  } catch (...) {
    const Error error = CurrentError();
    if (error.code() != ExitCode::kPipeClosed) std::cerr << "error: " << error.what() << '\n';
    return error.exit_status();
  }
  return 0;
}

}  // namespace

int RunProgram(int argc, char** argv, std::span<const CommandRow> commands) {
  StartProgram();
  return FinishProgram(ParseAndRun(argc, argv, commands));
}

}  // namespace stemsmith
