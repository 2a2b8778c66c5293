#include "separate/onnx_file.h"

#include <fstream>
#include <optional>
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

// A dimension of the graph's type that is fixed must be what the manifest says.
void CheckDimension(std::int64_t actual, std::int64_t expected, const char* what,
                    const fs::path& path) {
  if (actual < 0 || actual == expected) return;
  throw Error::Input("the graph has " + std::to_string(actual) + " " + what +
                         " where its manifest says " + std::to_string(expected),
                     path.string(), "export the model again");
}

}  // namespace

Manifest ReadOnnxManifest(const fs::path& path) {
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
  if (!text)
    throw Error::Input("the ONNX model carries no stemsmith manifest", path.string(),
                       "give a model.onnx written by `stemsmith export`");
  return Manifest::FromJson(*text, path.string());
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

void CheckGraph(const std::vector<GraphValue>& inputs, const std::vector<GraphValue>& outputs,
                const Manifest& manifest, std::size_t stems, const fs::path& path) {
  if (inputs.size() != 1 || outputs.size() != 1) {
    throw Error::Input("the graph does not have one input and one output", path.string(),
                       "export the model again");
  }
  const GraphValue &in = inputs[0], &out = outputs[0];
  if (!in.is_float32 || !out.is_float32 || in.shape.size() != 3) {
    throw Error::Input("the graph does not map float32 [B, C, T] to float32 [B, S, C, T]",
                       path.string(), "export the model again");
  }
  CheckDimension(in.shape[1], manifest.channels, "channels", path);
  // A shape that inference could not find out has rank 0 here; Run() then checks it.
  if (out.shape.size() != 4) return;
  CheckDimension(out.shape[1], static_cast<std::int64_t>(stems), "stems", path);
  CheckDimension(out.shape[2], manifest.channels, "channels", path);
}

}  // namespace stemsmith
