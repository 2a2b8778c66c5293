// The one door of the module libstemsmith_torchscript.so. No torch header here: the program that
// loads the module does not see LibTorch.
#pragma once

#include <filesystem>
#include <memory>

#include "separate/runtime.h"

namespace stemsmith {

// Opens a TorchScript file. Throws Error and nothing else; the module and its callers come from one
// build, so that types and exceptions pass between them.
using OpenTorchScriptFunction = std::unique_ptr<Runtime>(const std::filesystem::path& path,
                                                         const RuntimeOptions& options);
inline constexpr char kOpenTorchScriptSymbol[] = "stemsmith_open_torchscript";

}  // namespace stemsmith
