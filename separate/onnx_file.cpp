#include "separate/onnx_file.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/checksum.h"
#include "core/error.h"
#include "core/file_kind.h"
#include "core/files.h"
#include "separate/protobuf.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

Error NoOnnx(const fs::path& path) {
  return Error::Input("the file is cut off, damaged, or no ONNX model", path.string(),
                      "copy or export it again");
}

// Numbers of fields in onnx.proto3: of ModelProto, and of the entries of its metadata.
constexpr std::uint64_t kGraph = 7, kMetadata = 14, kKey = 1, kValue = 2;
// Of GraphProto and TensorProto, of ValueInfoProto, and of the types within.
constexpr std::uint64_t kInitializer = 5, kInput = 11, kOutput = 12, kInitializerName = 8,
                        kExternalData = 13;
constexpr std::uint64_t kName = 1, kType = 2, kTensor = 1, kElement = 1, kShape = 2, kDimension = 1,
                        kSize = 1;
constexpr std::uint64_t kFloat32 = 1;

GraphValue ReadValue(protobuf::FileBytes& file, const protobuf::Field& info, std::string& name) {
  using protobuf::Field;
  GraphValue value;
  const auto each = [&](const Field& message, const std::function<void(const Field&)>& visit) {
    protobuf::ForEachField(file, message.begin, message.end, visit);
  };
  const auto read_shape = [&](const Field& dimension) {
    if (dimension.number != kDimension) return;
    value.shape.push_back(-1);
    each(dimension, [&](const Field& part) {
      const auto size = static_cast<std::int64_t>(part.value);
      if (part.number == kSize && !part.is_bytes && size > 0) value.shape.back() = size;
    });
  };
  const auto read_tensor = [&](const Field& part) {
    if (part.number == kElement) value.is_float32 = part.value == kFloat32;
    if (part.number == kShape) each(part, read_shape);
  };
  each(info, [&](const Field& part) {
    if (part.number == kName) name = part.Content(file);
    if (part.number != kType) return;
    each(part, [&](const Field& type) {
      if (type.number == kTensor) each(type, read_tensor);
    });
  });
  return value;
}

// A dimension of the graph's type that is fixed must be what the manifest says.
void CheckDimension(std::int64_t actual, std::int64_t expected, const char* what,
                    const fs::path& path) {
  if (actual < 0 || actual == expected) return;
  throw Error::Input("the graph has " + std::to_string(actual) + " " + what +
                         " where its manifest says " + std::to_string(expected),
                     path.string(), "export the model again");
}

}  // namespace

std::optional<Manifest> ReadOnnxManifest(const fs::path& path) {
  constexpr std::uint64_t kLongestEntry = std::uint64_t{64} << 20;
  std::optional<std::string> text;
  bool has_graph = false;
  try {
    protobuf::FileBytes file(path);
    protobuf::ForEachField(file, 0, file.size(), [&](const protobuf::Field& field) {
      has_graph |= field.number == kGraph && field.is_bytes;
      if (field.number != kMetadata || text || field.end - field.begin > kLongestEntry) return;
      std::string key, value;
      protobuf::ForEachField(file, field.begin, field.end, [&](const protobuf::Field& part) {
        if (part.number == kKey) key = part.Content(file);
        if (part.number == kValue) value = part.Content(file);
      });
      if (key == kManifestMetadataKey) text = std::move(value);
    });
  } catch (const protobuf::NoMessage&) {
    throw NoOnnx(path);
  }
  if (!has_graph) throw NoOnnx(path);
  if (!text) return std::nullopt;
  return Manifest::FromJson(*text, path.string());
}

GraphTypes ReadGraphTypes(const fs::path& path) {
  GraphTypes types;
  std::vector<std::string> inputs;
  std::set<std::string> weights;
  try {
    protobuf::FileBytes file(path);
    const auto read = [&](const protobuf::Field& part) {
      std::string name;
      if (part.number == kInput) {
        types.inputs.push_back(ReadValue(file, part, name));
        inputs.push_back(name);
      } else if (part.number == kOutput) {
        types.outputs.push_back(ReadValue(file, part, name));
      } else if (part.number == kInitializer) {
        protobuf::ForEachField(file, part.begin, part.end, [&](const protobuf::Field& field) {
          if (field.number == kInitializerName) weights.insert(field.Content(file));
        });
      }
    };
    protobuf::ForEachField(file, 0, file.size(), [&](const protobuf::Field& field) {
      if (field.number == kGraph) protobuf::ForEachField(file, field.begin, field.end, read);
    });
  } catch (const protobuf::NoMessage&) {
    throw NoOnnx(path);
  }
  // Files of early versions list their weights among the inputs.
  for (std::size_t i = inputs.size(); i-- > 0;)
    if (weights.contains(inputs[i]))
      types.inputs.erase(types.inputs.begin() + static_cast<std::ptrdiff_t>(i));
  return types;
}

