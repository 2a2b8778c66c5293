#include "models/checkpoint.h"

#include <algorithm>

#include "core/checksum.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/json_fields.h"
#include "core/text.h"
#include "models/adapters.h"
#include "models/model_for_weights.h"

namespace stemsmith {
namespace {

constexpr char kEntry[] = "stemsmith.checkpoint";
constexpr char kTrainingPrefix[] = "training.";
constexpr char kCheckpointFolder[] = "checkpoints";  // of a run
constexpr char kCheckpointEnding[] = ".safetensors";

// The checkpoint's description; null without one.
const std::string* Description(const SafetensorsFile& file) {
  for (const auto& [key, value] : file.metadata)
    if (key == kEntry) return &value;
  return nullptr;
}

template <typename Value>
Value Choice(const JsonFields& fields, const char* key, Value fallback) {
  const std::string name = fields.Text(key, NameOf(fallback));
  const auto choice = ChoiceNamed<Value>(name);
  if (!choice) throw fields.Problem(std::string("'") + key + "' is unknown: '" + name + "'");
  return *choice;
}

}  // namespace

void SaveCheckpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  nlohmann::json about = {{"version", Checkpoint::kVersion},
                          {"model_config", checkpoint.model_config},
                          {"stems", checkpoint.setting.stems},
                          {"sample_rate_hz", checkpoint.setting.sample_rate_hz},
                          {"channels", checkpoint.setting.channels},
                          {"segment_frames", checkpoint.segment_frames},
                          {"song_normalization", NameOf(checkpoint.song_normalization)},
                          {"tail", NameOf(checkpoint.tail)}};
  if (!checkpoint.source.is_null()) about["source"] = checkpoint.source;
  if (checkpoint.lora_alpha) about["lora_alpha"] = *checkpoint.lora_alpha;
  if (!checkpoint.training_state.is_null()) about["training_state"] = checkpoint.training_state;
  NamedTensors tensors = checkpoint.weights;
  for (const auto& [name, tensor] : checkpoint.training)
    tensors.emplace_back(kTrainingPrefix + name, tensor);
  SaveSafetensors(path, tensors,
                  {{"format", "pt"},
                   {kEntry, about.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)}});
}

Checkpoint LoadCheckpoint(const std::filesystem::path& path, const Listener& warn,
                          AdapterUse adapters) {
  return CheckpointOf(LoadSafetensors(path), path, warn, adapters);
}

bool IsCheckpoint(const SafetensorsFile& file) { return Description(file) != nullptr; }

