// The kinds of file that `stemsmith inspect` shows: one file inspect_KIND.cpp each, one row in
// inspect_command.cpp.
#pragma once

#include <filesystem>
#include <string>

#include "apps/terminal.h"

namespace stemsmith {

struct InspectArguments {
  std::filesystem::path file;
  bool songs = false;              // caches: a line per song
  std::filesystem::path manifest;  // models of other programs: what describes them
  OutputMode mode = OutputMode::kAuto;
};

// Each throws Error for files that look like its kind but cannot be read.
void InspectCache(const InspectArguments& arguments);
void InspectCheckpoint(
    const InspectArguments& arguments);                // a .safetensors file or the folder of one
void InspectModel(const InspectArguments& arguments);  // .ts or .onnx, or the folder of both

}  // namespace stemsmith
