// The subcommands of `stemsmith`, a file each (NAME_command.cpp) and a row each in program.cpp or
// main_torch.cpp.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

#include "apps/terminal.h"

namespace stemsmith {

struct ReaderOptions;

// Each adds its subcommand with options and a callback that does the work and returns through
// exceptions. The callback's exit status other than 0 is thrown as CLI::RuntimeError.
void AddSynthCommand(CLI::App& app);
void AddDoctorCommand(CLI::App& app);
void AddPrepareCommand(CLI::App& app);
void AddTrainCommand(CLI::App& app);
void AddImportCommand(CLI::App& app);
void AddExportCommand(CLI::App& app);
void AddEvaluateCommand(CLI::App& app);
void AddCompareCommand(CLI::App& app);
void AddRunCommand(CLI::App& app);
void AddInspectCommand(CLI::App& app);
void AddModelsCommand(CLI::App& app);
void AddDownloadCommand(CLI::App& app);
void AddRegisterCommand(CLI::App& app);
void AddAugmentPreviewCommand(CLI::App& app);
void AddWatchCommand(CLI::App& app);
void AddServeCommand(CLI::App& app);
void AddConfigCommand(CLI::App& app);
void AddBaselineCommand(CLI::App& app);
void AddProbeCommand(CLI::App& app);

// LAYOUT, ROOT, --recipe, --valid-fraction, --seed and --splits, as prepare and doctor take them;
// all must outlive the parse.
void AddDatasetOptions(CLI::App& command, std::string& kind, ReaderOptions& reader,
                       std::filesystem::path& recipe);

// --json and --quiet, the same for every long command; `mode` must outlive the parse.
void AddOutputFlags(CLI::App& command, OutputMode& mode);

}  // namespace stemsmith