Checkpoint CheckpointOf(SafetensorsFile file, const std::filesystem::path& path,
                        const Listener& warn, AdapterUse adapters) {
  const std::string* text = Description(file);
  if (text == nullptr)
    throw Error::Input("bare weights without the checkpoint's description", path.string(),
                       "use a checkpoint that stemsmith wrote");
  if (!file.has_checksum) Tell(warn, NoteOnNoChecksum(path, "what this stemsmith writes has one"));
  const auto about = ParseJson(*text);
  const JsonFields fields(about, [&](const std::string& problem) {
    return Error::Input("the checkpoint's description is damaged: " + problem, path.string(),
                        "use another checkpoint of the run");
  });
  const auto version = fields.Number<std::int64_t>("version");
  if (version > Checkpoint::kVersion)
    throw Error::Input("a checkpoint of version " + std::to_string(version) + ", known is " +
                           std::to_string(Checkpoint::kVersion),
                       path.string(), "update stemsmith");
  Checkpoint checkpoint;
  checkpoint.model_config = fields.Text("model_config");
  checkpoint.setting.stems = fields.Texts("stems");
  if (checkpoint.setting.stems.empty()) throw fields.Problem("'stems' is empty");
  checkpoint.setting.sample_rate_hz = fields.Number<int>("sample_rate_hz", {1, 768'000});
  checkpoint.setting.channels = fields.Number<int>("channels", {1, 1024});
  checkpoint.segment_frames =
      fields.Number<std::int64_t>("segment_frames", {1, std::int64_t{1} << 31});
  checkpoint.song_normalization =
      Choice(fields, "song_normalization", checkpoint.song_normalization);
  checkpoint.tail = Choice(fields, "tail", checkpoint.tail);
  if (fields.Has("source")) checkpoint.source = about["source"];
  if (fields.Has("lora_alpha"))
    checkpoint.lora_alpha = fields.Number<double>("lora_alpha", {0, 1e9});
  if (fields.Has("training_state")) checkpoint.training_state = about["training_state"];
  const std::string prefix = kTrainingPrefix;
  for (auto& [name, tensor] : file.tensors) {
    if (name.rfind(prefix, 0) == 0) {
      checkpoint.training.emplace_back(name.substr(prefix.size()), std::move(tensor));
    } else {
      checkpoint.weights.emplace_back(name, std::move(tensor));
    }
  }
  if (adapters == AdapterUse::kMerged && checkpoint.lora_alpha) {
    MergeAdapters(checkpoint.weights, *checkpoint.lora_alpha, path.string());
    checkpoint.lora_alpha.reset();
  }
  return checkpoint;
}

void SaveAdapters(const std::filesystem::path& file, const Checkpoint& checkpoint,
                  const std::string& where) {
  const NamedTensors adapters = AdaptersOf(checkpoint.weights);
  if (!checkpoint.lora_alpha || adapters.empty()) {
    throw Error::Usage("the checkpoint has no adapters", where,
                       "only runs whose configuration has `lora:` train some");
  }
  // The smaller side of each, as lora.rank is for all.
  const torch::Tensor& first = adapters.front().second;
  SaveSafetensors(file, adapters,
                  {{"format", "pt"},
                   {"lora_alpha", Formatted("%.17g", *checkpoint.lora_alpha)},
                   {"lora_rank", std::to_string(std::min(first.size(0), first.size(1)))}});
}

std::filesystem::path ResolveCheckpoint(const std::filesystem::path& run_or_file) {
  std::error_code code;
  if (!std::filesystem::is_directory(run_or_file, code)) {
    if (std::filesystem::exists(run_or_file, code)) return run_or_file;
    throw Error::Input("no such run or checkpoint", run_or_file.string(), "check the path");
  }
  const bool inside =
      std::filesystem::absolute(run_or_file / "x").parent_path().filename() == kCheckpointFolder;
  for (const char* name : {"best", "last"}) {
    const auto path = (inside ? run_or_file : run_or_file / kCheckpointFolder) /
                      (std::string(name) + kCheckpointEnding);
    if (std::filesystem::is_regular_file(path, code)) return path;
  }
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(run_or_file, code))
    if (entry.path().extension() == kCheckpointEnding) found.push_back(entry.path().filename());
  std::sort(found.begin(), found.end());
  if (found.size() == 1) return run_or_file / found[0];
  if (!found.empty())
    throw Error::Input("several checkpoints in this folder", run_or_file.string(),
                       "name one of them: " + JoinNames(found));
  CheckContent(run_or_file, FileUse::kStartWeights);
  throw Error::Input(
      "no checkpoint in this folder", run_or_file.string(),
      "expected a run (checkpoints/best.safetensors or last.safetensors) or a folder "
      "that `stemsmith import` wrote");
}

std::shared_ptr<SeparationModel> ModelFromCheckpoint(const Checkpoint& checkpoint) {
  const Config config = Config::Parse(checkpoint.model_config, "the checkpoint's model");
  std::shared_ptr<SeparationModel> model =
      MakeModelFor(checkpoint.weights, config, checkpoint.setting);
  model->LoadStateDict(checkpoint.weights, "the checkpoint");
  model->UseSegment(checkpoint.segment_frames);
  model->eval();
  return model;
}

}  // namespace stemsmith
