// ONNX models through OpenVINO, on CPUs.
#pragma once

#include <filesystem>
#include <memory>

#include "separate/onnx_part.h"
#include "separate/runtime.h"

namespace stemsmith {

// Opens an ONNX file with this manifest, or a part of it. Throws Error: no OpenVINO here, another device than the
// CPU, bfloat16 on a CPU without it, a graph that it does not take.
std::unique_ptr<Runtime> OpenOpenVinoRuntime(const std::filesystem::path& path, Manifest manifest,
                                             OnnxPart part, const RuntimeOptions& options);

}  // namespace stemsmith
