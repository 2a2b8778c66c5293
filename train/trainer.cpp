#include "train/trainer.h"

#include <c10/util/Exception.h>

#include <cmath>

#include "core/error.h"
#include "core/interrupt.h"
#include "core/text.h"
#include "train/device.h"
#include "train/freeze.h"
#include "train/init.h"
#include "train/segment.h"
#include "train/trainer_run.h"

namespace stemsmith {
namespace {

NamedTensors TrainableParameters(const SeparationModel& model) {
  NamedTensors parameters;
  for (const auto& item : model.named_parameters()) {
    if (item.value().requires_grad()) parameters.emplace_back(item.key(), item.value());
  }
  return parameters;
}

}  // namespace

Trainer::Trainer(const Config& config, const TrainRequest& request, Ranks& ranks)
    : config_(config),
      request_(request),
      ranks_(ranks),
      options_(ReadTrainOptions(config)),
      device_(SelectDevice(request.device, ranks.size())),
      threads_(PrepareTorch(device_, request.threads > 0 || !ranks.several()
                                         ? request.threads
                                         : ThreadsForRank(request.launch))),
      augment_(config.List("augment")) {
  cache_ = std::make_unique<CacheReader>(options_.cache);
  const ModelSetting setting{cache_->stems(), cache_->sample_rate_hz(), cache_->channels()};
  std::unique_ptr<StartWeights> start;
  if (request.resume) {
    TakeModelOfRun(config, request.run);
  } else {
    start = StartWeights::Read(config, setting);
  }
  torch::manual_seed(options_.seed);
  model_ = MakeModel(config.Child("model"), setting);
  if (start) {
    start->Fill(config.Child("model"), *model_);
    start_messages_ = start->messages();
  }
  if (const std::int64_t frozen = FreezeParameters(config, *model_); frozen > 0) {
    start_messages_.push_back(
        Format("%.2f M parameters more are frozen", static_cast<double>(frozen) / 1e6));
  }
  model_->to(device_);
  objective_ = std::make_unique<Objective>(config, *cache_, model_, device_);
  optimizer_ = MakeOptimizer(config.Child("optimizer"), TrainableParameters(*model_));
  if (options_.ema_decay > 0)
    average_ = std::make_unique<WeightAverage>(*model_, options_.ema_decay);
  learning_rate_ = std::make_unique<LearningRate>(config.Child("schedule"), options_.learning_rate);
  config.CheckAllRead();
  segment_frames_ = ChooseSegmentFrames(*cache_, *model_, options_, config);
  model_->UseSegment(segment_frames_);

  LoaderOptions loader;
  loader.segment_frames = segment_frames_;
  loader.grid_frames = objective_->grid_frames();
  loader.context_frames = objective_->context_frames();
  loader.batch_size = options_.batch_size;
  loader.batches_per_step = options_.accumulate;
  loader.samples_per_epoch = options_.samples_per_epoch;
  loader.seed = options_.seed;
  loader.rank = ranks_.rank();
  loader.world_size = ranks_.size();
  loader.threads = options_.loader_threads;
  loader.prefetch_batches = options_.prefetch_batches;
  loader.memory_mb = options_.memory_mb;
  loader.min_rms_db = options_.min_rms_db;
  loader.balance_stems = options_.balance_stems;
  loader.on_damage = options_.on_error == "skip" ? OnDamage::kSkip : OnDamage::kFail;
  loader_ = std::make_unique<Loader>(*cache_, augment_, loader);
  total_steps_ = options_.epochs > 0
                     ? options_.epochs * loader_->batches_per_epoch() / options_.accumulate
                     : options_.steps;

  if (options_.validate_every > 0) {
    ValidationOptions validation;
    validation.split = options_.validate_split;
    validation.segment_frames = segment_frames_;
    validation.max_segments = options_.max_segments;
    validation.batch_size = options_.batch_size;
    validation_ = std::make_unique<Validation>(*cache_, validation);
  }

  if (ranks_.first()) folder_.emplace(request.run);
  state_.config = config.Dump();
  state_.cache_fingerprint = cache_->fingerprint();
  state_.threads = threads_;
  state_.device = device_.str();
  state_.ranks = ranks_.size();
  ProgressOptions progress;
  progress.label = "train";
  progress.total = total_steps_;
  progress.unit = "steps";
  progress.mode = ranks_.first() ? request.output : OutputMode::kQuiet;
  progress_ = std::make_unique<Progress>(progress);
  JoinRanks();
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

void Trainer::AddGradients(const std::shared_ptr<const Batch>& batch, double& sum, bool last) {
  const torch::Tensor mix =
      ToDevice(batch->mix, {batch->batch, batch->channels, batch->frames}, batch);
  const torch::Tensor stems = ToDevice(
      batch->stem_audio, {batch->batch, batch->stems, batch->channels, batch->frames}, batch);
  const torch::Tensor loss = (*objective_)(mix, stems);
  sum += loss.item<double>() / options_.accumulate;
  if (last) ranks_.Exchange({sum, loader_->skipped_draws(), InterruptSignal(), TimeIsUp()});
  // The losses are means over their batch, and the step's the mean over the batches. Also where one
  // is not finite: another rank's may be, and its backward needs this one's.
  ranks_.Backward(options_.accumulate == 1 ? loss : loss / options_.accumulate, /*reduce=*/last);
}

void Trainer::TrainStep() {
  optimizer_->ZeroGrad();
  double sum = 0.0;  // of this rank
  std::int64_t samples = 0;
  std::vector<std::string> songs;
  for (int i = 0; i < options_.accumulate; ++i) {
    const std::shared_ptr<const Batch> batch = loader_->Next();
    AddGradients(batch, sum, i + 1 == options_.accumulate);
    samples += batch->batch * ranks_.size();
    songs.insert(songs.end(), batch->tracks.begin(), batch->tracks.end());
  }
  figures_ = ranks_.Exchanged();
  const double value = figures_.loss;
  gradient_norm_ = ClipGradients(optimizer_->parameters(), options_.gradient_clip);
  if (!std::isfinite(value) || !std::isfinite(gradient_norm_)) {
    throw Error::Input(std::string(std::isfinite(value) ? "a gradient" : "the loss") +
                           " is no longer a finite number at step " +
                           std::to_string(state_.step + 1),
                       "tracks " + JoinNames(songs),
                       "lower optimizer.lr or set gradient_clip; the last good checkpoint is in " +
                           request_.run.string());
  }
  optimizer_->Step(learning_rate_->At(state_.step, total_steps_));
  if (average_) average_->Update(*model_, state_.step);

  ++state_.step;
  state_.position = loader_->position();
  state_.loss_sum += value;
  ++state_.loss_count;
  for (Meter* meter : {&record_, &shown_}) meter->Add(samples);
}

void Trainer::Log() {
  const double loss = state_.loss_sum / static_cast<double>(state_.loss_count);
  if (ranks_.first()) Record(loss);
  state_.loss_sum = 0.0;
  state_.loss_count = 0;
  record_.Reset(loader_->seconds_waited());
}

void Trainer::Record(double loss) {
  log_->Append({{"event", "train"},
                {"step", state_.step},
                {"epoch", state_.position.epoch},
                {"loss", loss},
                {"learning_rate", learning_rate_->At(state_.step - 1, total_steps_)},
                {"gradient_norm", gradient_norm_},
                {"samples_per_second", record_.samples_per_second()},
                {"data_wait", record_.wait_share(loader_->seconds_waited())},
                {"skipped_draws", SkippedDraws()},
                {"seconds", Elapsed()}});
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
  // Where batch norm is each rank's own, its running figures differ; rank 0's are those that count.
  ranks_.Broadcast(model_->StateDict());
  const ValidationFigures result = validation_->Run(*objective_, device_, ranks_);
  if (average_) model_->LoadStateDict(weights, "the weights");

  nlohmann::json figures = result.ToJson(cache_->stems());
  figures["step"] = state_.step;
  state_.validation = figures;
  std::string text =
      "step " + std::to_string(state_.step) + Format(": validation loss %.5f", result.loss);
  for (std::size_t s = 0; s < result.sdr_db.size(); ++s) {
    text += s == 0 ? Format(", SDR %.2f dB (", result.mean_sdr_db) : ", ";
    text += cache_->stems()[s] + Format(" %.2f", result.sdr_db[s]);
  }
  if (!result.sdr_db.empty()) text += ")";
  const bool better = IsBetter(figures);
  if (better) {
    state_.best = figures;
    text += ", the best so far";
  }
  progress_->Message(text);
  if (!ranks_.first()) return;
  if (better) SaveBest();
  figures["event"] = "validation";
  figures["best"] = better;
  log_->Append(figures);
  DrawChart();
}

void Trainer::DrawChart() {
  if (!ranks_.first()) return;
  try {
    WriteLossChart(folder_->chart(), MetricsLog::Read(folder_->metrics()), "Loss");
  } catch (const Error& error) {
    Warn(std::string(error.what()) + "; training goes on");
  }
}

TrainResult Trainer::Run() {
  ShouldResume() ? Resume() : Start();
  ranks_.Broadcast(model_->StateDict());
  if (average_) ranks_.Broadcast(average_->state());
  ranks_.ReduceGradients(optimizer_->parameters());
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
    // Several ranks stop together, by what they told each other in the step.
    signal = ranks_.several() ? figures_.signal : InterruptSignal();
    if (signal != 0 || (ranks_.several() ? figures_.time_is_up : TimeIsUp())) break;
  }
  const bool validated = state_.validation.is_object() && state_.validation["step"] == state_.step;
  if (signal == 0 && validation_ && !validated) {
    Validate();
    saved_at = -1;
  }
  if (saved_at != state_.step) SaveLast();
  DrawChart();
  progress_->Finish();

  TrainResult result;
  result.step = state_.step;
  result.seconds = Elapsed();
  result.skipped_draws = SkippedDraws();
  result.signal = signal;
  result.validation = state_.validation;
  result.best = state_.best;
  if (ranks_.first()) {
    result.checkpoint =
        std::filesystem::exists(folder_->best()) ? folder_->best() : folder_->last();
  }
  return result;
}

namespace {

// With the errors of LibTorch in our words.
TrainResult TrainOnRank(const Config& config, const TrainRequest& request, Ranks& ranks) {
  try {
    return Trainer(config, request, ranks).Run();
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

}  // namespace

TrainResult Train(const Config& config, const TrainRequest& request) {
  Ranks ranks(request.launch, RankTimeoutSeconds(config));
  try {
    return TrainOnRank(config, request, ranks);
  } catch (const Error& error) {
    throw ranks.Failed(error);
  }
}

}  // namespace stemsmith
