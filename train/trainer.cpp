#include "train/trainer.h"

#include <c10/util/Exception.h>

#include <cmath>
#include <cstring>

#include "core/current_error.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/json_fields.h"
#include "core/text.h"
#include "datasets/recipes/advice.h"
#include "train/device.h"
#include "train/freeze.h"
#include "train/init.h"
#include "train/loss_watch.h"
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
        Formatted("%.2f M parameters more are frozen", static_cast<double>(frozen) / 1e6));
  }
  model_->to(device_);
  objective_ = std::make_unique<Objective>(config, *cache_, model_, device_);
  SetUpStep();
  optimizer_ = MakeOptimizer(config.Child("optimizer"), TrainableParameters(*model_));
  averages_ = std::make_unique<WeightAverages>(config.Child("ema"), *model_);
  best_metric_ = std::make_unique<BestMetric>(config.Child("validate"), cache_->stems(),
                                              !cache_->spectrogram());
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
  loader.on_bad_draw = options_.on_error == "skip" ? OnBadDraw::kSkip : OnBadDraw::kFail;
  loader_ = std::make_unique<Loader>(*cache_, augment_, loader);
  const std::int64_t steps_per_epoch = loader_->batches_per_epoch() / options_.accumulate;
  total_steps_ = options_.epochs > 0 ? options_.epochs * steps_per_epoch : options_.steps;
  learning_rate_->UseRun(total_steps_, steps_per_epoch);

  if (options_.validate_every > 0) {
    ValidationOptions validation;
    validation.split = options_.validate_split;
    validation.segment_frames = segment_frames_;
    validation.max_segments = options_.max_segments;
    validation.batch_size = options_.batch_size;
    validation_ = std::make_unique<Validation>(*cache_, validation);
    MakeSongValidation();
    ExcerptOptions excerpts;
    excerpts.split = options_.validate_split;
    excerpts.songs = options_.report_songs;
    excerpts.seconds = options_.report_seconds;
    excerpts.segment_frames = segment_frames_;
    excerpts_ = std::make_unique<ExcerptSource>(*cache_, excerpts);
  }
  if (learning_rate_->needs_validation() && (!validation_ || validation_->segments() == 0)) {
    throw Error::Usage("the schedule looks at the validation's loss, and nothing is validated",
                       config.Child("schedule").Where("name"),
                       validation_ ? "the cache holds no songs of the split '" +
                                         options_.validate_split + "'; take another schedule"
                                   : "set validate.every_steps above 0, or take another schedule");
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
  const TimedScope timed(computed_seconds_);
  const torch::Tensor loss = (*objective_)(mix, stems);
  NameWrongConvolutions();
  sum += loss.item<double>() / options_.accumulate;
  if (last) ranks_.Exchange({sum, loader_->skipped_draws(), InterruptSignal(), TimeIsUp()});
  // The losses are means over their batch, and the step's the mean over the batches. Also where one
  // is not finite: another rank's may be, and its backward needs this one's.
  const torch::Tensor share = options_.accumulate == 1 ? loss : loss / options_.accumulate;
  ranks_.Backward(scaler_ ? scaler_->Scale(share) : share, /*reduce=*/last);
}

bool Trainer::TrainStep() {
  RememberBuffers();
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
  gradient_norm_ = 0.0;
  bool overflow = false, mended = false;  // of scaled gradients, and by a lower scale
  if (std::isfinite(value)) {
    overflow = scaler_ && !scaler_->Unscale(optimizer_->parameters());
    gradient_norm_ = ClipGradients(optimizer_->parameters(), options_.gradient_clip);
    mended = scaler_ && scaler_->Update(!overflow) && overflow;
  }
  const std::string problem = WrongWith(value, mended ? 0.0 : gradient_norm_, state_.recent_losses,
                                        options_.explosion_factor);
  if (!problem.empty()) {
    SkipBatch(problem, value, songs);
    return false;
  }
  if (!overflow) {
    {
      const TimedScope timed(computed_seconds_);
      optimizer_->Step(learning_rate_->At(state_.step));
    }
    averages_->AfterStep();
  }

  ++state_.step;
  const std::uint64_t epoch = state_.position.epoch;
  state_.position = loader_->position();
  if (state_.position.epoch != epoch) averages_->AfterEpoch();
  state_.bad_in_row = 0;
  RememberLoss(value, state_.recent_losses);
  state_.loss_sum += value;
  ++state_.loss_count;
  for (Meter* meter : {&record_, &shown_}) meter->Add(samples);
  return true;
}

