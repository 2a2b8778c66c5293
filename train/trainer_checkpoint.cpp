// Starting, resuming and saving of a run.
#include <algorithm>
#include <cmath>
#include <mutex>

#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "train/input_statistics.h"
#include "train/trainer_run.h"

namespace stemsmith {
namespace {

constexpr char kOptimizerPrefix[] = "optimizer.";
constexpr char kRawPrefix[] = "raw.";
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
  std::int64_t parameters = 0;
  for (const auto& [name, parameter] : optimizer_->parameters()) parameters += parameter.numel();
  const double rate = cache_->sample_rate_hz();
  progress_->Message(Format("%.2f M parameters", static_cast<double>(parameters) / 1e6) + "; " +
                     JoinNames(cache_->stems()) + "; " + device_.str() + ", " +
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
    progress_->Message("segments of " + Format("%.3f", seconds) + " s (" +
                       std::to_string(segment_frames_) + " frames) instead of " +
                       Format("%g", options_.segment_seconds) +
                       " s: the nearest length that the model takes without padding");
  }
  if (cache_->spectrogram() && validation_) {
    progress_->Message(
        "the cache holds spectrograms: validation gives the loss, and no SDR of waveforms");
  }
  // Weights that were trained before come with the statistics that they are used to.
  if (!config_.Has("init")) ShowTrainingSongs(*cache_, segment_frames_, device_, *model_);
  if (average_) average_->Load(model_->StateDict(), "the initial weights");
  if (ranks_.first()) {
    WriteFileAtomically(folder_->config(), state_.config);
    log_ = std::make_unique<MetricsLog>(folder_->metrics(), -1);
  }
  // So that a run killed at any moment can be resumed, and a disk that is full is known at once.
  SaveLast();
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
  if (const auto changes = ConfigChanges(saved.config, state_.config); !changes.empty()) {
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(3, changes.size()); ++i)
      text += (i > 0 ? ", " : "") + changes[i];
    if (changes.size() > 3) text += ", and " + std::to_string(changes.size() - 3) + " more";
    throw Error::Usage("the configuration is not the one this run was started with: " + text, where,
                       "take the change back, or choose another --run");
  }
  if (saved.cache_fingerprint != state_.cache_fingerprint ||
      checkpoint.setting.stems != cache_->stems()) {
    throw Error::Usage("the cache is not the one this run was started with",
                       options_.cache.string(), "use the old cache, or choose another --run");
  }
  if (ranks_.first() && (saved.threads != threads_ || saved.device != state_.device)) {
    Warn("resuming on " + state_.device + " with " + std::to_string(threads_) +
         " threads what ran on " + saved.device + " with " + std::to_string(saved.threads) +
         ": results differ by rounding");
  }

  const NamedTensors raw = WithPrefix(checkpoint.training, kRawPrefix);
  model_->LoadStateDict(raw.empty() ? checkpoint.weights : raw, where);
  if (average_) average_->Load(checkpoint.weights, where);
  optimizer_->LoadState(WithPrefix(checkpoint.training, kOptimizerPrefix), where);
  for (const auto& [name, random] :
       WithPrefix(checkpoint.training, kRandomPrefix + RankPrefix(ranks_.rank()))) {
    if (name != (device_.is_cuda() ? "cuda" : "cpu") && name != "cpu") continue;
    const torch::Device generator = name == "cuda" ? device_ : torch::Device(torch::kCPU);
    at::Generator target = at::globalContext().defaultGenerator(generator);
    std::lock_guard<std::mutex> lock(target.mutex());
    target.set_state(random);
  }
  saved.config = state_.config;
  saved.threads = threads_;
  saved.device = state_.device;
  state_ = std::move(saved);
  loader_->Seek(state_.position);
  if (ranks_.first()) {
    WriteFileAtomically(folder_->config(), state_.config);
    log_ = std::make_unique<MetricsLog>(folder_->metrics(), state_.step);
  }
  progress_->Message("resuming at step " + std::to_string(state_.step));
}

Checkpoint Trainer::MakeCheckpoint(bool for_resuming) const {
  Checkpoint checkpoint;
  checkpoint.model_config = config_.Child("model").Dump();
  checkpoint.setting = model_->setting();
  checkpoint.segment_frames = segment_frames_;
  // `weights` are those to use: the averaged ones where there is an average.
  checkpoint.weights = average_ ? average_->state() : model_->StateDict();
  TrainState state = state_;
  state.seconds = Elapsed();
  checkpoint.training_state = state.ToJson();
  if (!for_resuming) return checkpoint;

  if (average_) {
    for (const auto& [name, tensor] : model_->StateDict())
      checkpoint.training.emplace_back(kRawPrefix + name, tensor);
  }
  for (const auto& [name, tensor] : optimizer_->State())
    checkpoint.training.emplace_back(kOptimizerPrefix + name, tensor);
  for (const auto& [name, state] : random_)
    checkpoint.training.emplace_back(kRandomPrefix + name, state);
  return checkpoint;
}

void Trainer::SaveBest() {
  try {
    folder_->SaveBest(MakeCheckpoint(false));
  } catch (const Error& error) {
    Warn(std::string(error.what()) + "; training goes on");
  }
}

void Trainer::SaveLast() {
  random_ = RandomStates();
  if (ranks_.first()) folder_->SaveLast(MakeCheckpoint(true));
}

// A disk that fills up in the middle does not cost the training: the checkpoint before stays.
void Trainer::SavePeriodic() {
  random_ = RandomStates();
  if (!ranks_.first()) return;
  try {
    folder_->SaveLast(MakeCheckpoint(true));
    folder_->KeepStep(state_.step, options_.keep);
  } catch (const Error& error) {
    Warn(std::string(error.what()) + "; training goes on, the checkpoint before is kept");
  }
}

}  // namespace stemsmith
