#include "separate/ensemble.h"

#include <algorithm>

#include "core/error.h"
#include "core/option.h"
#include "core/text.h"

namespace stemsmith {
namespace {

std::string NamesOf(const std::vector<Runtime*>& models,
                    std::string (*of)(const ModelInfo& model)) {
  return JoinNames(models, "; ", [of](const Runtime* model) {
    return model->info().model_name + ": " + of(model->info());
  });
}

}  // namespace

std::vector<std::string> StemsOfAll(const std::vector<Runtime*>& models, bool only_common,
                                    const std::string& advice) {
  const auto rate = [](const ModelInfo& model) { return model.sample_rate_hz; };
  std::vector<std::string> common = models.front()->info().stems;
  bool differ = false;
  for (const Runtime* model : models) {
    if (rate(model->info()) != rate(models.front()->info()))
      throw Error::Usage("models of different sample rates cannot be combined",
                         NamesOf(models,
                                 [](const ModelInfo& one) {
                                   return std::to_string(one.sample_rate_hz) + " Hz";
                                 }),
                         "choose models of one rate: above half of the lowest, some have no sound");
    const std::vector<std::string>& stems = model->info().stems;
    differ |= stems.size() != models.front()->info().stems.size();
    differ |= std::erase_if(common, [&](const std::string& stem) {
                return std::find(stems.begin(), stems.end(), stem) == stems.end();
              }) > 0;
  }
  if (common.empty() || (differ && !only_common))
    throw Error::Usage(
        "the models give different stems",
        NamesOf(models, [](const ModelInfo& one) { return JoinNames(one.stems); }),
        common.empty()    ? "choose models that have a stem in common"
        : !advice.empty() ? advice
                          : "choose among those that all give: " +
                             Option("stems", JoinNames(common, ",")));
  return common;
}

std::unique_ptr<SongSeparator> SeparateByModels(const std::vector<Runtime*>& models,
                                                const OpenReader& open,
                                                const StemStreamOptions& stream,
                                                const PassOptions& passes,
                                                const EnsembleOptions& ensemble) {
  std::vector<std::unique_ptr<SongSeparator>> results;
  for (Runtime* model : models) {
    std::vector<std::unique_ptr<SongSeparator>> songs;
    std::unique_ptr<AudioReader> song = open();
    const std::vector<Pass> turns =
        PassesOf(passes, model->info().sample_rate_hz, song->info().channels);
    StemStreamOptions options = stream;
    if (options.stems.empty()) options.stems = StemsOfAll(models);
    for (const Pass& pass : turns) {
      options.lead_frames = pass.lead_frames;
      if (!song) song = open();
      songs.push_back(
          std::make_unique<StemStream>(*model, TurnedSong(std::move(song), pass), options));
    }
    results.push_back(AverageSongs(std::move(songs), turns));
  }
  return CombineSongs(std::move(results), ensemble);
}

}  // namespace stemsmith
