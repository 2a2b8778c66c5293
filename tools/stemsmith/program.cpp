#include "tools/stemsmith/program.h"

#include <exception>
#include <iostream>
#include <new>
#include <sstream>

#include "core/error.h"
#include "core/program.h"
#include "stemsmith_version.h"
#include "tools/stemsmith/commands.h"

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
    std::ostringstream text;  // of --help and --version
    const int status = app.exit(error, text);
    WriteOutput(text.str());
    return status == 0 ? 0 : static_cast<int>(ExitCode::kWrongUse);
  } catch (const Error& error) {
    if (error.code() != ExitCode::kPipeClosed) std::cerr << "error: " << error.what() << '\n';
    return error.exit_status();
  } catch (const std::bad_alloc&) {
    std::cerr << "error: out of memory\n";
    return static_cast<int>(ExitCode::kInputFailed);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return static_cast<int>(ExitCode::kInputFailed);
  }
  return 0;
}

}  // namespace

int RunProgram(int argc, char** argv, std::span<const CommandRow> commands) {
  StartProgram();
  return FinishProgram(ParseAndRun(argc, argv, commands));
}

}  // namespace stemsmith
