#include "separate/optimized_onnx.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "separate/protobuf.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

using protobuf::AppendField;
using protobuf::ContentOf;
using protobuf::Field;
using protobuf::FileBytes;
using protobuf::ForEachField;

// Numbers of fields in onnx.proto3: of ModelProto, GraphProto, NodeProto, TensorProto, and of
// ValueInfoProto and the types within.
constexpr std::uint64_t kGraph = 7;
constexpr std::uint64_t kNode = 1, kInitializer = 5, kInput = 11;
constexpr std::uint64_t kNodeInput = 1, kNodeOutput = 2, kOpType = 4, kInitializerName = 8;
constexpr std::uint64_t kName = 1, kType = 2, kTensor = 1;
// The field `elem_type` of a tensor's type.
constexpr std::string_view kFloat32 = "\x08\x01", kInt64 = "\x08\x07";

using Size = std::uint64_t;  // of the graph, behind it

struct Node {
  std::string op;
  std::vector<std::string> inputs, outputs;
};

Node NodeIn(FileBytes& file, const Field& field) {
  Node node;
  ForEachField(file, field.begin, field.end, [&](const Field& part) {
    if (part.number == kNodeInput) node.inputs.push_back(part.Content(file));
    if (part.number == kNodeOutput) node.outputs.push_back(part.Content(file));
    if (part.number == kOpType) node.op = part.Content(file);
  });
  return node;
}

// The shapes that nodes reshape to, and the parts of those that are joined.
std::set<std::string> ShapesIn(const std::vector<Node>& nodes) {
  std::set<std::string> shapes;
  for (const Node& node : nodes)
    if ((node.op == "Reshape" || node.op == "Expand") && node.inputs.size() == 2)
      shapes.insert(node.inputs[1]);
  for (const Node& node : nodes)
    if (node.op == "Concat" && node.outputs.size() == 1 && shapes.contains(node.outputs[0]))
      shapes.insert(node.inputs.begin(), node.inputs.end());
  return shapes;
}

void AppendInput(std::string& graph, const std::string& name, std::string_view element) {
  std::string type, value;
  AppendField(type, kTensor, element);
  AppendField(value, kName, name);
  AppendField(value, kType, type);
  AppendField(graph, kInput, value);
}

std::string WithoutShapes(FileBytes& file, const Field& graph) {
  std::string out;
  std::vector<std::pair<std::string, Field>> inputs;
  std::vector<Node> nodes;
  std::set<std::string> weights;
  ForEachField(file, graph.begin, graph.end, [&](const Field& part) {
    if (part.number == kNode) nodes.push_back(NodeIn(file, part));
    if (part.number == kInitializer) weights.insert(ContentOf(file, part, kInitializerName));
    if (part.number == kInput) {
      inputs.emplace_back(ContentOf(file, part, kName), part);
    } else {
      out += part.Whole(file);
    }
  });
  std::set<std::string> shapes = ShapesIn(nodes);
  for (const auto& [name, input] : inputs) {
    if (weights.contains(name)) {
      out += input.Whole(file);  // files of early versions list their weights among the inputs
      shapes.erase(name);
    } else {
      AppendInput(out, name, kFloat32);
    }
  }
  for (const std::string& name : shapes)
    if (weights.contains(name)) AppendInput(out, name, kInt64);
  return out;
}

}  // namespace

void AppendGraph(const fs::path& graph, const fs::path& weights) {
  std::string model;
  try {
    FileBytes file(graph);
    ForEachField(file, 0, file.size(), [&](const Field& field) {
      if (field.number == kGraph) {
        AppendField(model, kGraph, WithoutShapes(file, field));
      } else {
        model += field.Whole(file);
      }
    });
  } catch (const protobuf::NoMessage&) {
    throw Error::System("cannot read what was just written", graph.string());
  }
  const Size size = model.size();
  errno = 0;
  std::ofstream out(weights, std::ios::binary | std::ios::app);
  out.write(model.data(), static_cast<std::streamsize>(size));
  out.write(reinterpret_cast<const char*>(&size), sizeof(size));
  out.close();
  if (!out) throw Error::System("cannot write", weights.string(), "is the disk full?");
}

std::string_view GraphIn(std::string_view entry) {
  Size size = 0;
  if (entry.size() < sizeof(size)) return {};
  const std::size_t end = entry.size() - sizeof(size);
  std::memcpy(&size, entry.data() + end, sizeof(size));
  return size <= end ? entry.substr(end - size, size) : std::string_view();
}

}  // namespace stemsmith
