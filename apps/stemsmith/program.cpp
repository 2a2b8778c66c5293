#include "apps/stemsmith/program.h"

#include "apps/command_line.h"
#include "apps/output.h"
#include "apps/stemsmith/commands.h"
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
  return RunCommandLine("stemsmith", app, argc, argv, [] { return 0; });
}

}  // namespace

int RunProgram(int argc, char** argv, std::span<const CommandRow> commands) {
  StartProgram();
  return FinishProgram(ParseAndRun(argc, argv, commands));
}

}  // namespace stemsmith
