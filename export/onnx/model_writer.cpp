#include "export/onnx/model_writer.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>

#include "core/checksum.h"
#include "core/error.h"
#include "core/files.h"
#include "separate/manifest.h"

namespace stemsmith {
namespace {

// Smaller constants stay in the model: runtimes look at them to find out shapes.
constexpr std::size_t kSmallestExternalBytes = 4096;
constexpr std::size_t kExternalAlignment = 64;

onnx::TensorProto::DataType ProtoType(OnnxType type) {
  switch (type) {
    case OnnxType::kFloat32:
      return onnx::TensorProto::FLOAT;
    case OnnxType::kFloat64:
      return onnx::TensorProto::DOUBLE;
    case OnnxType::kInt32:
      return onnx::TensorProto::INT32;
    case OnnxType::kInt64:
      return onnx::TensorProto::INT64;
    case OnnxType::kBool:
      return onnx::TensorProto::BOOL;
    case OnnxType::kFloat16:
      return onnx::TensorProto::FLOAT16;
    case OnnxType::kInt8:
      return onnx::TensorProto::INT8;
  }
  return onnx::TensorProto::UNDEFINED;
}

void FillValueInfo(const OnnxValueInfo& info, onnx::ValueInfoProto* proto) {
  proto->set_name(info.name);
  auto* tensor = proto->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(ProtoType(info.type));
  for (const OnnxDimension& dimension : info.shape) {
    auto* dim = tensor->mutable_shape()->add_dim();
    if (const auto* size = std::get_if<std::int64_t>(&dimension)) {
      dim->set_dim_value(*size);
    } else {
      dim->set_dim_param(std::get<std::string>(dimension));
    }
  }
}

void FillAttribute(const std::string& name, const OnnxAttribute& value,
                   onnx::AttributeProto* proto) {
  proto->set_name(name);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    proto->set_type(onnx::AttributeProto::INT);
    proto->set_i(*integer);
  } else if (const auto* number = std::get_if<float>(&value)) {
    proto->set_type(onnx::AttributeProto::FLOAT);
    proto->set_f(*number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    proto->set_type(onnx::AttributeProto::STRING);
    proto->set_s(*text);
  } else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&value)) {
    proto->set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t item : *integers) proto->add_ints(item);
  } else {
    proto->set_type(onnx::AttributeProto::FLOATS);
    for (const float item : std::get<std::vector<float>>(value)) proto->add_floats(item);
  }
}

void FillNode(const OnnxNode& node, onnx::NodeProto* proto) {
  proto->set_op_type(node.op);
  if (IsContribOp(node.op)) proto->set_domain(kContribDomain);
  if (!node.outputs.empty()) proto->set_name(node.outputs.front());
  for (const std::string& input : node.inputs) proto->add_input(input);
  for (const std::string& output : node.outputs) proto->add_output(output);
  for (const auto& [name, value] : node.attributes) {
    FillAttribute(name, value, proto->add_attribute());
  }
}

void FillTensor(OnnxTensor& constant, onnx::TensorProto* proto) {
  proto->set_name(constant.name);
  proto->set_data_type(ProtoType(constant.type));
  for (const std::int64_t size : constant.shape) proto->add_dims(size);
  if (constant.file.empty()) {
    proto->set_raw_data(std::move(constant.bytes));
    return;
  }
  proto->set_data_location(onnx::TensorProto::EXTERNAL);
  const auto add = [&](const char* key, const std::string& value) {
    auto* entry = proto->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  };
  add("location", constant.file);
  add("offset", std::to_string(constant.file_offset));
  add("length", std::to_string(constant.file_bytes));
}

}  // namespace

std::uint64_t ConstantBytes(const OnnxGraph& graph) {
  std::uint64_t bytes = 0;
  for (const OnnxTensor& constant : graph.constants) bytes += constant.bytes.size();
  return bytes;
}

OnnxDataFile WriteExternalData(OnnxGraph& graph, const std::filesystem::path& path) {
  std::uint64_t hash = 0;
  for (const OnnxTensor& constant : graph.constants) {
    if (constant.bytes.size() >= kSmallestExternalBytes) hash = HashBytes(constant.bytes, hash);
  }
  OnnxDataFile file{kExternalDataHeadBytes, HexHash(hash), ""};
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << ExternalDataHead(file.id);
  for (OnnxTensor& constant : graph.constants) {
    if (constant.bytes.size() < kSmallestExternalBytes) continue;
    constant.file = path.filename().string();
    constant.file_offset = file.bytes;
    constant.file_bytes = constant.bytes.size();
    const std::size_t rest = constant.bytes.size() % kExternalAlignment;
    const std::string gap(rest == 0 ? 0 : kExternalAlignment - rest, '\0');
    out.write(constant.bytes.data(), static_cast<std::streamsize>(constant.bytes.size())) << gap;
    file.bytes += constant.bytes.size() + gap.size();
    constant.bytes = std::string();
  }
  out.close();
  if (!out) {
    throw Error::Write("the weights cannot be written", path.string());
  }
  file.xxh3 = HexHash(HashContent(path));
  return file;
}

void WriteOnnxModel(OnnxGraph graph, const OnnxModelInfo& info, const std::filesystem::path& path,
                    const std::string& where) {
  const std::uint64_t bytes = ConstantBytes(graph);
  if (bytes > kLargestInlineBytes) {
    throw Error::Input("the model has " + std::to_string(bytes >> 20) +
                           " MiB of weights, an .onnx file holds 2 GiB",
                       where, "put the weights in a file beside it");
  }

  onnx::ModelProto model;
  model.set_ir_version(kOnnxIrVersion);
  model.set_producer_name("stemsmith");
  model.set_producer_version(info.producer_version);
  const auto add_opset = [&](const char* domain, int version) {
    auto* opset = model.add_opset_import();
    opset->set_domain(domain);
    opset->set_version(version);
  };
  add_opset("", kOnnxOpset);
  if (std::any_of(graph.nodes.begin(), graph.nodes.end(),
                  [](const OnnxNode& node) { return IsContribOp(node.op); }))
    add_opset(kContribDomain, 1);
  for (const auto& [key, value] : info.metadata) {
    auto* entry = model.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  }
  onnx::GraphProto* proto = model.mutable_graph();
  proto->set_name(graph.name);
  for (const OnnxValueInfo& input : graph.inputs) FillValueInfo(input, proto->add_input());
  for (const OnnxValueInfo& output : graph.outputs) FillValueInfo(output, proto->add_output());
  for (const OnnxNode& node : graph.nodes) FillNode(node, proto->add_node());
  for (OnnxTensor& constant : graph.constants) FillTensor(constant, proto->add_initializer());

  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  // Parts of a protobuf message that follow each other are one message.
  out << kOnnxChecksum.Unfilled();
  if (!out || !model.SerializeToOstream(&out) || !out.flush()) {
    throw Error::Write("the ONNX model cannot be written", path.string());
  }
  out.close();
  FillChecksum(path, kOnnxChecksum);
}

}  // namespace stemsmith
