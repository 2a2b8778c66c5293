// Writes an OnnxGraph as a .onnx file: IR 8, opset 17, weights inside or, where they are too large,
// in a file beside it (ONNX's external data).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "export/onnx/graph.h"

namespace stemsmith {

inline constexpr int kOnnxIrVersion = 8;
inline constexpr int kOnnxOpset = 17;

struct OnnxModelInfo {
  std::string producer_version;
  std::vector<std::pair<std::string, std::string>> metadata;
};

// The weights that one protobuf file of 2 GiB can hold beside the structure.
inline constexpr std::uint64_t kLargestInlineBytes = (std::uint64_t{1} << 31) - (16u << 20);
std::uint64_t ConstantBytes(const OnnxGraph& graph);

// What became of the weights that WriteExternalData moved.
struct OnnxDataFile {
  std::uint64_t bytes = 0;  // the file's size
  std::string id;           // also in the file's head, see ExternalDataHead
  std::string xxh3;         // HashContent of the file
};
// Moves the graph's large constants to `path`, whose file name they keep; their memory is given
// back. Throws Error where the disk is full.
OnnxDataFile WriteExternalData(OnnxGraph& graph, const std::filesystem::path& path);

// Writes to `path` as it is, with its checksum (kOnnxChecksum): give it a pending one. Throws Error
// where the disk is full, and for weights above kLargestInlineBytes (`where` names the model).
// Takes the graph so that its memory can be given back on the way.
void WriteOnnxModel(OnnxGraph graph, const OnnxModelInfo& info, const std::filesystem::path& path,
                    const std::string& where);

}  // namespace stemsmith
