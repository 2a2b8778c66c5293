// Starting, resuming and saving of a run.
#include <cmath>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "train/input_statistics.h"
#include "train/same_run.h"
#include "train/trainer_run.h"

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

}  // namespace

void Trainer::Start() {
  if (ranks_.first() && folder_->HoldsRun()) {
    throw Error::Usage("this folder already holds a run", request_.run.string(),
                       "continue it with --resume, or choose another --run");
  }
  const double rate = cache_->sample_rate_hz();
  progress_->Message(Formatted("%.2f M parameters", static_cast<double>(Parameters()) / 1e6) +
                     "; " + JoinNames(cache_->stems()) + "; " + device_.str() + ", " +
                     std::to_string(threads_) + " threads; " +
                     std::to_string(loader_->batches_per_epoch()) + " batches per epoch");
  for (const std::string& message : start_messages_) progress_->Message(message);
  if (ranks_.several()) {
    const std::int64_t samples = options_.samples_per_step();
    progress_->Message(std::to_string(ranks_.size()) + " ranks of " + std::to_string(samples) +
                       " samples: " + std::to_string(samples * ranks_.size()) + " per step");
  }
  const double seconds = static_cast<double>(segment_frames_) / rate;
  if (std::llround(options_.segment_seconds * rate) != segment_frames_) {
    progress_->Message("segments of " + Formatted("%.3f", seconds) + " s (" +
                       std::to_string(segment_frames_) + " frames) instead of " +
                       Formatted("%g", options_.segment_seconds) +
                       " s: the nearest length that the model takes without padding");
  }
  if (cache_->spectrogram() && validation_) {
    progress_->Message(
        "the cache holds spectrograms: validation gives the loss, and no SDR of waveforms");
  }
  // Weights that were trained before come with the statistics that they are used to.
  if (!config_.Has("init")) ShowTrainingSongs(*cache_, segment_frames_, device_, *model_);
  if (ranks_.first()) WriteFileAtomically(folder_->config(), state_.config);
  OpenLog(-1);
  RecordStart();
  // So that a run killed at any moment can be resumed, and a disk that is full is known at once.
  SaveLast();
}

void Trainer::OpenLog(std::int64_t last_step) {
  if (!ranks_.first()) return;
  log_ = std::make_unique<RunRecorder>(folder_->root(), last_step, options_.tensorboard);
}

std::int64_t Trainer::Parameters() const {
  std::int64_t count = 0;
  for (const auto& [name, parameter] : optimizer_->parameters()) count += parameter.numel();
  return count;
}

// What those who look at the run want to know besides its configuration.
void Trainer::RecordStart() {
  if (!ranks_.first()) return;
  log_->Append(
      {{"event", "start"},
       {"step", state_.step},
       {"total_steps", total_steps_},
       {"steps_per_epoch", loader_->batches_per_epoch()},
       {"parameters", Parameters()},
       {"stems", cache_->stems()},
       {"sample_rate_hz", cache_->sample_rate_hz()},
       {"segment_seconds", static_cast<double>(segment_frames_) / cache_->sample_rate_hz()},
       {"device", device_.str()},
       {"threads", threads_},
       {"ranks", ranks_.size()}});
}

void Trainer::Resume() {
  Checkpoint checkpoint;
  if (ranks_.first()) checkpoint = folder_->LoadNewest();
  BroadcastCheckpoint(ranks_, checkpoint);
  const std::string where = request_.run.string();
  TrainState saved = TrainState::FromJson(checkpoint.training_state, where);
  if (saved.ranks != ranks_.size()) {
    throw Error::Usage("the run was started with " + std::to_string(saved.ranks) +
                           (saved.ranks == 1 ? " rank" : " ranks") + " and is resumed with " +
                           std::to_string(ranks_.size()) +
                           ", which changes the batch of a step and the place in the data",
                       where, "start as many ranks as before, or choose another --run");
  }
  const RunChanges changes =
      CompareRuns(saved, checkpoint, state_, config_.Dump(/*with_defaults=*/false),
                  model_->setting(), request_.accept_changes, where);
  for (const std::string& text : changes.texts) progress_->Message("changed: " + text);
  if (ranks_.first() && (saved.threads != threads_ || saved.device != state_.device)) {
    Warn("resuming on " + state_.device + " with " + std::to_string(threads_) +
         " threads what ran on " + saved.device + " with " + std::to_string(saved.threads) +
         ": results differ by rounding");
  }
  for (const std::string& average : RestoreTensors(checkpoint, saved, where, !changes.empty()))
    progress_->Message("the average " + average + " begins here");
  if (changes.epoch_anew && saved.position.batch > 0) {
    saved.position.batch = 0;
    progress_->Message("the epoch begins again");
  }
  if (changes.new_losses && best_metric_->name() == "loss") saved.best = nullptr;
  if (changes.new_losses) saved.recent_losses.clear();
  saved.config = state_.config;
  saved.cache_fingerprint = state_.cache_fingerprint;
  saved.threads = threads_;
  saved.device = state_.device;
  state_ = std::move(saved);
  loader_->Seek(state_.position);
  saved_step_ = state_.step;
  if (ranks_.first()) WriteFileAtomically(folder_->config(), state_.config);
  OpenLog(state_.step);
  if (state_.step < total_steps_) RecordStart();
  // A run killed between last and its copy lacks the copy.
  if (options_.checkpoint_every > 0 && state_.step > 0 &&
      state_.step % options_.checkpoint_every == 0)
    SavePeriodic();
  progress_->Message("resuming at step " + std::to_string(state_.step));
}

