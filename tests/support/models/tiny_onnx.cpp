#include "tests/support/models/tiny_onnx.h"

#include <onnx/onnx_pb.h>

#include <fstream>
#include <stdexcept>

namespace stemsmith::testing {
namespace {

void AddFloats(onnx::GraphProto& graph, const std::string& name,
               const std::vector<std::int64_t>& shape, const std::vector<float>& values) {
  onnx::TensorProto& tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (const std::int64_t size : shape) tensor.add_dims(size);
  for (const float value : values) tensor.add_float_data(value);
}

void AddAxis(onnx::GraphProto& graph, const std::string& name, std::int64_t axis) {
  onnx::TensorProto& tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(1);
  tensor.add_int64_data(axis);
}

void AddNode(onnx::GraphProto& graph, const std::string& op, const std::vector<std::string>& inputs,
             const std::string& output) {
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type(op);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
}

// A dimension above 0 is fixed, others get the name.
void SetType(onnx::ValueInfoProto& value, const std::string& name,
             const std::vector<std::pair<std::int64_t, std::string>>& shape) {
  value.set_name(name);
  auto& tensor = *value.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx::TensorProto::FLOAT);
  for (const auto& [size, symbol] : shape) {
    auto& dimension = *tensor.mutable_shape()->add_dim();
    if (size > 0) {
      dimension.set_dim_value(size);
    } else {
      dimension.set_dim_param(symbol);
    }
  }
}

onnx::ModelProto GainModel(int channels, const std::vector<float>& gains, float offset) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("stemsmith tests");
  onnx::OperatorSetIdProto& opset = *model.add_opset_import();
  opset.set_domain("");
  opset.set_version(17);

  const auto stems = static_cast<std::int64_t>(gains.size());
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.set_name("gain");
  SetType(*graph.add_input(), "mix", {{0, "batch"}, {channels, ""}, {0, "frames"}});
  SetType(*graph.add_output(), "estimates",
          {{0, "batch"}, {stems, ""}, {channels, ""}, {0, "frames"}});
  AddAxis(graph, "axis", 1);
  AddFloats(graph, "gains", {stems, 1, 1}, gains);
  AddFloats(graph, "offset", {1}, {offset});
  AddNode(graph, "Unsqueeze", {"mix", "axis"}, "mix4");
  AddNode(graph, "Mul", {"mix4", "gains"}, "scaled");
  AddNode(graph, "Add", {"scaled", "offset"}, "estimates");
  return model;
}

void Write(const std::filesystem::path& path, const onnx::ModelProto& model) {
  std::ofstream out(path, std::ios::binary);
  out << kOnnxChecksum.Unfilled();
  if (!model.SerializeToOstream(&out)) throw std::runtime_error("cannot write " + path.string());
  out.close();
  FillChecksum(path, kOnnxChecksum);
}

void AddManifest(onnx::ModelProto& model, const Manifest& manifest) {
  onnx::StringStringEntryProto& entry = *model.add_metadata_props();
  entry.set_key(kManifestMetadataKey);
  entry.set_value(manifest.ToJson().dump());
}

void StoreOutside(onnx::TensorProto& tensor, const std::string& file) {
  const std::string bytes = std::to_string(tensor.float_data_size() * sizeof(float));
  tensor.clear_float_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] : {std::pair<std::string, std::string>{"location", file},
                                   {"offset", "0"},
                                   {"length", bytes}}) {
    onnx::StringStringEntryProto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
}

}  // namespace

Manifest TinyManifest(int stems) {
  Manifest manifest;
  manifest.model_name = "gain";
  const std::vector<std::string> names = {"drums", "bass", "other", "vocals"};
  for (int s = 0; s < stems; ++s) {
    manifest.stems.push_back(s < 4 ? names[static_cast<std::size_t>(s)]
                                   : "stem" + std::to_string(s + 1));
  }
  manifest.segment_frames = 44100;
  manifest.length.dynamic = true;
  return manifest;
}

Manifest IdentityManifest(int sample_rate_hz) {
  Manifest manifest = TinyManifest(1);
  manifest.stems = {"mixture"};
  manifest.sample_rate_hz = sample_rate_hz;
  manifest.segment_frames = sample_rate_hz / 2;
  return manifest;
}

void WriteGainOnnx(const std::filesystem::path& path, const Manifest& manifest,
                   const std::vector<float>& gains, float offset) {
  onnx::ModelProto model = GainModel(manifest.channels, gains, offset);
  AddManifest(model, manifest);
  Write(path, model);
}

