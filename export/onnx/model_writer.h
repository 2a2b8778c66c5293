// Writes an OnnxGraph as a .onnx file: IR 8, opset 17, weights inside.
#pragma once

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

// Writes to `path` as it is: give it a PendingFile's. Throws Error where the disk is full, and for
// models above the 2 GiB that one protobuf file can hold (`where` names the model).
void WriteOnnxModel(const OnnxGraph& graph, const OnnxModelInfo& info,
                    const std::filesystem::path& path, const std::string& where);

}  // namespace stemsmith
