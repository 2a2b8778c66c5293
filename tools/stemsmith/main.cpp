// The `stemsmith` program: one table of subcommands and one place where errors become exit codes.
#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>
#include <new>

#include "core/error.h"
#include "stemsmith_version.h"
#include "tools/stemsmith/commands.h"

namespace stemsmith {

void AddOutputFlags(CLI::App& command, OutputMode& mode) {
  auto* json = command.add_flag_callback(
      "--json", [&mode] { mode = OutputMode::kJson; },
      "Progress and result as JSON lines on standard output");
  command
      .add_flag_callback(
          "--quiet", [&mode] { mode = OutputMode::kQuiet; }, "No progress")
      ->excludes(json);
}

}  // namespace stemsmith

int main(int argc, char** argv) {
  using namespace stemsmith;
  CLI::App app{"stemsmith: train, export and run music source separation models"};
  app.set_version_flag("--version", "stemsmith " STEMSMITH_VERSION);
  app.require_subcommand(1);
  AddSynthCommand(app);
  AddDoctorCommand(app);
  AddPrepareCommand(app);
  AddTrainCommand(app);
  AddImportCommand(app);
  AddExportCommand(app);
  AddInspectCommand(app);
  AddModelsCommand(app);
  AddAugmentPreviewCommand(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::RuntimeError& status) {
    return status.get_exit_code();
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kWrongUse);
  } catch (const Error& error) {
    std::cerr << "error: " << error.what() << '\n';
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
