#include "apps/stemsmith/program.h"

#include "apps/command_line.h"
#include "apps/generate.h"
#include "apps/output.h"
#include "apps/separate_songs.h"
#include "apps/stemsmith/commands.h"
#include "core/error.h"
#include "core/names.h"
#include "stemsmith_version.h"

namespace stemsmith {

std::span<const CommandRow> LightCommands() {
  static const CommandRow rows[] = {
      {"synth", AddSynthCommand},       {"doctor", AddDoctorCommand},
      {"prepare", AddPrepareCommand},   {"augment-preview", AddAugmentPreviewCommand},
      {"watch", AddWatchCommand},       {"config", AddConfigCommand},
      {"baseline", AddBaselineCommand}, {"probe", AddProbeCommand},
#ifdef STEMSMITH_HAS_SERVE
      {"serve", AddServeCommand},
#endif
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

// Throws Error for a first word that is no command, with the nearest one.
void CheckCommand(const std::string& word, std::span<const CommandRow> commands) {
  std::vector<std::string_view> names = {"separate"};
  for (const CommandRow& row : commands) names.emplace_back(row.name);
  if (!word.starts_with('-'))
    RequireName(word, names, "there is no command '" + word + "'", "stemsmith " + word);
}

int ParseAndRun(int argc, char** argv, std::span<const CommandRow> commands) {
  CLI::App app{"stemsmith: train, export and run music source separation models"};
  app.set_version_flag("--version", "stemsmith " STEMSMITH_VERSION);
  app.require_subcommand(1);
  for (const CommandRow& row : commands) row.add(app);
  app.footer("Songs are split by `separate`, a program of its own: stemsmith separate --help");
  AddGenerate(app, {.program = "stemsmith", .words = WordsOfStemOptions()});
  try {
    if (argc > 1) CheckCommand(argv[1], commands);
  } catch (const Error& error) {
    WriteError(Error(error.code(), error.problem(), error.where(),
                     error.advice() + "; see stemsmith --help"));
    return error.exit_status();
  }
  return RunCommandLine("stemsmith", app, argc, argv, [] { return 0; });
}

}  // namespace

int RunProgram(int argc, char** argv, std::span<const CommandRow> commands) {
  StartProgram();
  return FinishProgram(ParseAndRun(argc, argv, commands));
}

}  // namespace stemsmith