void Trainer::Log() {
  const double loss = state_.loss_sum / static_cast<double>(state_.loss_count);
  if (ranks_.first()) Record(loss);
  state_.loss_sum = 0.0;
  state_.loss_count = 0;
  record_.Reset(loader_->seconds_waited(), computed_seconds_);
}

void Trainer::Record(double loss) {
  folder_->CheckStillThere();
  nlohmann::json record = {
      {"event", "train"},
      {"step", state_.step},
      {"epoch", state_.position.epoch},
      {"loss", loss},
      {"learning_rate", learning_rate_->At(state_.step - 1)},
      {"gradient_norm", FiniteOrNull(gradient_norm_)},
      {"samples_per_second", record_.samples_per_second()},
      {"data_wait", record_.wait_share(loader_->seconds_waited())},
      {"overhead", record_.other_share(loader_->seconds_waited(), computed_seconds_)},
      {"skipped_draws", SkippedDraws()},
      {"seconds", Elapsed()}};
  if (scaler_) {
    record["loss_scale"] = scaler_->scale();
    record["steps_left_out"] = scaler_->left_out();
  }
  log_->Append(record);
}

void Trainer::ShowProgress(double loss) {
  if (rate_text_.empty() || shown_.seconds() >= 1.0) {
    const double waited = loader_->seconds_waited();
    rate_text_ = Formatted("%.1f samples/s", shown_.samples_per_second()) +
                 Formatted(", data wait %.0f %%", 100.0 * shown_.wait_share(waited));
    rate_fields_ = {{"samples_per_second", shown_.samples_per_second()},
                    {"data_wait", shown_.wait_share(waited)}};
    const MemoryUse memory = UsedMemory(device_);
    rate_text_ += ", " + FormatBytes(memory.resident);
    rate_fields_["memory_bytes"] = memory.resident;
    if (device_.is_cuda()) {
      rate_text_ += ", GPU " + FormatBytes(memory.device);
      rate_fields_["gpu_memory_bytes"] = memory.device;
    }
    shown_.Reset(waited);
  }
  const double rate = learning_rate_->At(state_.step - 1);
  nlohmann::json fields = rate_fields_;
  fields["loss"] = loss;
  fields["learning_rate"] = rate;
  progress_->Update(state_.step,
                    Formatted("loss %.5f", loss) + Formatted(", lr %.2e, ", rate) + rate_text_,
                    fields);
}

void Trainer::Validate(bool last) {
  if (ranks_.first()) folder_->CheckStillThere();
  // Where batch norm is each rank's own, its running figures differ; rank 0's are those that count.
  ranks_.Broadcast(model_->StateDict());
  // The weights of the step, and every average of them: the best of all counts.
  const std::vector<const WeightAverage*> averages = averages_->Updated();
  const NamedTensors weights =
      averages.empty() ? NamedTensors() : CloneTensors(model_->StateDict());
  ValidationFigures result = validation_->Run(*objective_, device_, ranks_);
  nlohmann::json figures = result.ToJson(cache_->stems());
  if (!averages_->empty()) figures["average"] = "none";
  const NamedTensors* used = &weights;
  nlohmann::json all = {{"none", figures}};
  for (const WeightAverage* average : averages) {
    model_->LoadStateDict(average->state(), average->name());
    ranks_.Broadcast(model_->StateDict());
    const ValidationFigures tried = validation_->Run(*objective_, device_, ranks_);
    nlohmann::json json = tried.ToJson(cache_->stems());
    all[average->name()] = json;
    json["average"] = average->name();
    if (!best_metric_->IsBetterOnSegments(json, figures)) continue;
    figures = std::move(json);
    result = tried;
    used = &average->state();
  }
  if (!averages.empty()) model_->LoadStateDict(*used, "the averaged weights");
  nlohmann::json songs;
  if (songs_ && (last || state_.step / options_.validate_every % options_.songs_every == 0))
    songs =
        nlohmann::json::parse(ranks_.Broadcast((ranks_.first() ? ValidateSongs() : songs).dump()));
  if (ranks_.first() && !excerpts_->empty() && log_->WantsExcerpts(state_.step, last))
    log_->Show(excerpts_->Separate(*model_, device_, state_.step));

  // The one at the end of a run is not counted if none was due: a longer run would not have it.
  if (state_.step % options_.validate_every == 0) learning_rate_->Validated(result.loss);
  figures["step"] = state_.step;
  if (!songs.is_null()) figures["songs"] = songs;
  state_.validation = figures;
  std::string text =
      "step " + std::to_string(state_.step) + Formatted(": validation loss %.5f", result.loss);
  for (std::size_t s = 0; s < result.sdr_db.size(); ++s) {
    text += s == 0 ? Formatted(", SDR %.2f dB (", result.mean_sdr_db) : ", ";
    text += cache_->stems()[s] + Formatted(" %.2f", result.sdr_db[s]);
  }
  if (!result.sdr_db.empty()) text += ")";
  if (used != &weights) text += ", by the average " + figures["average"].get<std::string>();
  const bool better = best_metric_->IsBetter(figures, state_.best);
  if (best_metric_->Judges(figures)) ++state_.validations_since_best;
  if (better) {
    state_.validations_since_best = 0;
    text += ", the best so far";
  }
  progress_->Message(text);
  const bool saved = better && SaveBest(figures);
  if (!averages.empty()) model_->LoadStateDict(weights, "the weights");
  if (!ranks_.first()) return;
  figures["event"] = "validation";
  figures["best"] = saved;
  if (!averages.empty()) figures["averages"] = std::move(all);
  log_->Append(figures);
}

