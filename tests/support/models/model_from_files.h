// What the programs that are compared with Python take: a model described by two files.
#pragma once

#include <memory>
#include <string>

#include "models/checkpoint.h"

namespace stemsmith::testing {

struct DescribedModel {
  std::string config;  // YAML of the `model` node
  ModelSetting setting;
  std::shared_ptr<SeparationModel> model;
};

// `config` is a YAML file with `model`, `stems` and `channels`; `weights` a .safetensors file, or
// "-" for a fresh model. Throws Error.
inline DescribedModel ModelFromFiles(const std::string& config, const std::string& weights) {
  const Config root = Config::Load(config);
  DescribedModel described;
  described.config = root.Child("model").Dump();
  described.setting.stems = root.Strings("stems");
  described.setting.channels = static_cast<int>(root.IntegerIn("channels", 2, 1, 64));
  described.model = MakeModel(root.Child("model"), described.setting);
  root.CheckAllRead();
  if (weights != "-") described.model->LoadStateDict(LoadSafetensors(weights).tensors, weights);
  return described;
}

}  // namespace stemsmith::testing
