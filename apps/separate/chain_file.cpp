#include "apps/separate/chain_file.h"

#include "core/config.h"
#include "core/error.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

std::string BesideOrAsItIs(const fs::path& file, const std::string& word) {
  if (word.empty()) return word;
  std::error_code code;
  const fs::path beside = file.parent_path() / word;
  return fs::exists(beside, code) ? beside.string() : word;
}

// A step and the words of its models.
struct ReadStep {
  ChainStep step;
  std::vector<std::string> models;
  std::string manifest;
};

ReadStep ReadOne(const Config& config) {
  ReadStep read;
  ChainStep& step = read.step;
  step.where = config.Where();
  const int kinds = config.Has("model") + config.Has("models") + config.Has("mix");
  if (!config.IsMap() || kinds != 1)
    throw Error::Usage("a step has a model, models or a mix, one of them", step.where,
                       "write model: NAME");
  if (config.Has("mix")) {
    step.mix = config.RequiredString("mix");
    return read;
  }
  if (config.Has("model")) {
    read.models = {config.RequiredString("model")};
    read.manifest = config.String("manifest", "");
  } else {
    read.models = config.Strings("models");
    step.ensemble.combine = config.String("combine", "");
    step.ensemble.weights = config.Numbers("weights");
    if (read.models.empty())
      throw Error::Usage("the list of models is empty", config.Where("models"), "name two");
  }
  step.input = config.String("input", kMixture);
  const Config stems = config.Child("stems");
  for (const std::string& stem : stems.Keys())
    step.stems.emplace_back(stem, stems.RequiredString(stem));
  return read;
}

}  // namespace

Chain ReadChain(const fs::path& file, const OpenChainModel& open) {
  const Config config = Config::Load(file);
  std::vector<ReadStep> all;
  for (const Config& step : config.List("steps")) all.push_back(ReadOne(step));
  std::vector<std::string> files = config.Strings("files");
  config.CheckAllRead();  // before models are opened, which takes long
  std::vector<ChainStep> steps;
  for (ReadStep& read : all) {
    for (const std::string& word : read.models) {
      try {
        read.step.models.push_back(
            open(BesideOrAsItIs(file, word), BesideOrAsItIs(file, read.manifest)));
      } catch (const Error& error) {
        const std::string place = error.where().empty() ? "" : ": " + error.where();
        throw Error(error.code(), error.problem(), read.step.where + place, error.advice());
      }
    }
    steps.push_back(std::move(read.step));
  }
  return {std::move(steps), std::move(files),
          config.Has("files") ? config.Where("files") : file.string()};
}

}  // namespace stemsmith