TrainResult Trainer::Run() {
  if (ranks_.first()) WarnOfDoubts(DoubtsAboutTraining(cache_->stems()));
  if (options_.validate_every > 0 && validation_->segments() == 0) {
    if (ranks_.first())
      Warn("the cache holds no songs of the split '" + options_.validate_split +
           "': nothing is validated");
    validation_.reset();
  }
  ShouldResume() ? Resume() : Start();
  ranks_.Broadcast(model_->StateDict());
  ranks_.ReduceGradients(optimizer_->parameters());
  model_->train();
  FindBuffers();
  for (Meter* meter : {&session_, &record_, &shown_}) meter->Reset(loader_->seconds_waited());
  // Validations and checkpoints are no part of the steps' time.
  const auto aside = [this](const auto& action) {
    const Meter meter;
    action();
    for (Meter* steps : {&record_, &shown_}) steps->Leave(meter.seconds());
  };

  const auto due = [this](std::int64_t every) { return every > 0 && state_.step % every == 0; };
  const bool went_on = state_.step < total_steps_;  // a finished run that is resumed stays as it is
  std::int64_t saved_at = state_.step;
  int signal = 0;
  while (state_.step < total_steps_ && !OutOfPatience()) {
    const double before = state_.loss_sum;
    if (TrainStep()) {
      ShowProgress(state_.loss_sum - before);
      if (due(options_.log_every_steps)) Log();
      if (validation_ && due(options_.validate_every))
        aside([this] { Validate(state_.step == total_steps_); });
      if (due(options_.checkpoint_every)) {
        aside([&] {
          if (SavePeriodic()) saved_at = state_.step;
        });
      }
      if (request_.after_step) request_.after_step(state_.step);
    } else {
      saved_at = -1;
    }
    // Several ranks stop together, by what they told each other in the step.
    signal = ranks_.several() ? figures_.signal : InterruptSignal();
    if (signal != 0 || (ranks_.several() ? figures_.time_is_up : TimeIsUp())) break;
  }
  if (OutOfPatience()) {
    progress_->Message("stopped early: " + std::to_string(state_.validations_since_best) +
                       " validations without a better " + best_metric_->name());
  }
  const bool validated = state_.validation.is_object() && state_.validation["step"] == state_.step;
  if (signal == 0 && validation_ && !validated) {
    Validate(/*last=*/true);
    saved_at = -1;
  }
  SaveAtEnd(saved_at == state_.step);
  if (went_on && ranks_.first()) log_->End(state_.step, signal, Elapsed());
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

// With the errors of LibTorch and the system in our words, so that other ranks hear of them.
TrainResult TrainOnRank(const Config& config, const TrainRequest& request, Ranks& ranks) {
  try {
    return Trainer(config, request, ranks).Run();
  } catch (const c10::OutOfMemoryError&) {
    throw OutOfDeviceMemory(request.run.string());
  } catch (const c10::Error&) {
    throw CurrentError(request.run.string());
  } catch (const std::bad_alloc&) {
    throw CurrentError(request.run.string());
  } catch (const std::system_error&) {
    throw CurrentError(request.run.string());
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
