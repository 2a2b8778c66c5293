// Runs an exported model: TorchScript (.ts, in a module loaded when needed) or ONNX (.onnx, by ONNX
// Runtime or by OpenVINO). One Runtime belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/visibility.h"
#include "separate/engine.h"
#include "separate/model_info.h"

namespace stemsmith {

struct Manifest;  // separate/manifest.h

struct RuntimeOptions {
  Device device;
  int threads = 0;  // compute threads; 0: one per core
  Engine engine = Engine::kAuto;
  Precision precision = Precision::kFloat32;
  // A JSON file that describes an .onnx file of another program, which has no manifest
  // (docs/model_format.md, "Models of other programs"); empty: NAME.json beside NAME.onnx.
  std::filesystem::path manifest_file;
  // For compiled models, which start faster the next time; empty: nothing is kept.
  std::filesystem::path cache_folder;
  // Which of the model's stems will be used, asked once they are known; no function: all. Of a
  // model that has networks of their own for stems, the others are not computed.
  std::function<std::vector<std::string>(const std::vector<std::string>& stems)> wanted;
  // Hears what is to be known of the file; empty: nobody.
  std::function<void(const std::string& text)> warn;
};

// The model file meant by a folder that `stemsmith export` wrote: what the engine runs, for int8
// model.int8.onnx. With Engine::kAuto model.onnx, else model.ts; for a GPU the other way round, as
// every GPU of LibTorch runs the latter. Where neither lies there, the one model.NAME.onnx. Files,
// and folders without any, are given back as such.
STEMSMITH_PUBLIC std::filesystem::path ResolveModel(const std::filesystem::path& folder_or_file,
                                                    const Device& device = {},
                                                    Engine engine = Engine::kAuto,
                                                    Precision precision = Precision::kFloat32);

// As many keep a GPU busy; on a CPU several at once gain nothing.
inline constexpr int kSegmentsOnGpu = 4;

class STEMSMITH_PUBLIC Runtime {
 public:
  virtual ~Runtime() = default;
  const ModelInfo& info() const;  // what users of the model want to know of its manifest
  virtual const Manifest& manifest() const = 0;
  virtual std::string description() const = 0;  // "ONNX Runtime 1.31.1, cpu"
  virtual Engine engine() const { return Engine::kAuto; }  // kAuto: none of them
  virtual Precision precision() const { return Precision::kFloat32; }
  // The stems that Run gives, in their order: all of the model's, or, where that saves work, those
  // that RuntimeOptions::wanted asked for.
  virtual const std::vector<std::string>& stems() const;
  // How many segments it is best given at once, as far as memory allows: as many as keep it busy.
  virtual int segments_at_once() const { return 1; }
  // mix planar [B, C, T] → estimates planar [B, S, C, T], S being stems(); T must fit the manifest's
  // length rule.
  virtual void Run(const float* mix, std::int64_t batch, std::int64_t frames, float* estimates) = 0;

  // Chosen by the file's content, not its name; for a folder see ResolveModel. Throws Error: no
  // model file, cut off, not what its checksum says, without a manifest, device, engine or
  // precision not to be had (saying what would work). Warns of files without a checksum.
  static std::unique_ptr<Runtime> Open(const std::filesystem::path& path,
                                       const RuntimeOptions& options = {});
};

}  // namespace stemsmith
