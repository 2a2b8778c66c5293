// ONNX models through ONNX Runtime. No header of it here, so that only one file depends on it.
#pragma once

#include <filesystem>
#include <memory>

#include "separate/onnx_part.h"
#include "separate/runtime.h"

namespace stemsmith {

// Where it computes: the CPU or a GPU. Throws Error where a GPU is asked for and cannot be had.
Device OnnxRuntimeDevice(const Device& wanted, const std::filesystem::path& path);

// Opens an ONNX file with this manifest, or a part of it. Optimised graphs are kept by `content`,
// a hash of the model with its weights; empty: they are not. Throws Error.
std::unique_ptr<Runtime> OpenOnnxRuntime(const std::filesystem::path& path, Manifest manifest,
                                         OnnxPart part, const std::string& content,
                                         const RuntimeOptions& options);

}  // namespace stemsmith
