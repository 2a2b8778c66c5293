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
constexpr std::uint64_t kNodeInput = 1, kOpType = 4, kInitializerName = 8;
constexpr std::uint64_t kName = 1, kType = 2, kTensor = 1;
// The field `elem_type` of a tensor's type.
constexpr std::string_view kFloat32 = "\x08\x01", kInt64 = "\x08\x07";

using Size = std::uint64_t;  // of the graph, behind it

// The shape that a node reshapes to; empty: it does not.
std::string ShapeOf(FileBytes& file, const Field& node) {
  std::vector<std::string> inputs;
  std::string op;
  ForEachField(file, node.begin, node.end, [&](const Field& field) {
    if (field.number == kNodeInput) inputs.push_back(field.Content(file));
    if (field.number == kOpType) op = field.Content(file);
  });
  return (op == "Reshape" || op == "Expand") && inputs.size() == 2 ? inputs[1] : "";
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
  std::set<std::string> shapes, weights;
  ForEachField(file, graph.begin, graph.end, [&](const Field& part) {
    if (part.number == kNode) shapes.insert(ShapeOf(file, part));
    if (part.number == kInitializer) weights.insert(ContentOf(file, part, kInitializerName));
    if (part.number == kInput) {
      inputs.emplace_back(ContentOf(file, part, kName), part);
    } else {
      out += part.Whole(file);
    }
  });
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
