// Validation of a run on whole songs.
#include "core/error.h"
#include "core/text.h"
#include "models/manifest_for.h"
#include "train/trainer_run.h"

namespace stemsmith {

void Trainer::MakeSongValidation() {
  if (options_.songs_every == 0) return;
  if (cache_->spectrogram()) {
    throw Error::Usage("the cache holds spectrograms: whole songs cannot be separated from them",
                       config_.Child("validate").Where("songs_every"),
                       "set validate.songs_every to 0, or prepare a cache of audio");
  }
  // Rank 0 separates them, and the others wait.
  const double patience = 0.8 * options_.rank_timeout_seconds, most = options_.songs_max_seconds;
  if (ranks_.several() && (most == 0.0 || most > patience)) {
    throw Error::Usage("whole songs may take longer than ranks wait for each other",
                       config_.Child("validate").Where("max_seconds"),
                       Formatted("set validate.max_seconds to %g at most, ", patience) +
                           "or raise train.rank_timeout_seconds");
  }
  SongValidationOptions songs;
  songs.split = options_.validate_split;
  songs.max_seconds = options_.songs_max_seconds;
  songs_ = std::make_unique<SongValidation>(*cache_, songs);
}

nlohmann::json Trainer::ValidateSongs() const {
  model_->eval();  // some models take other lengths while they train
  const Manifest manifest = ManifestFor(DescribeModel(), *model_, 0, request_.run.string());
  const SongFigures figures = songs_->Run(*model_, manifest, device_);
  model_->train();

  const std::size_t done = figures.songs.size(), all = songs_->tracks().size();
  std::string text = "step " + std::to_string(state_.step) + ": ";
  if (done > 0) {
    text += (all == 1 ? "the whole song" : "whole songs") +
            Formatted(": nSDR %.2f dB (", figures.mean_nsdr_db);
    for (std::size_t s = 0; s < figures.nsdr_db.size(); ++s) {
      text += (s > 0 ? ", " : "") + cache_->stems()[s] + Formatted(" %.2f", figures.nsdr_db[s]);
    }
    text += Formatted("), SDR %.2f dB", figures.mean_sdr_db);
  } else {
    text += "no whole song was judged";
  }
  progress_->Message(text);
  if (done < all) {
    Warn(std::to_string(all - done) + " of " + std::to_string(all) + " songs were left out: " +
         Formatted("validate.max_seconds is %g", options_.songs_max_seconds));
  }
  return figures.ToJson(cache_->stems());
}

}  // namespace stemsmith
