// What long commands do once their arguments are read: alone, or one after another in `stemsmith
// run`. Each prints its result as its command does, and stops where CatchInterrupts() was asked to.
#pragma once

#include <filesystem>

#include "apps/terminal.h"

namespace stemsmith {

class Config;
struct Checkpoint;
struct CompareChoices;
struct CompareOptions;
struct CompareResult;
struct DoctorOptions;
struct DoctorResult;
struct ExportOptions;
struct ExportResult;
struct PrepareOptions;
struct PrepareResult;
struct TrainRequest;
struct TrainResult;

// How a piece of work shows itself.
struct WorkOutput {
  OutputMode mode = OutputMode::kAuto;
  bool alone = true;  // no other piece follows by itself: which command usually does is said
};

// `all`: a line for each finding.
DoctorResult RunDoctor(DoctorOptions options, bool all, const WorkOutput& output);

PrepareResult RunPrepare(PrepareOptions options, const WorkOutput& output);
// Throws Error where a song could not be used.
void RequireAllSongs(const PrepareOptions& options, const PrepareResult& result);

// Prints nothing on other ranks than the first.
TrainResult RunTrain(const Config& config, TrainRequest request, const WorkOutput& output);

// TorchScript and ONNX of the checkpoint that lies at `path`. TorchDevice(options.device) was
// called before.
ExportResult RunExport(Checkpoint checkpoint, const std::filesystem::path& path,
                       ExportOptions options, const WorkOutput& output);

CompareResult RunCompare(const CompareChoices& choices, CompareOptions options,
                         const WorkOutput& output);
// Throws Error where a part of the comparison failed.
void RequireAllCompared(const CompareOptions& options, const CompareResult& result);

}  // namespace stemsmith