std::vector<std::string> Trainer::RestoreTensors(const Checkpoint& checkpoint,
                                                 const TrainState& saved, const std::string& where,
                                                 bool changed) {
  const NamedTensors raw = WithPrefix(checkpoint.training, kRawPrefix);
  model_->LoadStateDict(raw.empty() ? checkpoint.weights : raw, where);
  std::vector<std::string> missing = averages_->Load(
      WithPrefix(checkpoint.training, kAveragePrefix), saved.average_updates, where);
  const auto load = [&](const std::string& what, const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      if (!changed) throw;
      progress_->Message(what + " begins anew: " + error.problem());
    }
  };
  load("the optimiser",
       [&] { optimizer_->LoadState(WithPrefix(checkpoint.training, kOptimizerPrefix), where); });
  load("the schedule", [&] { learning_rate_->LoadState(saved.schedule, where); });
  for (const auto& [name, random] :
       WithPrefix(checkpoint.training, kRandomPrefix + RankPrefix(ranks_.rank()))) {
    if (name != (device_.is_cuda() ? "cuda" : "cpu") && name != "cpu") continue;
    const torch::Device generator = name == "cuda" ? device_ : torch::Device(torch::kCPU);
    at::Generator target = at::globalContext().defaultGenerator(generator);
    std::lock_guard<std::mutex> lock(target.mutex());
    target.set_state(random);
  }
  if (scaler_) {
    try {
      scaler_->Load(saved.scaler);
    } catch (const Error& error) {
      // With a changed precision the scale is found anew.
      if (!changed) throw Error::Input(error.problem(), where, error.advice());
    }
  }
  return missing;
}

Checkpoint Trainer::DescribeModel() const {
  Checkpoint checkpoint;
  checkpoint.model_config = config_.Child("model").Dump();
  checkpoint.setting = model_->setting();
  checkpoint.segment_frames = segment_frames_;
  return checkpoint;
}

Checkpoint Trainer::MakeCheckpoint(bool for_resuming) const {
  Checkpoint checkpoint = DescribeModel();
  checkpoint.weights = model_->StateDict();
  TrainState state = state_;
  state.seconds = Elapsed();
  state.average_updates = averages_->Updates();
  state.schedule = learning_rate_->State();
  if (scaler_) state.scaler = scaler_->State();
  checkpoint.training_state = state.ToJson();
  if (!for_resuming) return checkpoint;

  // Without validation nothing chooses among the averages, and this is the checkpoint to use: the
  // first average stands in place of the weights.
  if (const auto averages = averages_->Updated(); !validation_ && !averages.empty()) {
    for (const auto& [name, tensor] : checkpoint.weights)
      checkpoint.training.emplace_back(kRawPrefix + name, tensor);
    checkpoint.weights = averages.front()->state();
  }
  for (const auto& [name, tensor] : averages_->State())
    checkpoint.training.emplace_back(kAveragePrefix + name, tensor);
  for (const auto& [name, tensor] : optimizer_->State())
    checkpoint.training.emplace_back(kOptimizerPrefix + name, tensor);
  for (const auto& [name, state] : random_)
    checkpoint.training.emplace_back(kRandomPrefix + name, state);
  return checkpoint;
}

bool Trainer::SaveBest(const nlohmann::json& figures) {
  if (ranks_.first()) folder_->CheckStillThere();
  nlohmann::json before = std::exchange(state_.best, figures);
  if (ranks_.first()) {
    try {
      folder_->SaveBest(MakeCheckpoint(false));
      best_not_saved_.reset();
    } catch (const Error& error) {
      best_not_saved_ = error.what();
      Warn(*best_not_saved_ + "; training goes on");
    }
  }
  const bool saved = ranks_.Broadcast(best_not_saved_ ? "lost" : "saved") == "saved";
  if (!saved) state_.best = std::move(before);
  return saved;
}

void Trainer::SaveLast() {
  random_ = RandomStates();
  if (!ranks_.first()) return;
  folder_->SaveLast(MakeCheckpoint(true));
  saved_step_ = state_.step;
}

// A disk that fills up in the middle does not cost the training: the checkpoint before stays.
bool Trainer::SavePeriodic() {
  random_ = RandomStates();
  if (ranks_.first()) {
    folder_->CheckStillThere();
    try {
      folder_->SaveLast(MakeCheckpoint(true));
      saved_step_ = state_.step;
      folder_->KeepStep(state_.step, options_.keep);
    } catch (const Error& error) {
      Warn(std::string(error.what()) + "; training goes on, the checkpoint before is kept");
    }
  }
  return ranks_.Broadcast(saved_step_ == state_.step ? "saved" : "lost") == "saved";
}

void Trainer::SaveAtEnd(bool saved) {
  if (!saved) random_ = RandomStates();  // of all ranks
  if (!ranks_.first()) return;
  folder_->CheckStillThere();
  std::string lost;
  if (best_not_saved_) lost = "the best weights are not saved: " + *best_not_saved_;
  try {
    if (!saved) folder_->SaveLast(MakeCheckpoint(true));
  } catch (const Error& error) {
    lost = "the last checkpoint is not saved: " + std::string(error.what());
  }
  if (lost.empty()) return;
  std::string there =
      "last.safetensors of step " + std::to_string(saved ? state_.step : saved_step_);
  if (state_.best.is_object())
    there +=
        ", best.safetensors of step " + std::to_string(state_.best["step"].get<std::int64_t>());
  throw Error::Input(lost, request_.run.string(),
                     "make room and go on with --resume; on the disk are " + there);
}

}  // namespace stemsmith