std::vector<std::string> ReadWeightFiles(const fs::path& path) {
  std::vector<std::string> names;
  try {
    protobuf::FileBytes file(path);
    const auto read_weight = [&](const protobuf::Field& field) {
      if (field.number != kExternalData || !field.is_bytes) return;
      if (protobuf::ContentOf(file, field, kKey) != "location") return;
      std::string name = protobuf::ContentOf(file, field, kValue);
      if (std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(std::move(name));
    };
    const auto read = [&](const protobuf::Field& part) {
      if (part.number == kInitializer)
        protobuf::ForEachField(file, part.begin, part.end, read_weight);
    };
    protobuf::ForEachField(file, 0, file.size(), [&](const protobuf::Field& field) {
      if (field.number == kGraph) protobuf::ForEachField(file, field.begin, field.end, read);
    });
  } catch (const protobuf::NoMessage&) {
    throw NoOnnx(path);
  }
  return names;
}

void CheckExternalData(const fs::path& path, const Manifest& manifest) {
  // Runtimes open what the graph names, too.
  CheckIsFile(path.string() + ".data");
  CheckIsFile(path.parent_path() / "model.onnx.data");
  if (!manifest.external_data.is_object()) return;
  const fs::path file = path.parent_path() / manifest.external_data["file"].get<std::string>();
  std::error_code error;
  if (!fs::exists(file, error))
    throw Error::Input("the weights of " + path.filename().string() + " are missing", file.string(),
                       "keep the file that was exported with the model beside it");
  const std::string expected = ExternalDataHead(manifest.external_data["id"].get<std::string>());
  std::string head(kExternalDataHeadBytes, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  if (!in || head != expected ||
      fs::file_size(file, error) != manifest.external_data["bytes"].get<std::uint64_t>()) {
    throw Error::Input("the weights do not belong to " + path.filename().string(), file.string(),
                       "copy both files of one export, or export the model again");
  }
  // Manifests of earlier versions do not say it.
  const std::string checksum = manifest.external_data.value("xxh3", "");
  if (!checksum.empty() && checksum != HexHash(HashContent(file))) {
    throw Error::Input(
        "the weights were damaged or changed after they were written: their content does not "
        "match the checksum in " +
            path.filename().string(),
        file.string(), "copy both files of one export, or export the model again");
  }
}

void CheckGraph(const GraphTypes& types, const Manifest& manifest, std::size_t stems,
                const fs::path& path) {
  if (types.inputs.size() != 1 || types.outputs.size() != 1) {
    throw Error::Input("the graph does not have one input and one output", path.string(),
                       "export the model again");
  }
  const GraphValue &in = types.inputs[0], &out = types.outputs[0];
  const GraphLayout& layout = manifest.layout;
  const auto in_shape = layout.Input(-1, manifest.channels, -1);
  const auto out_shape =
      layout.Output(-1, static_cast<std::int64_t>(stems), manifest.channels, -1);
  if (!in.is_float32 || !out.is_float32 || in.shape.size() != in_shape.size()) {
    throw Error::Input("the graph does not map float32 [B, C, T] to float32 [B, S, C, T]",
                       path.string(), "export the model again");
  }
  CheckDimension(in.shape[1], in_shape[1], "channels", path);
  // A shape that inference could not find out has rank 0 here; Run() then checks it.
  if (out.shape.size() != out_shape.size()) return;
  if (layout.has_stems) CheckDimension(out.shape[1], out_shape[1], "stems", path);
  const std::size_t channels = layout.has_stems ? 2 : 1;
  CheckDimension(out.shape[channels], manifest.channels, "channels", path);
}

}  // namespace stemsmith
