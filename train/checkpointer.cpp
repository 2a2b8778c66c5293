#include "train/checkpointer.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/option.h"

namespace stemsmith {
namespace {

constexpr char kOptimizerPrefix[] = "optimizer.";
constexpr char kRawPrefix[] = "raw.";
constexpr char kAveragePrefix[] = "average.";
constexpr char kRandomPrefix[] = "random.";

// What `tensors` holds under a prefix, without it.
NamedTensors WithPrefix(const NamedTensors& tensors, const std::string& prefix) {
  NamedTensors found;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) found.emplace_back(name.substr(prefix.size()), tensor);
  }
  return found;
}

// What the random streams of a rank are called in checkpoints, before the device's name.
std::string RankPrefix(int rank) { return rank == 0 ? "" : "rank" + std::to_string(rank) + "."; }

}  // namespace

void Checkpointer::Resume() {
  const Ranks& ranks = parts_.ranks;
  Checkpoint checkpoint;
  if (ranks.first()) checkpoint = output_.folder()->LoadNewest(output_.host().warn);
  BroadcastCheckpoint(ranks, checkpoint);
  TrainState saved = TrainState::FromJson(checkpoint.training_state, parts_.where());
  if (saved.ranks != ranks.size()) {
    throw Error::Usage("the run was started with " + std::to_string(saved.ranks) +
                           (saved.ranks == 1 ? " rank" : " ranks") + " and is resumed with " +
                           std::to_string(ranks.size()) +
                           ", which changes the batch of a step and the place in the data",
                       parts_.where(),
                       "start as many ranks as before, or choose another " + Option("run"));
  }
  const RunChanges changes =
      CompareRuns(saved, checkpoint, state_, parts_.config.Dump(/*with_defaults=*/false),
                  parts_.model->setting(), parts_.request.accept_changes, parts_.where());
  for (const std::string& text : changes.texts) output_.Message("changed: " + text);
  if (saved.threads != state_.threads || saved.device != state_.device) {
    output_.Warn("resuming on " + state_.device + " with " + std::to_string(state_.threads) +
                 " threads what ran on " + saved.device + " with " + std::to_string(saved.threads) +
                 ": results differ by rounding");
  }
  for (const std::string& average : Restore(checkpoint, saved, !changes.empty()))
    output_.Message("the average " + average + " begins here");
  if (changes.epoch_anew && saved.position.batch > 0) {
    saved.position.batch = 0;
    output_.Message("the epoch begins again");
  }
  if (changes.new_losses && parts_.best_metric->name() == "loss") saved.best = nullptr;
  if (changes.new_losses) saved.recent_losses.clear();
  state_.TakeProgressOf(std::move(saved));
  parts_.loader->Seek(state_.position);
  saved_step_ = state_.step;
}

bool Checkpointer::RollBack() {
  Checkpoint checkpoint;  // without weights where there is none
  if (parts_.ranks.first())
    checkpoint =
        output_.folder()->LoadStep(state_.step, output_.host().warn).value_or(Checkpoint());
  BroadcastCheckpoint(parts_.ranks, checkpoint);
  if (checkpoint.weights.empty()) return false;
  TrainState saved = TrainState::FromJson(checkpoint.training_state, parts_.where());
  Restore(checkpoint, saved, /*changed=*/false);
  // Time, data and what was the best go on.
  saved.position = state_.position;
  saved.seconds = state_.seconds;
  saved.best = state_.best;
  saved.validations_since_best = state_.validations_since_best;
  saved.bad_batches = state_.bad_batches;
  state_.TakeProgressOf(std::move(saved));
  output_.OpenRecords(state_.step, parts_.options.tensorboard);
  return true;
}

std::vector<std::string> Checkpointer::Restore(const Checkpoint& checkpoint,
                                               const TrainState& saved, bool changed) {
  const std::string where = parts_.where();
  const NamedTensors raw = WithPrefix(checkpoint.training, kRawPrefix);
  parts_.model->LoadStateDict(raw.empty() ? checkpoint.weights : raw, where);
  std::vector<std::string> missing = parts_.averages->Load(
      WithPrefix(checkpoint.training, kAveragePrefix), saved.average_updates, where);
  const auto load = [&](const std::string& what, const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      if (!changed) throw;
      output_.Message(what + " begins again: " + error.problem());
    }
  };
  load("the optimiser", [&] {
    parts_.optimizer->LoadState(WithPrefix(checkpoint.training, kOptimizerPrefix), where);
  });
  load("the schedule", [&] { parts_.learning_rate->LoadState(saved.schedule, where); });
  RestoreRandom(checkpoint);
  if (parts_.scaler) {
    try {
      parts_.scaler->Load(saved.scaler);
    } catch (const Error& error) {
      // With a changed precision the scale is found again.
      if (!changed) throw Error::Input(error.problem(), where, error.advice());
    }
  }
  return missing;
}

void Checkpointer::RestoreRandom(const Checkpoint& checkpoint) {
  const torch::Device& device = parts_.device;
  for (const auto& [name, random] :
       WithPrefix(checkpoint.training, kRandomPrefix + RankPrefix(parts_.ranks.rank()))) {
    if (name != (device.is_cuda() ? "cuda" : "cpu") && name != "cpu") continue;
    const torch::Device generator = name == "cuda" ? device : torch::Device(torch::kCPU);
    at::Generator target = at::globalContext().defaultGenerator(generator);
    std::lock_guard<std::mutex> lock(target.mutex());
    target.set_state(random);
  }
}

