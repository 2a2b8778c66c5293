// A checkpoint is one .safetensors file: weights, and for resuming the optimiser's tensors, with
// all else as JSON in its metadata entry `stemsmith.checkpoint`. Written atomically. Readable from
// Python with `safetensors`.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/host.h"
#include "models/separation_model.h"
#include "models/state_fit.h"

namespace stemsmith {

// models/weights/safetensors: u64 little-endian header length, JSON header, raw data. Every size
// and offset is checked. Files written here hold a checksum (core/checksum.h) in the metadata entry
// `stemsmith.checksum`, which is compared when they are loaded.
void SaveSafetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                     const std::vector<std::pair<std::string, std::string>>& metadata);
struct SafetensorsFile {
  NamedTensors tensors;
  std::vector<std::pair<std::string, std::string>> metadata;
  bool has_checksum = false;  // and its content matches
};
SafetensorsFile LoadSafetensors(const std::filesystem::path& path);

struct Checkpoint {
  static constexpr int kVersion = 1;
  std::string model_config;  // YAML of the resolved `model` node (with `name`)
  ModelSetting setting;
  std::int64_t segment_frames = 0;  // trained with
  // What whole songs want around the model (see the manifest); models of Demucs want other than
  // these.
  SongNormalization song_normalization = SongNormalization::kNone;
  Tail tail = Tail::kZeros;
  // Of imported weights the files that they were made from, with SHA-256, and the licence if it was
  // given: {"weights": {"file":, "sha256":}, "config": {…}, "lora": {…}, "licence":}; else null.
  nlohmann::json source;
  NamedTensors weights;           // "encoder.0.0.weight", …
  // What the adapters among the weights ("LAYER.lora_A", "LAYER.lora_B") are scaled by, times their
  // rank; none: there are none.
  std::optional<double> lora_alpha;
  NamedTensors training;          // optimiser, EMA …: stored with the prefix "training."
  nlohmann::json training_state;  // step, position, resolved configuration, best figures …; null in
                                  // plain weights
};
void SaveCheckpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
// Whether a checkpoint's adapters are merged into the layers that they belong to, as everybody but
// the training itself wants them.
enum class AdapterUse { kMerged, kApart };
// Throws Error for files that are none, are cut off, or come from a newer version. Warns
// where it has no checksum.
Checkpoint LoadCheckpoint(const std::filesystem::path& path, const Listener& warn = {},
                          AdapterUse adapters = AdapterUse::kMerged);
// The adapters of a checkpoint that was loaded with them apart, alone, as a .safetensors file with
// the metadata `lora_alpha` and `lora_rank`. Throws Error at `where` for a checkpoint without.
void SaveAdapters(const std::filesystem::path& file, const Checkpoint& checkpoint,
                  const std::string& where);
// Whether it holds a checkpoint, not weights alone.
bool IsCheckpoint(const SafetensorsFile& file);
// What LoadCheckpoint makes of the file that was read from `path`.
Checkpoint CheckpointOf(SafetensorsFile file, const std::filesystem::path& path,
                        const Listener& warn = {}, AdapterUse adapters = AdapterUse::kMerged);
// What a run or its checkpoints/ means (best, else last), a folder with one checkpoint, or a file.
std::filesystem::path ResolveCheckpoint(const std::filesystem::path& run_or_file);
// Builds the model and loads the weights; in eval mode.
std::shared_ptr<SeparationModel> ModelFromCheckpoint(const Checkpoint& checkpoint);

}  // namespace stemsmith
