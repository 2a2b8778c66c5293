#include "separate/onnx_part.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "separate/protobuf.h"
#include "separate/wanted_stems.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

using protobuf::AppendField;
using protobuf::ContentOf;
using protobuf::Field;
using protobuf::FileBytes;
using protobuf::ForEachField;

// Numbers of fields in onnx.proto3.
constexpr std::uint64_t kGraph = 7;
enum GraphField : std::uint64_t { kNode = 1, kInitializer = 5, kOutput = 12, kValueInfo = 13 };
enum NodeField : std::uint64_t { kNodeInput = 1, kNodeOutput = 2, kOpType = 4, kAttribute = 5 };
enum AttributeField : std::uint64_t { kAttributeName = 1, kInteger = 3, kSubgraph = 6 };
constexpr std::uint64_t kAttributeSubgraphs = 11, kInitializerName = 8, kValueName = 1,
                        kValueType = 2;

struct Node {
  Field field;
  std::string op;
  std::vector<std::string> inputs, outputs;
  std::int64_t axis = 0;
};

class Graph {
 public:
  Graph(FileBytes& file, const Field& field) : file_(file), field_(field) {
    ForEachField(file, field.begin, field.end, [&](const Field& part) {
      if (part.number == kNode) nodes_.push_back(ReadNode(part));
      if (part.number == kInitializer)
        weights_.push_back({part, ContentOf(file_, part, kInitializerName)});
      if (part.number == kOutput) outputs_.push_back(ContentOf(file_, part, kValueName));
    });
    join_ = outputs_.size() == 1 ? Producer(outputs_.front()) : nullptr;
    if (join_ != nullptr && join_->op == "Identity" && join_->inputs.size() == 1)
      join_ = Producer(join_->inputs.front());
    if (join_ != nullptr && (join_->op != "Concat" || join_->axis != 1)) join_ = nullptr;
  }

  // Whether it joins so many stems, and some weights serve others than these alone.
  bool HasPart(const std::vector<std::size_t>& stems, std::size_t stem_count) const {
    if (join_ == nullptr || join_->inputs.size() != stem_count || has_subgraphs_) return false;
    const std::set<std::uint64_t> kept = Needed(InputsOf(stems));
    return std::any_of(weights_.begin(), weights_.end(), [&](const auto& weight) {
      return !kept.contains(weight.first.start);
    });
  }

  // The graph's content with only these inputs of the node that joins the stems.
  std::string Part(const std::vector<std::size_t>& stems) const {
    if (join_ == nullptr) throw protobuf::NoMessage();  // it was another file before
    const std::vector<std::string> inputs = InputsOf(stems);
    const std::set<std::uint64_t> kept = Needed(inputs);
    std::uint64_t bytes = kReservedBytes;
    for (const auto& [field, name] : weights_)
      if (kept.contains(field.start)) bytes += field.end - field.start;
    for (const Node& node : nodes_) bytes += node.field.end - node.field.start;
    std::string out;
    out.reserve(bytes);
    ForEachField(file_, field_.begin, field_.end, [&](const Field& part) {
      if (part.number == kValueInfo) return;
      if ((part.number == kNode || part.number == kInitializer) && !kept.contains(part.start))
        return;
      if (part.number == kOutput) {
        // A float tensor whose shape follows: TypeProto.tensor_type.elem_type = FLOAT.
        std::string value;
        AppendField(value, kValueName, outputs_.front());
        AppendField(value, kValueType, std::string_view("\x0a\x02\x08\x01", 4));
        AppendField(out, kOutput, value);
      } else if (part.start == join_->field.start) {
        std::string node;
        for (const std::string& input : inputs) AppendField(node, kNodeInput, input);
        ForEachField(file_, part.begin, part.end, [&](const Field& item) {
          if (item.number != kNodeInput) node += item.Whole(file_);
        });
        AppendField(out, kNode, node);
      } else {
        out += part.Whole(file_);
      }
    });
    return out;
  }

