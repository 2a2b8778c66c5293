#include "train/bad_steps.h"

#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace stemsmith {

void BadSteps::Begin() {
  const NamedTensors state = parts_.model->StateDict();  // parameters come first
  for (std::size_t i = parts_.model->parameters().size(); i < state.size(); ++i) {
    buffers_.push_back(state[i].second);
    buffers_before_.push_back(state[i].second.clone());
  }
}

void BadSteps::BeforeStep() {
  const torch::NoGradGuard no_grad;
  if (!buffers_.empty()) at::_foreach_copy_(buffers_before_, buffers_);
}

void BadSteps::LeaveOut(const std::string& problem, double loss,
                        const std::vector<std::string>& own_songs) {
  std::vector<std::string> songs;  // of all ranks
  for (const std::string& text : parts_.ranks.Gather(nlohmann::json(own_songs).dump()))
    for (const auto& song : nlohmann::json::parse(text)) songs.push_back(song);
  const std::int64_t attempted = state_.step + 1;
  const LoaderPosition failed = state_.position;
  state_.position = parts_.loader->position();
  ++state_.bad_batches;
  ++state_.bad_in_row;
  // The weights are those from before the step; what its forward pass has left is taken back.
  const torch::NoGradGuard no_grad;
  if (!buffers_.empty()) at::_foreach_copy_(buffers_, buffers_before_);
  parts_.optimizer->ZeroGrad();

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
  const bool last = state_.bad_batches > parts_.options.max_bad_batches;
  // Two in a row: it is not the songs, the weights have gone astray.
  std::string text = at_step + ": its batch is left out";
  if (!last && state_.bad_in_row > 1 && roll_back_()) {
    record["rolled_back_to"] = state_.step;
    text += ", and training continues from the checkpoint of step " + std::to_string(state_.step);
  }
  // Belongs to the step that comes next: a run resumed before it says it again.
  record["step"] = state_.step + 1;
  output_.Append(record);
  if (last) GiveUp(at_step, songs);
  output_.Message(text + " (songs " + JoinNames(songs) + ")");
}

void BadSteps::GiveUp(const std::string& problem, const std::vector<std::string>& songs) const {
  std::string advice =
      "lower optimizer.lr or set gradient_clip; the last good checkpoint is in " + parts_.where();
  if (parts_.options.max_bad_batches > 0) {
    advice = std::to_string(parts_.options.max_bad_batches) +
             " batches before were left out (train.max_bad_batches), metrics.jsonl names their "
             "songs; " +
             advice;
  }
  throw Error::Input(problem, "songs " + JoinNames(songs), advice);
}

}  // namespace stemsmith
