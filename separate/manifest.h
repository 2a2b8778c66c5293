// The manifest: what makes a model file complete. TorchScript holds it as the extra file
// `manifest.json`, ONNX as the metadata entry `stemsmith.manifest`. docs/model_format.md describes
// every key.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "separate/model_info.h"
#include "separate/song_rules.h"

namespace stemsmith {

struct Manifest : ModelInfo {
  static constexpr int kVersion = 1;

  LengthRule length;
  SongNormalization song_normalization = SongNormalization::kNone;
  Tail tail = Tail::kZeros;
  Window window = Window::kTriangle;  // of the overlap-add
  double overlap = 0.25;              // share of a segment that neighbours have in common
  std::string precision = "float32";
  // What other numbers to compute in cost, measured at export: {"bfloat16": {"snr_db":}}, or null.
  nlohmann::json precisions = nullptr;
  nlohmann::json stft = nullptr;      // {"n_fft":, "hop":, "window":} where the graph holds one
  nlohmann::json training = nullptr;  // summary: run, steps, best validation figures
  nlohmann::json versions = nullptr;  // stemsmith, libtorch, opset
  // Of an .onnx file whose weights lie in a file beside it: {"file":, "bytes":, "id":, "xxh3":},
  // else null.
  nlohmann::json external_data = nullptr;

  nlohmann::json ToJson() const;
  // Throws Error (`where` names the file) for other versions and missing or senseless values.
  static Manifest FromJson(const std::string& text, const std::string& where);
};

// The first 64 bytes of a file of weights beside an .onnx file: one line, filled up with zeros,
// whose `id` (16 letters) its manifest repeats. So files of two exports cannot be taken for one
// model.
inline constexpr std::size_t kExternalDataHeadBytes = 64;
inline constexpr char kExternalDataMagic[] = "stemsmith weights ";
std::string ExternalDataHead(const std::string& id);

inline constexpr char kManifestExtraFile[] = "manifest.json";
inline constexpr char kManifestMetadataKey[] = "stemsmith.manifest";

// An .onnx file begins with the metadata entry `stemsmith.checksum`: field 14 of the model, of it
// key and value. A .ts file ends with it, as the comment of the archive.
inline constexpr ChecksumField kOnnxChecksum{
    "\x72\x2b\x0a\x12"
    "stemsmith.checksum"
    "\x12\x15"
    "xxh3:",
    0};
inline constexpr ChecksumField kTorchScriptChecksum{"stemsmith.checksum=xxh3:", std::nullopt};

}  // namespace stemsmith