NamedTensors Checkpointer::RandomStates() const {
  std::vector<torch::Device> generators = {torch::kCPU};
  if (parts_.device.is_cuda()) generators.push_back(parts_.device);
  NamedTensors states;
  for (const torch::Device& device : generators) {
    torch::Tensor state;
    {
      at::Generator generator = at::globalContext().defaultGenerator(device);
      std::lock_guard<std::mutex> lock(generator.mutex());
      state = generator.get_state();
    }
    const std::vector<std::string> all = parts_.ranks.Gather(
        {static_cast<const char*>(state.data_ptr()), static_cast<std::size_t>(state.nbytes())});
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
      torch::Tensor copy =
          torch::empty({static_cast<std::int64_t>(all[rank].size())}, torch::kUInt8);
      std::copy(all[rank].begin(), all[rank].end(), static_cast<char*>(copy.data_ptr()));
      states.emplace_back(RankPrefix(static_cast<int>(rank)) + (device.is_cuda() ? "cuda" : "cpu"),
                          copy);
    }
  }
  return states;
}

Checkpoint Checkpointer::MakeCheckpoint(bool for_resuming) const {
  Checkpoint checkpoint = parts_.DescribeModel();
  checkpoint.weights = parts_.model->StateDict();
  TrainState state = state_;
  state.seconds = surroundings_.elapsed();
  state.average_updates = parts_.averages->Updates();
  state.schedule = parts_.learning_rate->State();
  if (parts_.scaler) state.scaler = parts_.scaler->State();
  checkpoint.training_state = state.ToJson();
  if (!for_resuming) return checkpoint;

  // Without validation nothing chooses among the averages, and this is the checkpoint to use: the
  // first average stands in place of the weights.
  if (const auto averages = parts_.averages->Updated();
      !surroundings_.validates() && !averages.empty()) {
    for (const auto& [name, tensor] : checkpoint.weights)
      checkpoint.training.emplace_back(kRawPrefix + name, tensor);
    checkpoint.weights = averages.front()->state();
  }
  for (const auto& [name, tensor] : parts_.averages->State())
    checkpoint.training.emplace_back(kAveragePrefix + name, tensor);
  for (const auto& [name, tensor] : parts_.optimizer->State())
    checkpoint.training.emplace_back(kOptimizerPrefix + name, tensor);
  for (const auto& [name, state] : random_)
    checkpoint.training.emplace_back(kRandomPrefix + name, state);
  return checkpoint;
}

bool Checkpointer::SaveBest(const nlohmann::json& figures) {
  output_.CheckStillThere();
  nlohmann::json before = std::exchange(state_.best, figures);
  if (const RunFolder* folder = output_.folder()) {
    try {
      folder->SaveBest(MakeCheckpoint(false));
      best_not_saved_.reset();
    } catch (const Error& error) {
      best_not_saved_ = error.text();
      output_.Warn(*best_not_saved_ + "; training continues");
    }
  }
  const bool saved = parts_.ranks.Broadcast(best_not_saved_ ? "lost" : "saved") == "saved";
  if (!saved) state_.best = std::move(before);
  return saved;
}

void Checkpointer::SaveLast() {
  random_ = RandomStates();
  const RunFolder* folder = output_.folder();
  if (folder == nullptr) return;
  folder->SaveLast(MakeCheckpoint(true));
  saved_step_ = state_.step;
}

// A disk that fills up in the middle does not cost the training: the checkpoint before stays.
bool Checkpointer::SavePeriodic() {
  random_ = RandomStates();
  if (const RunFolder* folder = output_.folder()) {
    folder->CheckStillThere();
    try {
      folder->SaveLast(MakeCheckpoint(true));
      saved_step_ = state_.step;
      folder->KeepStep(state_.step, parts_.options.keep);
    } catch (const Error& error) {
      output_.Warn(error.text() + "; training continues, the checkpoint before is kept");
    }
  }
  return parts_.ranks.Broadcast(saved_step_ == state_.step ? "saved" : "lost") == "saved";
}

void Checkpointer::SaveAtEnd(bool saved) {
  if (!saved) random_ = RandomStates();
  const RunFolder* folder = output_.folder();
  if (folder == nullptr) return;
  folder->CheckStillThere();
  std::string lost;
  if (best_not_saved_) lost = "the best weights are not saved: " + *best_not_saved_;
  try {
    if (!saved) folder->SaveLast(MakeCheckpoint(true));
  } catch (const Error& error) {
    lost = "the last checkpoint is not saved: " + error.text();
  }
  if (lost.empty()) return;
  std::string there =
      "last.safetensors of step " + std::to_string(saved ? state_.step : saved_step_);
  if (state_.best.is_object())
    there +=
        ", best.safetensors of step " + std::to_string(state_.best["step"].get<std::int64_t>());
  throw Error::Input(
      lost, parts_.where(),
      "make room and continue with " + Option("resume") + "; on the disk are " + there);
}

}  // namespace stemsmith
