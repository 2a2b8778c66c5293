// Smaller weights for .onnx files: float16, computed in float32, and linear layers in 8 bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "export/onnx/graph.h"

namespace stemsmith {

struct WeightPrecision {
  const char* name;    // "int8", also in the manifest
  const char* summary;
  std::string suffix;  // of the file: model.int8.onnx
  // Changes the graph; gives how many weights became smaller. Null: it stays as it is.
  std::int64_t (*apply)(OnnxGraph& graph);
};

// A file whose stems are further from the model's than this is not written.
inline constexpr double kLowestSnrDb = 50;

const std::vector<WeightPrecision>& WeightPrecisionTable();
// Throws Error::Usage naming the nearest.
const WeightPrecision& FindWeightPrecision(const std::string& name);

}  // namespace stemsmith
