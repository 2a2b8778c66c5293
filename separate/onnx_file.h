// What an .onnx file says beside its graph. Read here without a runtime, so that every runtime
// takes the same files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "separate/manifest.h"

namespace stemsmith {

// The manifest in the metadata entry `stemsmith.manifest`; none: it is a model of another program.
// Throws Error: cut off, no ONNX model, a senseless manifest.
std::optional<Manifest> ReadOnnxManifest(const std::filesystem::path& path);

// The type of an input or output of a graph; dimensions that are not fixed are -1.
struct GraphValue {
  bool is_float32 = false;
  std::vector<std::int64_t> shape;  // empty: not known
};
struct GraphTypes {
  std::vector<GraphValue> inputs, outputs;
};
// What the graph says of them, but for inputs that have their values in the file. Throws Error.
GraphTypes ReadGraphTypes(const std::filesystem::path& path);

// The other files in which weights lie, as the model names them: paths from its folder, each once.
std::vector<std::string> ReadWeightFiles(const std::filesystem::path& path);

// The file of weights beside the model must be there and the one that its manifest means. Throws
// Error.
void CheckExternalData(const std::filesystem::path& path, const Manifest& manifest);

// Throws Error where the graph does not map float32 tensors of the manifest's layout ([B, C, T] to
// [B, S, C, T]) with C of the manifest and so many stems.
void CheckGraph(const GraphTypes& types, const Manifest& manifest, std::size_t stems,
                const std::filesystem::path& path);

}  // namespace stemsmith