void WriteJoinedOnnx(const std::filesystem::path& path, const Manifest& manifest,
                     const std::vector<float>& gains) {
  onnx::ModelProto model = GainModel(manifest.channels, gains, 0);
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.clear_node();
  graph.clear_initializer();
  AddAxis(graph, "axis", 1);
  std::vector<std::string> parts;
  for (std::size_t s = 0; s < gains.size(); ++s) {
    const std::string number = std::to_string(s);
    AddFloats(graph, "gain" + number, {1}, {gains[s]});
    AddNode(graph, "Mul", {"mix", "gain" + number}, "scaled" + number);
    AddNode(graph, "Unsqueeze", {"scaled" + number, "axis"}, "part" + number);
    parts.push_back("part" + number);
  }
  AddNode(graph, "Concat", parts, "joined");
  onnx::AttributeProto& axis = *graph.mutable_node(graph.node_size() - 1)->add_attribute();
  axis.set_name("axis");
  axis.set_type(onnx::AttributeProto::INT);
  axis.set_i(1);
  AddNode(graph, "Identity", {"joined"}, "estimates");
  AddManifest(model, manifest);
  Write(path, model);
}

void WriteFaultyOnnx(const std::filesystem::path& path, OnnxFault fault) {
  const Manifest manifest = TinyManifest();
  onnx::ModelProto model = GainModel(manifest.channels, {1.0f, 0.5f}, 0);
  AddManifest(model, manifest);
  onnx::GraphProto& graph = *model.mutable_graph();
  switch (fault) {
    case OnnxFault::kMissingWeights:
      StoreOutside(*graph.mutable_initializer(1), "weights.bin");
      break;
    case OnnxFault::kCutOffWeights:
      StoreOutside(*graph.mutable_initializer(1), "weights.bin");
      std::ofstream(path.parent_path() / "weights.bin") << "1234";
      break;
    case OnnxFault::kNewOpset:
      model.mutable_opset_import(0)->set_version(999);
      break;
    case OnnxFault::kUnknownOperator:
      graph.mutable_node(1)->set_op_type("NoSuchOperator");
      break;
    case OnnxFault::kUnknownInput:
      graph.mutable_node(1)->set_input(0, "nothing");
      break;
    case OnnxFault::kTwoInputs:
      SetType(*graph.add_input(), "mask", {{2, ""}});
      break;
    case OnnxFault::kWholeNumbers:
      graph.mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
          onnx::TensorProto::INT64);
      break;
  }
  Write(path, model);
}

void WriteForeignOnnx(const std::filesystem::path& path, const ForeignGraph& foreign) {
  onnx::ModelProto model = GainModel(1, {1.0f}, 0);
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.Clear();
  graph.set_name("foreign");
  const auto shape_of = [](const std::vector<std::int64_t>& sizes) {
    std::vector<std::pair<std::int64_t, std::string>> shape;
    for (const std::int64_t size : sizes) shape.emplace_back(size, "n" + std::to_string(-size));
    return shape;
  };
  for (int i = 0; i < foreign.input_count; ++i)
    SetType(*graph.add_input(), i == 0 ? "input" : "more", shape_of(foreign.input));
  SetType(*graph.add_output(), "output", shape_of(foreign.output));
  AddFloats(graph, "gains", foreign.gains_shape, foreign.gains);
  if (!foreign.gains_file.empty()) {
    StoreOutside(*graph.mutable_initializer(0), foreign.gains_file);
    std::ofstream(path.parent_path() / foreign.gains_file, std::ios::binary)
        .write(reinterpret_cast<const char*>(foreign.gains.data()),
               static_cast<std::streamsize>(foreign.gains.size() * sizeof(float)));
  }
  AddAxis(graph, "axis", 1);
  const bool has_stems = foreign.output.size() > foreign.input.size();
  if (has_stems) AddNode(graph, "Unsqueeze", {"input", "axis"}, "unsqueezed");
  AddNode(graph, "Mul", {has_stems ? "unsqueezed" : "input", "gains"}, "output");
  std::ofstream out(path, std::ios::binary);
  if (!model.SerializeToOstream(&out)) throw std::runtime_error("cannot write " + path.string());
}

void WriteOnnxWithoutManifest(const std::filesystem::path& path) {
  Write(path, GainModel(2, {1.0f}, 0));
}

}  // namespace stemsmith::testing