 private:
  Node ReadNode(const Field& field) {
    Node node{.field = field};
    ForEachField(file_, field.begin, field.end, [&](const Field& part) {
      const auto text = [&] { return std::string(file_.Peek(part.begin, part.end - part.begin)); };
      if (part.number == kNodeInput) node.inputs.push_back(text());
      if (part.number == kNodeOutput) node.outputs.push_back(text());
      if (part.number == kOpType) node.op = text();
      if (part.number != kAttribute) return;
      bool is_axis = false;
      std::int64_t integer = 0;
      ForEachField(file_, part.begin, part.end, [&](const Field& item) {
        if (item.number == kAttributeName)
          is_axis = file_.Peek(item.begin, item.end - item.begin) == "axis";
        if (item.number == kInteger) integer = static_cast<std::int64_t>(item.value);
        has_subgraphs_ |= item.number == kSubgraph || item.number == kAttributeSubgraphs;
      });
      if (is_axis) node.axis = integer;
    });
    return node;
  }

  const Node* Producer(const std::string& name) const {
    const auto node = std::find_if(nodes_.rbegin(), nodes_.rend(), [&](const Node& candidate) {
      return std::find(candidate.outputs.begin(), candidate.outputs.end(), name) !=
             candidate.outputs.end();
    });
    return node == nodes_.rend() ? nullptr : &*node;
  }

  std::vector<std::string> InputsOf(const std::vector<std::size_t>& stems) const {
    std::vector<std::string> inputs;
    for (const std::size_t stem : stems) inputs.push_back(join_->inputs.at(stem));
    return inputs;
  }

  // The nodes and weights that are needed where only these values are joined, by where their fields
  // start.
  std::set<std::uint64_t> Needed(const std::vector<std::string>& joined) const {
    std::set<std::string> used = {outputs_.front()};
    std::set<std::uint64_t> kept;
    for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
      if (std::none_of(node->outputs.begin(), node->outputs.end(),
                       [&](const std::string& name) { return used.contains(name); }))
        continue;
      kept.insert(node->field.start);
      const std::vector<std::string>& inputs = &*node == join_ ? joined : node->inputs;
      used.insert(inputs.begin(), inputs.end());
    }
    for (const auto& [field, name] : weights_)
      if (used.contains(name)) kept.insert(field.start);
    return kept;
  }

  // For what is neither node nor weight, and what the caller puts before: weights are not copied
  // once more.
  static constexpr std::size_t kReservedBytes = std::size_t{1} << 20;

  FileBytes& file_;
  Field field_;
  std::vector<Node> nodes_;
  std::vector<std::pair<Field, std::string>> weights_;
  std::vector<std::string> outputs_;
  const Node* join_ = nullptr;  // of the stems; none: it has no such node
  bool has_subgraphs_ = false;
};

Field GraphOf(FileBytes& file) {
  Field graph;
  ForEachField(file, 0, file.size(), [&](const Field& field) {
    if (field.number == kGraph) graph = field;
  });
  return graph;
}

}  // namespace

OnnxPart FindOnnxPart(const fs::path& path, const Manifest& manifest,
                      const RuntimeOptions& options) {
  const std::vector<std::size_t> wanted = WantedStems(options, manifest.stems);
  const OnnxPart whole{manifest.stems, {}};
  if (wanted.size() == manifest.stems.size()) return whole;
  try {
    FileBytes file(path);
    if (!Graph(file, GraphOf(file)).HasPart(wanted, manifest.stems.size())) return whole;
  } catch (const protobuf::NoMessage&) {
    return whole;  // the runtime says what is wrong
  }
  OnnxPart part{{}, wanted};
  for (const std::size_t stem : wanted) part.stems.push_back(manifest.stems[stem]);
  return part;
}

std::string ReadOnnxPart(const fs::path& path, const OnnxPart& part) {
  FileBytes file(path);
  std::string others;  // fields of the model
  ForEachField(file, 0, file.size(), [&](const Field& field) {
    if (field.number != kGraph) others += field.Whole(file);
  });
  std::string model = Graph(file, GraphOf(file)).Part(part.of_stems);
  return model.insert(0, others + protobuf::FieldHead(kGraph, model.size()));
}

}  // namespace stemsmith
