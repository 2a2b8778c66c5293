// stemsmith doctor: what of a dataset must be fixed before training.
#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/work.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "datasets/doctor/doctor.h"
#include "datasets/doctor/report.h"

namespace stemsmith {
namespace {

struct Arguments {
  DoctorOptions options;
  bool all = false;
  OutputMode mode = OutputMode::kAuto;
};

int Run(const Arguments& arguments) {
  CatchInterrupts();
  const DoctorResult result = RunDoctor(arguments.options, arguments.all, {arguments.mode});
  if (result.interrupted != 0) return 128 + result.interrupted;
  return static_cast<int>(result.errors() == 0 ? ExitCode::kOk : ExitCode::kInputFailed);
}

}  // namespace

DoctorResult RunDoctor(DoctorOptions options, bool all, const WorkOutput& output) {
  options.host = TerminalHost(output.mode);
  DoctorResult result = ExamineDataset(options);
  PrintResult(output.mode, DoctorText(options, result, all), DoctorJson(options, result));
  return result;
}

void AddDoctorCommand(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  DoctorOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "doctor", "Say what of a dataset must be fixed before training (exit code 1 if anything)");
  AddDatasetOptions(*command, options.kind, options.reader, options.recipe);
  AddNumber(*command, "--threads", options.threads, {0, 1024},
            "Songs examined side by side; 0: one per core")
      ->capture_default_str();
  command->add_flag("--all", arguments->all,
                    "List every finding instead of one line per kind with a count");
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] {
    if (const int status = Run(*arguments); status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace stemsmith
