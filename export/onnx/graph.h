// A plain picture of an ONNX graph: nodes, attributes, constants. It sees neither torch nor
// protobuf, whose headers do not go together: the lowering fills it, model_writer.h turns it into a
// file. Plain values, no thread safety.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace stemsmith {

enum class OnnxType { kFloat32, kFloat64, kInt32, kInt64, kBool, kFloat16, kInt8 };
// The number of float32 in TensorProto.DataType, which Cast names it by.
inline constexpr std::int64_t kOnnxFloat32 = 1;

// Operators of ONNX Runtime that OpenVINO and onnxruntime-web have, too; of this domain.
inline constexpr char kContribDomain[] = "com.microsoft";
inline constexpr const char* kContribOps[] = {"MultiHeadAttention"};
bool IsContribOp(const std::string& op);

// A dimension is a number or, where it varies from call to call, a name.
using OnnxDimension = std::variant<std::int64_t, std::string>;

struct OnnxValueInfo {
  std::string name;
  OnnxType type = OnnxType::kFloat32;
  std::vector<OnnxDimension> shape;
};

// A constant of the graph; `bytes` are the elements, row-major, little-endian. Where `file` has a
// name they lie in that file beside the model instead.
struct OnnxTensor {
  std::string name;
  OnnxType type = OnnxType::kFloat32;
  std::vector<std::int64_t> shape;
  std::string bytes;
  std::string file = {};
  std::uint64_t file_offset = 0, file_bytes = 0;
};

using OnnxAttribute =
    std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>, std::vector<float>>;

struct OnnxNode {
  std::string op;                   // of the standard domain or of kContribOps
  std::vector<std::string> inputs;  // "" stands for an optional input left out
  std::vector<std::string> outputs;
  std::map<std::string, OnnxAttribute> attributes;
};

struct OnnxGraph {
  std::string name;
  std::vector<OnnxValueInfo> inputs;
  std::vector<OnnxValueInfo> outputs;
  std::vector<OnnxNode> nodes;  // in an order in which they can run
  std::vector<OnnxTensor> constants;
};

// Takes away nodes and constants that no output depends on.
void RemoveUnused(OnnxGraph& graph);

}  // namespace stemsmith
