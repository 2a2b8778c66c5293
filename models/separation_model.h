// The one interface of all models: mix [B, C, T] → estimates [B, S, C, T].
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "separate/manifest.h"

namespace stemsmith {

// What a model separates; fixed when it is built.
struct ModelSetting {
  std::vector<std::string> stems;  // S names
  int sample_rate_hz = 44100;
  int channels = 2;  // C
};

class SeparationModel : public torch::nn::Module {
 public:
  explicit SeparationModel(ModelSetting setting) : setting_(std::move(setting)) {}
  const ModelSetting& setting() const { return setting_; }

  // Any T ≥ 1: pads with zeros at both ends (left half first, as center_trim expects) to the next
  // length that Separate takes, runs it, trims. For a length of length_rule() no padding operator is
  // recorded, so that a trace at such a length holds for all of them.
  torch::Tensor forward(const torch::Tensor& mix);

  // mix [B, C, T] with T of taken_lengths() → [B, S, C, T]. Traceable: batch sizes come from shapes
  // with -1 or from operators that keep them dynamic; no device is baked in.
  virtual torch::Tensor Separate(const torch::Tensor& mix) = 0;
  // From now on `forward` gives the stems at these places only, in this order: [B, places, C, T]
  // (none: all). A model that has a head for each stem runs these heads alone. Throws Error for a
  // place beyond the last stem.
  void UseStems(std::vector<std::int64_t> places);
  // The input lengths that exports take.
  virtual LengthRule length_rule() const = 0;
  // The input lengths that Separate takes: more than exports for models that pad inside.
  virtual LengthRule taken_lengths() const { return length_rule(); }
  // Whether a song's segments are filled up to a length that exports take with the audio around
  // them, where Tail::kContext is asked for, as the original's program does.
  virtual bool fills_with_context() const { return false; }
  // Frames of the widest step along time in Separate, where that is wider than a step of the rule:
  // windows of which the last is filled up. A trace tells apart lengths that differ by more.
  virtual std::int64_t widest_step_frames() const { return 1; }
  // Longer inputs are cut into spans somewhere in Separate; 0: nowhere. A trace has to see some on
  // both sides of it.
  virtual std::int64_t longest_uncut_frames() const { return 0; }
  // The length of the segments that the model is trained with, for models that pad to it when they
  // separate. The trainer and ModelFromCheckpoint tell it.
  virtual void UseSegment(std::int64_t /*frames*/) {}
  // For models whose input is normalised by what is typical of the training data. Called before the
  // first step from fresh weights; `next` gives mixtures of training songs, [C, T] on the model's
  // device, one after the other, then an undefined tensor.
  virtual void UseStatistics(const std::function<torch::Tensor()>& /*next*/) {}
  // From the first to the last frame of the mix that one frame of the estimates depends on; 0: all
  // of the mix (recurrent layers, attention, normalisation over time).
  virtual std::int64_t receptive_field_frames() const { return 0; }
  // Whether the model has levels that can be checkpointed, and whether they are: what they compute
  // is then not kept for the backward pass but computed again there (models/layers/checkpointed.h).
  virtual bool has_checkpoints() const { return false; }
  void UseCheckpoints(bool on) { checkpoints_ = on; }
  // {"n_fft":, "hop":, "window":} of an STFT inside, or null.
  virtual nlohmann::json stft() const { return nullptr; }
  // As torch's, but for the parts that KeepInEval named.
  void train(bool on = true) override;
  // Leaves a part of the model in eval mode from now on, where a normalisation takes the statistics
  // it has instead of the batch's.
  void KeepInEval(const std::shared_ptr<torch::nn::Module>& part);

  // Names as in the original's state dict; buffers that an original does not store
  // (`persistent=False`) are registered with RegisterTransientBuffer and left out here.
  std::vector<std::pair<std::string, torch::Tensor>> StateDict() const;
  // Copies by name. Throws Error that lists missing, unexpected and differently shaped tensors.
  void LoadStateDict(const std::vector<std::pair<std::string, torch::Tensor>>& state,
                     const std::string& where);

 protected:
  ModelSetting setting_;
  bool checkpoints_ = false;  // see UseCheckpoints

  // The stems at these places of what Separate gives; for models with a head for each stem to
  // override.
  virtual torch::Tensor SeparateStems(const torch::Tensor& mix,
                                      const std::vector<std::int64_t>& places);
  // State dicts hold the tensor named `of` under the name `alias` too: originals that share a part
  // between layers write it once for each.
  void AddAlias(std::string alias, std::string of);

 private:
  std::vector<std::int64_t> places_;  // see UseStems
  std::vector<std::pair<std::string, std::string>> aliases_;
  std::vector<std::shared_ptr<torch::nn::Module>> always_eval_;
};

// Registers a buffer that belongs to the graph but not to the weights (windows, filters): moves
// with the module's device, is exported, is not saved. Its name gets the prefix "transient_".
torch::Tensor RegisterTransientBuffer(torch::nn::Module& module, const std::string& name,
                                      torch::Tensor value);

// One row of the table in registry.cpp. Which lengths a model takes, and whether exported graphs
// take all of them, is said by its length_rule().
struct ModelRow {
  const char* name;     // in configurations, checkpoints and manifests
  const char* summary;  // one line, for `stemsmith models`
  std::shared_ptr<SeparationModel> (*make)(const Config& config, const ModelSetting& setting);
};
const std::vector<ModelRow>& ModelTable();
// Builds `model: {name: …}`; throws Error for unknown names (nearest one). `config` is the `model`
// node.
std::shared_ptr<SeparationModel> MakeModel(const Config& config, const ModelSetting& setting);
const ModelRow& FindModelRow(std::string_view name, std::string_view where);

}  // namespace stemsmith
