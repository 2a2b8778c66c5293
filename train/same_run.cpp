#include "train/same_run.h"

#include "core/error.h"
#include "core/option.h"
#include "core/text.h"
#include "train/options.h"

namespace stemsmith {
namespace {

std::string Text(const ModelSetting& setting) {
  return JoinNames(setting.stems) + " at " + std::to_string(setting.sample_rate_hz) + " Hz, " +
         std::to_string(setting.channels) + " channels";
}

}  // namespace

RunChanges CompareRuns(const TrainState& saved, const Checkpoint& checkpoint, const TrainState& now,
                       const std::string& given, const ModelSetting& setting, bool accept,
                       const std::string& where) {
  RunChanges changes;
  for (const ConfigChange& change : ConfigChanges(saved.config, now.config, given)) {
    if (change.key == "model.name") {
      throw Error::Usage("the run folder holds a run of the model '" + change.before +
                             "', not of '" + change.after + "'",
                         where, "choose another " + Option("run"));
    }
    changes.texts.push_back(change.Text());
    if (change.key.starts_with("dataset.") || change.key == "train.batch_size" ||
        change.key == "train.accumulate")
      changes.epoch_anew = true;
    if (change.key.starts_with("loss")) changes.new_losses = true;
  }
  const ModelSetting& old = checkpoint.setting;
  if (old.stems != setting.stems || old.sample_rate_hz != setting.sample_rate_hz ||
      old.channels != setting.channels) {
    throw Error::Usage(
        "the cache holds " + Text(setting) + ", and the run was started with " + Text(old), where,
        "use the old cache, or choose another " + Option("run"));
  }
  if (saved.cache_fingerprint != now.cache_fingerprint) {
    changes.texts.push_back("the cache: its songs are not those of before");
    changes.epoch_anew = true;
  }
  if (changes.empty() || accept) return changes;
  throw Error::Usage(
      "the configuration is not the one this run was started with: " + JoinNames(changes.texts),
      where,
      "take the change back, continue with it by " + Option("accept-changes") +
          ", or choose another " + Option("run"));
}

}  // namespace stemsmith
