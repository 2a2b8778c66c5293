// Brings a published model by the program `stemsmith`, which this one does not contain.
#pragma once

#include <filesystem>
#include <string>

#include "apps/terminal.h"

namespace stemsmith {

// Runs `stemsmith download NAME` from beside this program, else from PATH, and gives the model's
// file. Throws Error where there is none or it fails.
std::filesystem::path DownloadModel(const std::string& name, OutputMode mode);

}  // namespace stemsmith
