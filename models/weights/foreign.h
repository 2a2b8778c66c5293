// Weights that other programs wrote: Demucs packages and training checkpoints of every kind that
// torch.save or safetensors hold, and bags of them. Reading runs nothing of a file and checks every
// size.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/checkpoint.h"

namespace stemsmith {

// What a file holds, in the words of the program that wrote it.
struct ForeignModel {
  std::string klass;  // "demucs.htdemucs.HTDemucs"; empty: weights alone
  // Of the class: what it was made with. Fractions are {"_type": "fraction", "numerator": …,
  // "denominator": …}, as in the files of Demucs 4.1.
  nlohmann::ordered_json args = nlohmann::ordered_json::array();
  nlohmann::ordered_json kwargs = nlohmann::ordered_json::object();
  // In the file's types; tensors may share memory. Of a class: the model's names. Else each name is
  // the path of its keys in the file, "state_dict.model.encoder.bias": ChooseState finds the model.
  NamedTensors state;
};
// .th, .pt, .pth, .ckpt (by content) or .safetensors. With a prefix only what is named so in the
// file, without it. Throws Error, also for quantised weights and for whole models.
ForeignModel ReadForeignModel(const std::filesystem::path& path, const std::string& prefix = "");

// The model that weights belong to, in our words.
struct ModelPlan {
  nlohmann::ordered_json model;  // the configuration, with `name`
  ModelSetting setting;
  std::int64_t segment_frames = 0;
  SongNormalization song_normalization = SongNormalization::kNone;
  Tail tail = Tail::kZeros;
  std::vector<std::string> notes;  // for the user: what was left out or decided
};
// From the class and its arguments. Throws Error for classes that no model of the table is.
ModelPlan PlanFromClass(const ForeignModel& foreign, const std::string& where);
// From a configuration file: one of ours (`model: {name: …}`, `stems`, `sample_rate_hz`,
// `channels`, `segment_seconds`; what is missing is taken from `fallback`), or one of the training
// programs of Demucs or MSST (`model: htdemucs` and a map of that name).
ModelPlan PlanFromConfig(const std::filesystem::path& config, const ModelPlan& fallback);

// A folder of Open-Unmix: separator.json and NAME.pth for each stem, whose weights are added to
// `state` under the names of our model. `prefix`: see ReadForeignModel.
bool IsOpenUnmixFolder(const std::filesystem::path& path);
ModelPlan ReadOpenUnmixFolder(const std::filesystem::path& folder, const std::string& prefix,
                              NamedTensors& state);

struct ImportOptions {
  std::filesystem::path config;  // empty: from the file, or found beside it
  bool partial = false;          // keep the tensors that fit, the others stay as initialised
  std::string prefix;            // take the tensors that are named so; empty: those that fit
};
struct ImportedModel {
  Checkpoint checkpoint;
  std::size_t kept = 0, wanted = 0;  // tensors
  std::vector<std::string> notes;
};
// A file of ReadForeignModel, a bag (.yaml) or a folder of Open-Unmix. Throws Error: see above; for
// weights that do not fit it names the tensors with their shapes.
ImportedModel ImportWeights(const std::filesystem::path& path, const ImportOptions& options);

// The row of a class of Demucs and the parameters that it takes, in order.
struct ForeignClass {
  const char* klass;
  const char* row;
  const char* segment;             // parameter that says how long segments are …
  bool segment_in_frames;          // … in frames or in seconds
  std::int64_t default_segment_s;  // where it is not given
  const char* parameters;          // "sources audio_channels …", without samplerate and segment
};
const std::vector<ForeignClass>& ForeignClasses();
// Rounds down, as the originals do. `value` is a number or a fraction; throws Error for others.
std::int64_t SegmentFrames(const nlohmann::ordered_json& value, int sample_rate_hz,
                           const std::string& where);

}  // namespace stemsmith
