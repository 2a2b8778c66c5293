// Fine-tuning: weights that a run starts from instead of random ones, with stems kept by name.
//
//   init: FILE
//   init: {file: FILE, copy: {NEW_STEM: OLD_STEM}, partial: true, stems: [OLD_STEM, …]}
//
// FILE is a run folder, a checkpoint (of stemsmith train or import) or the folder of one, or a
// .safetensors file of weights alone, which needs `stems` and `model:`.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/host.h"
#include "models/checkpoint.h"
#include "models/stem_transfer.h"

namespace stemsmith {

struct InitOptions {
  std::filesystem::path file;      // empty: no `init`
  std::vector<std::string> stems;  // of weights alone
  // Stems of the new model and the old ones that they start as, where it is not by their names.
  std::vector<std::pair<std::string, std::string>> copy;
  bool partial = false;  // keep the tensors that fit, the others stay as initialised
  std::string place;     // of `init` in the configuration
};
// From a training configuration.
InitOptions ReadInitOptions(const Config& config);

class StartWeights {
 public:
  // Null where `config`, a training configuration, has no `init`. Otherwise reads the file; a model
  // that is named has to be the file's but for what init.partial passes over. Throws Error: files
  // that are no weights, another sample rate or number of channels than `setting` has, stems that
  // `copy` misspells, other models. A stem of `copy` that is not there is a message. Warns of files
  // without a checksum.
  static std::unique_ptr<StartWeights> Read(const Config& config, const ModelSetting& setting,
                                            const Listener& warn);

  // `config` with the file's model where `model:` is left out.
  Config WithModel(const Config& config) const;
  // Fills a model that was built with `config`, that of `model:`. What the file has nothing for
  // stays as it is. Throws Error that lists tensors that do not fit, but for init.partial.
  void Fill(const Config& config, SeparationModel& model);
  // Of what the model was made, for people: the file, what each stem starts as, what was left out.
  const std::vector<std::string>& messages() const { return messages_; }

 private:
  explicit StartWeights(InitOptions options) : options_(std::move(options)) {}
  void ReadFile(const Listener& warn);
  void CheckSetting(const ModelSetting& setting) const;
  void ChooseSources(const std::vector<std::string>& stems);
  // Throws Error where a stem starts from scratch.
  void RequireSources(const std::vector<std::string>& stems) const;
  void ChooseModel(const Config& config, const ModelSetting& setting);

  InitOptions options_;
  bool bare_ = false;  // weights alone
  Checkpoint checkpoint_;
  Config model_;  // the file's, with the new stems; empty where the configuration names one
  StemSources sources_;
  std::vector<std::string> messages_;
};

// A resumed run needs no `init` file: `config`, with the model of the run where `model:` is left
// out.
Config WithModelOfRun(const Config& config, const std::filesystem::path& run);

}  // namespace stemsmith
