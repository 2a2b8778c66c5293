// ONNX models through OpenVINO, on CPUs.
#pragma once

#include <filesystem>
#include <memory>

#include "separate/onnx_part.h"
#include "separate/runtime.h"

namespace stemsmith {

// Opens an ONNX file with this manifest, or a part of it. Compiled models are kept by `content`, a hash of the model
// with its weights; empty: they are not. Throws Error: no OpenVINO here, another device than the CPU, bfloat16 on a
// CPU without it, a graph that it does not take.
std::unique_ptr<Runtime> OpenOpenVinoRuntime(const std::filesystem::path& path, Manifest manifest,
                                             OnnxPart part, const std::string& content,
                                             const RuntimeOptions& options);

}  // namespace stemsmith
