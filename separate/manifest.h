// The manifest: what makes a model file complete. TorchScript holds it as the extra file
// `manifest.json`, ONNX as the metadata entry `stemsmith.manifest`. docs/model_format.md describes
// every key.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "separate/model_info.h"
#include "separate/song_rules.h"

namespace stemsmith {

// How audio lies in the tensors of a graph: [B, C, T] → [B, S, C, T] in our own files.
struct GraphLayout {
  std::int64_t bins = 0;       // F of [B, C, F, T] → [B, S, C, F, T]; 0: there is no such dimension
  bool has_stems = true;       // whether the result has S; a graph without gives one stem
  bool one_at_a_time = false;  // B is 1

  std::vector<std::int64_t> Input(std::int64_t batch, std::int64_t channels,
                                  std::int64_t frames) const;
  std::vector<std::int64_t> Output(std::int64_t batch, std::int64_t stems, std::int64_t channels,
                                   std::int64_t frames) const;
};

// So many numbers a tensor of this shape holds.
std::size_t Count(const std::vector<std::int64_t>& shape);

// Of a graph that takes spectra in place of audio (separate/spectrum_runtime.h).
struct SpectrumInput {
  int n_fft = 0;
  int hop = 1024;
  int zeroed_bins = 3;   // so many of the lowest bins, which the graph gets as zeros
  float compensate = 1;  // gain of its stems
};

struct Manifest : ModelInfo {
  static constexpr int kVersion = 1;

  LengthRule length;
  // With Tail::kContext: so many frames in the middle of a segment are kept, and the others are what
  // lies around them; 0: all.
  std::int64_t kept_frames = 0;
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
  // Of models of other programs (separate/manifest_file.h).
  GraphLayout layout;
  std::optional<SpectrumInput> spectrum;

  nlohmann::json ToJson() const;
  // Throws Error (`where` names the file, `advice` says what to do) for other versions and missing or
  // senseless values.
  static Manifest FromJson(const std::string& text, const std::string& where,
                           const std::string& advice = "export the model again");
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
