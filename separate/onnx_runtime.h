// ONNX models through ONNX Runtime. No header of it here, so that only one file depends on it.
#pragma once

#include <filesystem>
#include <memory>

#include "separate/runtime.h"

namespace stemsmith {

// Opens an ONNX file with the metadata entry `stemsmith.manifest`. Throws Error.
std::unique_ptr<Runtime> OpenOnnxRuntime(const std::filesystem::path& path,
                                         const RuntimeOptions& options);

}  // namespace stemsmith
