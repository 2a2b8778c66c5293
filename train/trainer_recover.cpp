// When a step goes wrong: leaving it out, and going back.
#include <cmath>

#include "core/error.h"
#include "core/text.h"
#include "train/loss_watch.h"
#include "train/trainer_run.h"

namespace stemsmith {
void Trainer::FindBuffers() {
  const NamedTensors state = model_->StateDict();  // parameters come first
  for (std::size_t i = model_->parameters().size(); i < state.size(); ++i) {
    buffers_.push_back(state[i].second);
    buffers_before_.push_back(state[i].second.clone());
  }
}

void Trainer::RememberBuffers() {
  torch::NoGradGuard no_grad;
  if (!buffers_.empty()) at::_foreach_copy_(buffers_before_, buffers_);
}

void Trainer::SkipBatch(const std::string& problem, double loss,
                        const std::vector<std::string>& own_songs) {
  std::vector<std::string> songs;  // of all ranks
  for (const std::string& text : ranks_.Gather(nlohmann::json(own_songs).dump()))
    for (const auto& song : nlohmann::json::parse(text)) songs.push_back(song);
  const std::int64_t attempted = state_.step + 1;
  const LoaderPosition failed = state_.position;
  state_.position = loader_->position();
  ++state_.bad_batches;
  ++state_.bad_in_row;
  // The weights are those from before the step; what its forward pass has left is taken back.
  torch::NoGradGuard no_grad;
  if (!buffers_.empty()) at::_foreach_copy_(buffers_, buffers_before_);
  optimizer_->ZeroGrad();

  const std::string at_step = problem + " at step " + std::to_string(attempted);
  nlohmann::json record = {{"event", "bad_batch"},
                           {"problem", problem},
                           {"loss", nullptr},
                           {"epoch", failed.epoch},
                           {"batch", failed.batch},
                           {"tracks", songs},
                           {"bad_batches", state_.bad_batches},
                           {"rolled_back_to", nullptr}};
  if (std::isfinite(loss)) record["loss"] = loss;
  const bool last = state_.bad_batches > options_.max_bad_batches;
  // Two in a row: it is not the songs, the weights have gone astray.
  std::string text = at_step + ": its batch is left out";
  if (!last && state_.bad_in_row > 1 && RollBack()) {
    record["rolled_back_to"] = state_.step;
    text += ", and training goes on from the checkpoint of step " + std::to_string(state_.step);
  }
  // Belongs to the step that comes next: a run resumed before it says it again.
  record["step"] = state_.step + 1;
  if (ranks_.first()) log_->Append(record);
  if (last) {
    std::string advice =
        "lower optimizer.lr or set gradient_clip; the last good checkpoint is in " +
        request_.run.string();
    if (options_.max_bad_batches > 0) {
      advice = std::to_string(options_.max_bad_batches) +
               " batches before were left out (train.max_bad_batches), metrics.jsonl names their "
               "songs; " +
               advice;
    }
    throw Error::Input(at_step, "tracks " + JoinNames(songs), advice);
  }
  progress_->Message(text + " (tracks " + JoinNames(songs) + ")");
}

bool Trainer::RollBack() {
  Checkpoint checkpoint;  // without weights where there is none
  if (ranks_.first()) checkpoint = folder_->LoadStep(state_.step).value_or(Checkpoint());
  BroadcastCheckpoint(ranks_, checkpoint);
  if (checkpoint.weights.empty()) return false;
  const std::string where = request_.run.string();
  TrainState saved = TrainState::FromJson(checkpoint.training_state, where);
  RestoreTensors(checkpoint, saved, where);
  // Time, data and what was the best go on.
  saved.position = state_.position;
  saved.seconds = state_.seconds;
  saved.best = state_.best;
  saved.validations_since_best = state_.validations_since_best;
  saved.bad_batches = state_.bad_batches;
  saved.config = state_.config;
  saved.cache_fingerprint = state_.cache_fingerprint;
  saved.threads = state_.threads;
  saved.device = state_.device;
  state_ = std::move(saved);
  OpenLog(state_.step);
  return true;
}

Error OutOfDeviceMemory(const std::string& where) {
  return Error::Input("the GPU's memory does not suffice", where,
                      "make train.batch_size smaller (and train.accumulate larger by as much, for "
                      "the same steps) or dataset.segment_seconds smaller, or set "
                      "train.activation_checkpointing: true or train.precision: bfloat16");
}

}  // namespace stemsmith
