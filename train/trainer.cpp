#include "train/trainer.h"

#include <c10/util/Exception.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>

#include "augment/augment.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "datasets/loader.h"
#include "models/checkpoint.h"
#include "train/device.h"
#include "train/ema.h"
#include "train/loss.h"
#include "train/meter.h"
#include "train/metrics_log.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/segment.h"
#include "train/train_state.h"
#include "train/validation.h"

namespace stemsmith {
namespace {

constexpr char kOptimizerPrefix[] = "optimizer.";
constexpr char kRawPrefix[] = "raw.";
constexpr char kRandomPrefix[] = "random.";

std::string Format(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// What `tensors` holds under a prefix, without it.
NamedTensors WithPrefix(const NamedTensors& tensors, const std::string& prefix) {
  NamedTensors found;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) found.emplace_back(name.substr(prefix.size()), tensor);
  }
  return found;
}

NamedTensors TrainableParameters(const SeparationModel& model) {
  NamedTensors parameters;
  for (const auto& item : model.named_parameters()) {
    if (item.value().requires_grad()) parameters.emplace_back(item.key(), item.value());
  }
  return parameters;
}

class Trainer {
 public:
  Trainer(const Config& config, const TrainRequest& request);
  TrainResult Run();

 private:
  void Start();
  void Resume();
  void TrainStep();
  void Log();
  void Validate();
  bool IsBetter(const nlohmann::json& figures) const;
  Checkpoint MakeCheckpoint(bool for_resuming) const;
  void SaveBest();
  void SaveLast();
  void SavePeriodic();
  void ShowProgress(double loss);
  torch::Tensor ToDevice(const std::vector<float>& values, at::IntArrayRef shape,
                         const std::shared_ptr<const Batch>& owner) const;
  double Elapsed() const { return state_.seconds + session_.seconds(); }

  const Config& config_;
  const TrainRequest& request_;
  TrainOptions options_;
  torch::Device device_;
  int threads_;
  AugmentChain augment_;
  std::unique_ptr<CacheReader> cache_;
  std::shared_ptr<SeparationModel> model_;
  std::unique_ptr<WeightedLoss> loss_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<WeightAverage> average_;  // null without EMA
  std::unique_ptr<Validation> validation_;  // null where nothing is validated
  std::unique_ptr<LearningRate> learning_rate_;
  std::int64_t segment_frames_ = 0, total_steps_ = 0;
  std::optional<RunFolder> folder_;
  std::unique_ptr<Loader> loader_;  // after the cache that it reads
  std::unique_ptr<MetricsLog> log_;
  std::unique_ptr<Progress> progress_;

