// Exports a checkpoint: one trace of the model becomes model.ts and model.onnx, each with the
// manifest. Both are run against the model itself before they get their names; where one differs by
// more than the tolerance, or anything else fails, no file is left. Not thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/host.h"
#include "models/checkpoint.h"
#include "models/separation_model.h"
#include "separate/manifest.h"

namespace stemsmith {

struct ExportOptions {
  std::filesystem::path out;  // the folder for model.ts and model.onnx
  // Empty: torchscript and onnx, or what the precision has.
  std::vector<std::string> formats;
  // Of the weights, a row of WeightPrecisionTable(): others than float32 have .onnx files, named
  // model.NAME.onnx, whose stems are compared with the model's by their SNR.
  std::string precision = "float32";
  // Up to half a minute from the middle of this song is part of the check; empty: noise and tones
  // alone.
  std::filesystem::path check_song;
  std::vector<std::string> stems;  // that the files give, in the model's order; empty: all
  double segment_seconds = 0;  // length that the manifest advises; 0: as in training
  // More weights than this lie in model.onnx.data beside model.onnx; at most (and left out) what
  // one .onnx file can hold, a little below 2 GiB.
  std::uint64_t onnx_inline_bytes = std::numeric_limits<std::uint64_t>::max();
  // Where the files are checked; one that does not run there is an error.
  Device device = Device::Kind::kCpu;
  Host host;
};

// Largest difference from the model's own result allowed, as a share of the peak. ONNX Runtime
// orders its sums differently, and does so in every layer.
inline constexpr double kTorchScriptTolerance = 1e-5;
inline constexpr double kOnnxTolerance = 1e-4;

struct ExportedFile {
  std::string format;
  std::filesystem::path path;
  std::uintmax_t bytes = 0;
  double largest_error = 0;  // of all checks, as a share of the peak
  double tolerance = 0;
  std::string precision = "float32";
  double snr_db = 0;  // of the check song's stems, or of those of noise and tones
  std::filesystem::path data_path;  // weights that lie beside it; empty: inside
  std::uintmax_t data_bytes = 0;
};

struct ExportResult {
  Manifest manifest;
  std::int64_t parameters = 0;
  std::vector<std::int64_t> checked_batches;
  std::vector<std::int64_t> checked_frames;
  std::vector<ExportedFile> files;
};

// Throws Error (`where` names the checkpoint): see the file's head. Error::Usage for stems that the
// model does not have. A checkpoint that is moved in does not stay in memory beside the model.
ExportResult ExportCheckpoint(Checkpoint checkpoint, const std::string& where,
                              const ExportOptions& options);

// The same for a model at hand, in eval mode on the CPU; afterwards it is where the files were
// checked, or freed before that if nobody else holds it. `manifest` says which length is used, and
// whether others are possible (length.dynamic).
ExportResult ExportModel(std::shared_ptr<SeparationModel> model, const Manifest& manifest,
                         const std::string& where, const ExportOptions& options);

}  // namespace stemsmith
