#include "separate/onnx_file.h"

#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "core/checksum.h"
#include "core/error.h"
#include "core/file_kind.h"
#include "core/files.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

// Fields of protobuf messages (protobuf.dev/programming-guides/encoding), one after the other.
class Fields {
 public:
  enum Wire { kNumber = 0, kEightBytes = 1, kBytes = 2, kFourBytes = 5 };

  Fields(std::istream& in, std::uint64_t end) : in_(in), end_(end) {}

  // Goes on to the next field; false at the end, and where this is no protobuf: see sound().
  bool Next() {
    if (position_ == end_) return false;
    const std::uint64_t tag = Number();
    number = tag >> 3;
    wire = static_cast<Wire>(tag & 7);
    size_ = wire == kBytes ? Number() : wire == kEightBytes ? 8 : wire == kFourBytes ? 4 : 0;
    sound_ = sound_ && number != 0 && size_ <= end_ - position_ &&
             (wire == kNumber || wire == kEightBytes || wire == kBytes || wire == kFourBytes);
    if (sound_ && wire == kNumber) Number();
    return sound_;
  }
  std::string Read() {
    std::string bytes(size_, '\0');
    in_.read(bytes.data(), static_cast<std::streamsize>(size_));
    position_ += size_;
    sound_ = sound_ && in_.good();
    return bytes;
  }
  void Skip() {
    in_.seekg(static_cast<std::streamoff>(size_), std::ios::cur);
    position_ += size_;
  }
  std::uint64_t size() const { return size_; }
  bool sound() const { return sound_; }

  std::uint64_t number = 0;
  Wire wire = kNumber;

 private:
  std::uint64_t Number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && position_ < end_; shift += 7) {
      const int byte = in_.get();
      ++position_;
      if (byte < 0) break;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    sound_ = false;
    return 0;
  }

  std::istream& in_;
  std::uint64_t position_ = 0, size_ = 0;
  const std::uint64_t end_;
  bool sound_ = true;
};

Error NoOnnx(const fs::path& path) {
  return Error::Input("the file is cut off, damaged, or no ONNX model", path.string(),
                      "copy or export it again");
}

constexpr std::uint64_t kMetadata = 14;  // ModelProto.metadata_props
constexpr std::uint64_t kGraph = 7;      // ModelProto.graph

// The value of a metadata entry (StringStringEntryProto) of this key.
std::optional<std::string> ValueOf(const std::string& entry, std::string_view key) {
  std::istringstream in(entry);
  Fields fields(in, entry.size());
  std::string name, value;
  while (fields.Next()) {
    if (fields.wire != Fields::kBytes) return std::nullopt;
    (fields.number == 1 ? name : value) = fields.Read();
  }
  return fields.sound() && name == key ? std::optional(value) : std::nullopt;
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

Manifest ReadOnnxManifest(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::error_code error;
  Fields fields(in, fs::file_size(path, error));
  constexpr std::uint64_t kLongestEntry = std::uint64_t{64} << 20;
  std::optional<std::string> text;
  bool has_graph = false;
  while (fields.Next()) {
    const bool read = fields.wire == Fields::kBytes && fields.number == kMetadata && !text &&
                      fields.size() <= kLongestEntry;
    has_graph |= fields.number == kGraph && fields.wire == Fields::kBytes;
    if (read) {
      text = ValueOf(fields.Read(), kManifestMetadataKey);
    } else {
      fields.Skip();
    }
  }
  if (error || !fields.sound() || !has_graph) throw NoOnnx(path);
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
                const Manifest& manifest, const fs::path& path) {
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
  CheckDimension(out.shape[1], static_cast<std::int64_t>(manifest.stems.size()), "stems", path);
  CheckDimension(out.shape[2], manifest.channels, "channels", path);
}

}  // namespace stemsmith
