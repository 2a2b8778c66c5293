// What an .onnx file says beside its graph. Read here without a runtime, so that every runtime
// takes the same files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "separate/manifest.h"

namespace stemsmith {

// The manifest in the metadata entry `stemsmith.manifest`. Throws Error: cut off, no ONNX model,
// no manifest, a senseless one.
Manifest ReadOnnxManifest(const std::filesystem::path& path);

// The file of weights beside the model must be there and the one that its manifest means. Throws
// Error.
void CheckExternalData(const std::filesystem::path& path, const Manifest& manifest);

// The type of the one input or output of a graph; dimensions that are not fixed are -1.
struct GraphValue {
  bool is_float32 = false;
  std::vector<std::int64_t> shape;  // empty: not known
};
// Throws Error where the graph does not map float32 [B, C, T] to float32 [B, S, C, T] with C of the
// manifest and so many stems.
void CheckGraph(const std::vector<GraphValue>& inputs, const std::vector<GraphValue>& outputs,
                const Manifest& manifest, std::size_t stems, const std::filesystem::path& path);

}  // namespace stemsmith