  TrainState state_;
  double gradient_norm_ = 0.0;
  Meter session_, record_, shown_;
  std::string rate_text_;
  nlohmann::json rate_fields_;
};

Trainer::Trainer(const Config& config, const TrainRequest& request)
    : config_(config),
      request_(request),
      options_(ReadTrainOptions(config)),
      device_(SelectDevice(request.device)),
      threads_(PrepareTorch(device_, request.threads)),
      augment_(config.List("augment")) {
  loss_ = std::make_unique<WeightedLoss>(config.List("loss"), device_);
  cache_ = std::make_unique<CacheReader>(options_.cache);
  torch::manual_seed(options_.seed);
  model_ = MakeModel(config.Child("model"),
                     {cache_->stems(), cache_->sample_rate_hz(), cache_->channels()});
  model_->to(device_);
  optimizer_ = MakeOptimizer(config.Child("optimizer"), TrainableParameters(*model_));
  if (options_.ema_decay > 0)
    average_ = std::make_unique<WeightAverage>(*model_, options_.ema_decay);
  learning_rate_ = std::make_unique<LearningRate>(config.Child("schedule"), options_.learning_rate);
  config.CheckAllRead();
  segment_frames_ = ChooseSegmentFrames(*cache_, *model_, options_, config);

  LoaderOptions loader;
  loader.segment_frames = segment_frames_;
  loader.batch_size = options_.batch_size;
  loader.samples_per_epoch = options_.samples_per_epoch;
  loader.seed = options_.seed;
  loader.threads = options_.loader_threads;
  loader.prefetch_batches = options_.prefetch_batches;
  loader_ = std::make_unique<Loader>(*cache_, augment_, loader);
  total_steps_ =
      options_.epochs > 0 ? options_.epochs * loader_->batches_per_epoch() : options_.steps;

  if (options_.validate_every > 0) {
    ValidationOptions validation;
    validation.split = options_.validate_split;
    validation.segment_frames = segment_frames_;
    validation.max_segments = options_.max_segments;
    validation.batch_size = options_.batch_size;
    validation_ = std::make_unique<Validation>(*cache_, validation);
  }

  folder_.emplace(request.run);
  state_.config = config.Dump();
  state_.cache_fingerprint = cache_->fingerprint();
  state_.threads = threads_;
  state_.device = device_.str();
  ProgressOptions progress;
  progress.label = "train";
  progress.total = total_steps_;
  progress.unit = "steps";
  progress.mode = request.output;
  progress_ = std::make_unique<Progress>(progress);
}

void Trainer::Start() {
  if (folder_->HoldsRun()) {
    throw Error::Usage("this folder already holds a run", request_.run.string(),
                       "continue it with --resume, or choose another --run");
  }
  std::int64_t parameters = 0;
  for (const auto& [name, parameter] : optimizer_->parameters()) parameters += parameter.numel();
  std::string stems;
  for (const std::string& stem : cache_->stems()) stems += (stems.empty() ? "" : ", ") + stem;
  const double rate = cache_->sample_rate_hz();
  progress_->Message(Format("%.2f M parameters", static_cast<double>(parameters) / 1e6) + "; " +
                     stems + "; " + device_.str() + ", " + std::to_string(threads_) + " threads; " +
                     std::to_string(loader_->batches_per_epoch()) + " batches per epoch");
  const double seconds = static_cast<double>(segment_frames_) / rate;
  if (std::llround(options_.segment_seconds * rate) != segment_frames_) {
    progress_->Message("segments of " + Format("%.3f", seconds) + " s (" +
                       std::to_string(segment_frames_) + " frames) instead of " +
                       Format("%g", options_.segment_seconds) +
                       " s: the nearest length that the model takes without padding");
  }
  WriteFileAtomically(folder_->config(), state_.config);
  log_ = std::make_unique<MetricsLog>(folder_->metrics(), -1);
  // So that a run killed at any moment can be resumed, and a disk that is full is known at once.
  SaveLast();
}

void Trainer::Resume() {
  const Checkpoint checkpoint = folder_->LoadNewest();
  const std::string where = request_.run.string();
  TrainState saved = TrainState::FromJson(checkpoint.training_state, where);
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
  if (saved.threads != threads_ || saved.device != state_.device) {
    Warn("resuming on " + state_.device + " with " + std::to_string(threads_) +
         " threads what ran on " + saved.device + " with " + std::to_string(saved.threads) +
         ": results differ by rounding");
  }

  const NamedTensors raw = WithPrefix(checkpoint.training, kRawPrefix);
  model_->LoadStateDict(raw.empty() ? checkpoint.weights : raw, where);
  if (average_) average_->Load(checkpoint.weights, where);
  optimizer_->LoadState(WithPrefix(checkpoint.training, kOptimizerPrefix), where);
  for (const auto& [name, random] : WithPrefix(checkpoint.training, kRandomPrefix)) {
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
  WriteFileAtomically(folder_->config(), state_.config);
  log_ = std::make_unique<MetricsLog>(folder_->metrics(), state_.step);
  progress_->Message("resuming at step " + std::to_string(state_.step));
}

torch::Tensor Trainer::ToDevice(const std::vector<float>& values, at::IntArrayRef shape,
                                const std::shared_ptr<const Batch>& owner) const {
  // LibTorch has no read-only tensors; nothing writes to these.
  auto* data = const_cast<float*>(values.data());
  const torch::Tensor view = torch::from_blob(
      data, shape, [owner](void*) {}, torch::kFloat32);
  if (device_.is_cpu()) return view;
  torch::Tensor pinned =
      torch::empty(shape, torch::TensorOptions().dtype(torch::kFloat32).pinned_memory(true));
  pinned.copy_(view);
  return pinned.to(device_, /*non_blocking=*/true);
}

void Trainer::TrainStep() {
  const std::shared_ptr<const Batch> batch = loader_->Next();
  const torch::Tensor mix =
      ToDevice(batch->mix, {batch->batch, batch->channels, batch->frames}, batch);
  const torch::Tensor stems = ToDevice(
      batch->stem_audio, {batch->batch, batch->stems, batch->channels, batch->frames}, batch);

  optimizer_->ZeroGrad();
  const torch::Tensor loss = (*loss_)(model_->forward(mix), stems);
  const double value = loss.item<double>();
  if (std::isfinite(value)) {
    loss.backward();
    gradient_norm_ = ClipGradients(optimizer_->parameters(), options_.gradient_clip);
  }
  if (!std::isfinite(value) || !std::isfinite(gradient_norm_)) {
    std::string tracks;
    for (const std::string& track : batch->tracks) tracks += (tracks.empty() ? "" : ", ") + track;
    throw Error::Input(std::string(std::isfinite(value) ? "a gradient" : "the loss") +
                           " is no longer a finite number at step " +
                           std::to_string(state_.step + 1),
                       "tracks " + tracks,
                       "lower optimizer.lr or set gradient_clip; the last good checkpoint is " +
                           folder_->last().string());
  }
  optimizer_->Step(learning_rate_->At(state_.step, total_steps_));
  if (average_) average_->Update(*model_, state_.step);

  ++state_.step;
  state_.position = loader_->position();
  state_.loss_sum += value;
  ++state_.loss_count;
  for (Meter* meter : {&record_, &shown_}) meter->Add(batch->batch);
}

void Trainer::Log() {
  const double loss = state_.loss_sum / static_cast<double>(state_.loss_count);
  log_->Append({{"event", "train"},
                {"step", state_.step},
                {"epoch", state_.position.epoch},
                {"loss", loss},
                {"learning_rate", learning_rate_->At(state_.step - 1, total_steps_)},
                {"gradient_norm", gradient_norm_},
                {"samples_per_second", record_.samples_per_second()},
                {"data_wait", record_.wait_share(loader_->seconds_waited())},
                {"seconds", Elapsed()}});
  state_.loss_sum = 0.0;
  state_.loss_count = 0;
  record_.Reset(loader_->seconds_waited());
}

void Trainer::ShowProgress(double loss) {
  if (rate_text_.empty() || shown_.seconds() >= 1.0) {
    const double waited = loader_->seconds_waited();
    rate_text_ = Format("%.1f samples/s", shown_.samples_per_second()) +
                 Format(", data wait %.0f %%", 100.0 * shown_.wait_share(waited));
    rate_fields_ = {{"samples_per_second", shown_.samples_per_second()},
                    {"data_wait", shown_.wait_share(waited)}};
    shown_.Reset(waited);
  }
  const double rate = learning_rate_->At(state_.step - 1, total_steps_);
  nlohmann::json fields = rate_fields_;
  fields["loss"] = loss;
  fields["learning_rate"] = rate;
  progress_->Update(state_.step,
                    Format("loss %.5f", loss) + Format(", lr %.2e, ", rate) + rate_text_, fields);
}

bool Trainer::IsBetter(const nlohmann::json& figures) const {
  const bool by_sdr = options_.metric == "sdr" && figures["mean_sdr_db"].is_number();
  const char* key = by_sdr ? "mean_sdr_db" : "loss";
  if (!figures[key].is_number()) return false;
  if (!state_.best.is_object() || !state_.best[key].is_number()) return true;
  const double now = figures[key].get<double>(), best = state_.best[key].get<double>();
  return by_sdr ? now > best : now < best;
}

void Trainer::Validate() {
  NamedTensors weights;  // of the step, while the averaged ones are tried
  if (average_) {
    weights = CloneTensors(model_->StateDict());
    model_->LoadStateDict(average_->state(), "the averaged weights");
  }
  const ValidationFigures result = validation_->Run(*model_, *loss_, device_);
  if (average_) model_->LoadStateDict(weights, "the weights");

  nlohmann::json figures = result.ToJson(cache_->stems());
  figures["step"] = state_.step;
  state_.validation = figures;
  std::string text = "step " + std::to_string(state_.step) +
                     Format(": validation loss %.5f", result.loss) +
                     Format(", SDR %.2f dB (", result.mean_sdr_db);
  for (std::size_t s = 0; s < result.sdr_db.size(); ++s)
    text += (s > 0 ? ", " : "") + cache_->stems()[s] + Format(" %.2f", result.sdr_db[s]);
  text += ")";
  const bool better = IsBetter(figures);
  if (better) {
    state_.best = figures;
    text += ", the best so far";
  }
  progress_->Message(text);
  if (better) SaveBest();
  figures["event"] = "validation";
  figures["best"] = better;
  log_->Append(figures);
  WriteLossChart(folder_->chart(), MetricsLog::Read(folder_->metrics()), "Loss");
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
  std::vector<torch::Device> generators = {torch::kCPU};
  if (device_.is_cuda()) generators.push_back(device_);
  for (const torch::Device& device : generators) {
    at::Generator generator = at::globalContext().defaultGenerator(device);
    std::lock_guard<std::mutex> lock(generator.mutex());
    checkpoint.training.emplace_back(kRandomPrefix + std::string(device.is_cuda() ? "cuda" : "cpu"),
                                     generator.get_state());
  }
  return checkpoint;
}

void Trainer::SaveBest() {
  try {
    folder_->SaveBest(MakeCheckpoint(false));
  } catch (const Error& error) {
    Warn(std::string(error.what()) + "; training goes on");
  }
}

void Trainer::SaveLast() { folder_->SaveLast(MakeCheckpoint(true)); }

// A disk that fills up in the middle does not cost the training: the checkpoint before stays.
void Trainer::SavePeriodic() {
  try {
    SaveLast();
    folder_->KeepStep(state_.step, options_.keep);
  } catch (const Error& error) {
    Warn(std::string(error.what()) + "; training goes on, the checkpoint before is kept");
  }
}

TrainResult Trainer::Run() {
  request_.resume ? Resume() : Start();
  if (options_.validate_every > 0 && validation_->segments() == 0) {
    Warn("the cache holds no songs of the split '" + options_.validate_split +
         "': nothing is validated");
    validation_.reset();
  }
  model_->train();
  for (Meter* meter : {&session_, &record_, &shown_}) meter->Reset(loader_->seconds_waited());

  const auto due = [this](std::int64_t every) { return every > 0 && state_.step % every == 0; };
  std::int64_t saved_at = state_.step;
  int signal = 0;
  while (state_.step < total_steps_) {
    const double before = state_.loss_sum;
    TrainStep();
    ShowProgress(state_.loss_sum - before);
    if (due(options_.log_every_steps)) Log();
    if (validation_ && due(options_.validate_every)) Validate();
    if (due(options_.checkpoint_every)) {
      SavePeriodic();
      saved_at = state_.step;
    }
    if (request_.after_step) request_.after_step(state_.step);
    signal = InterruptSignal();
    if (signal != 0 || (options_.max_seconds > 0 && Elapsed() >= options_.max_seconds)) break;
  }
  const bool validated = state_.validation.is_object() && state_.validation["step"] == state_.step;
  if (signal == 0 && validation_ && !validated) {
    Validate();
    saved_at = -1;
  }
  if (saved_at != state_.step) SaveLast();
  if (state_.step > 0)
    WriteLossChart(folder_->chart(), MetricsLog::Read(folder_->metrics()), "Loss");
  progress_->Finish();

  TrainResult result;
  result.step = state_.step;
  result.seconds = Elapsed();
  result.signal = signal;
  result.validation = state_.validation;
  result.best = state_.best;
  result.checkpoint = std::filesystem::exists(folder_->best()) ? folder_->best() : folder_->last();
  return result;
}

}  // namespace

TrainResult Train(const Config& config, const TrainRequest& request) {
  try {
    return Trainer(config, request).Run();
  } catch (const c10::OutOfMemoryError&) {
    throw Error::Input("the GPU's memory does not suffice", request.run.string(),
                       "make train.batch_size or dataset.segment_seconds smaller");
  } catch (const c10::Error& error) {
    // LibTorch's messages go on with a stack trace.
    std::string text = error.what_without_backtrace();
    text = text.substr(0, text.find('\n'));
    throw Error::Input("LibTorch: " + text, request.run.string());
  }
}

}  // namespace stemsmith
