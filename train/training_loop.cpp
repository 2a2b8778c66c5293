#include "train/training_loop.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/option.h"
#include "core/random.h"
#include "core/text.h"
#include "datasets/recipes/advice.h"
#include "models/layers/convolution_trial.h"
#include "train/input_statistics.h"
#include "train/loss_watch.h"

namespace stemsmith {

TrainingLoop::TrainingLoop(const Config& config, const TrainRequest& request, Ranks& ranks)
    : parts_(config, request, ranks),
      output_(request, ranks.first()),
      report_(parts_, output_, state_),
      checkpointer_(parts_, output_, state_,
                    {[this] { return report_.Elapsed(); }, [this] { return validator_.active(); }}),
      validator_(parts_, output_, state_,
                 [this](const auto& figures) { return checkpointer_.SaveBest(figures); }),
      bad_steps_(parts_, output_, state_, [this] { return checkpointer_.RollBack(); }) {
  output_.Open(parts_.total_steps);
  state_.config = parts_.config.Dump();
  state_.cache_fingerprint = parts_.cache->fingerprint();
  state_.threads = parts_.threads;
  state_.device = parts_.device.str();
  state_.ranks = ranks.size();
  parts_.JoinRanks(state_);
}

bool TrainingLoop::ShouldResume() const {
  const TrainRequest& request = parts_.request;
  // torchrun starts a group again with the same command line.
  const bool again =
      request.launch.restarts > 0 && parts_.ranks.first() && output_.folder()->HoldsRun();
  return parts_.ranks.Broadcast(request.resume || again ? "yes" : "no") == "yes";
}

void TrainingLoop::Start() {
  const TrainOptions& options = parts_.options;
  const CacheReader& cache = *parts_.cache;
  if (output_.folder() != nullptr && output_.folder()->HoldsRun()) {
    throw Error::Usage(
        "this folder already holds a run", parts_.where(),
        "continue it with " + Option("resume") + ", or choose another " + Option("run"));
  }
  output_.Message(Formatted("%.2f M parameters", static_cast<double>(parts_.Parameters()) / 1e6) +
                  "; " + JoinNames(cache.stems()) + "; " + state_.device + ", " +
                  std::to_string(parts_.threads) + " threads; " +
                  std::to_string(parts_.loader->batches_per_epoch()) + " batches per epoch");
  for (const std::string& message : parts_.start_messages) output_.Message(message);
  if (const int ranks = parts_.ranks.size(); ranks > 1) {
    const std::int64_t samples = options.samples_per_step();
    output_.Message(std::to_string(ranks) + " ranks of " + std::to_string(samples) +
                    " samples: " + std::to_string(samples * ranks) + " per step");
  }
  const double rate = cache.sample_rate_hz();
  if (std::llround(options.segment_seconds * rate) != parts_.segment_frames) {
    const double seconds = static_cast<double>(parts_.segment_frames) / rate;
    output_.Message("segments of " + Formatted("%.3f", seconds) + " s (" +
                    std::to_string(parts_.segment_frames) + " frames) instead of " +
                    Formatted("%g", options.segment_seconds) +
                    " s: the nearest length that the model takes without padding");
  }
  if (cache.spectrogram() && validator_.active()) {
    output_.Message(
        "the cache holds spectrograms: validation gives the loss, and no SDR of waveforms");
  }
  // Weights that were trained before come with the statistics that they are used to.
  if (!parts_.config.Has("init"))
    ShowTrainingSongs(cache, parts_.segment_frames, parts_.device, *parts_.model);
  output_.WriteConfig(state_.config);
  output_.OpenRecords(-1, options.tensorboard);
  report_.RecordStart();
  // So that a run killed at any moment can be resumed, and a disk that is full is known at once.
  checkpointer_.SaveLast();
}

void TrainingLoop::Resume() {
  checkpointer_.Resume();
  output_.WriteConfig(state_.config);
  output_.OpenRecords(state_.step, parts_.options.tensorboard);
  if (EndBeforeSteps() == RunEnd::kNone) report_.RecordStart();
  // A run killed between last and its copy lacks the copy.
  const std::int64_t every = parts_.options.checkpoint_every;
  if (every > 0 && state_.step > 0 && state_.step % every == 0) checkpointer_.SavePeriodic();
  output_.Message("resuming at step " + std::to_string(state_.step));
}

bool TrainingLoop::TimeIsUp() const {
  const double most = parts_.options.max_seconds;
  return most > 0 && report_.Elapsed() >= most;
}

RunEnd TrainingLoop::EndBeforeSteps() const {
  if (state_.step >= parts_.total_steps) return RunEnd::kSteps;
  const double most = parts_.options.max_seconds;
  return most > 0 && state_.seconds >= most ? RunEnd::kMaxSeconds : RunEnd::kNone;
}

void TrainingLoop::SayWhyItStopped(RunEnd end) {
  if (end == RunEnd::kPatience) {
    output_.Message("stopped early: " + std::to_string(state_.validations_since_best) +
                    " validations without a better " + parts_.best_metric->name());
  } else if (end == RunEnd::kMaxSeconds) {
    output_.Message(
        Formatted("stopped by train.max_seconds (%g) after ", parts_.options.max_seconds) +
        FormatDuration(report_.Elapsed()) + " at step " + std::to_string(state_.step) + " of " +
        std::to_string(parts_.total_steps) + "; " + AdviceAfter(end));
  }
}

std::int64_t TrainingLoop::SkippedDraws() const {
  return parts_.ranks.several() ? figures_.skipped_draws : parts_.loader->skipped_draws();
}

torch::Tensor TrainingLoop::ToDevice(const std::vector<float>& values, at::IntArrayRef shape,
                                     const std::shared_ptr<const Batch>& owner) const {
  // LibTorch has no read-only tensors; nothing writes to these.
  auto* data = const_cast<float*>(values.data());
  const torch::Tensor view = torch::from_blob(
      data, shape, [owner](void*) {}, torch::kFloat32);
  if (parts_.device.is_cpu()) return view;
  torch::Tensor pinned =
      torch::empty(shape, torch::TensorOptions().dtype(torch::kFloat32).pinned_memory(true));
  pinned.copy_(view);
  return pinned.to(parts_.device, /*non_blocking=*/true);
}

void TrainingLoop::AddGradients(const std::shared_ptr<const Batch>& batch, double& sum, bool last) {
  const torch::Tensor mix =
      ToDevice(batch->mix, {batch->batch, batch->channels, batch->frames}, batch);
  const torch::Tensor stems = ToDevice(
      batch->stem_audio, {batch->batch, batch->stems, batch->channels, batch->frames}, batch);
  const TimedScope timed(report_.computed_seconds());
  const torch::Tensor loss = (*parts_.objective)(mix, stems);
  NameWrongConvolutions();
  const int batches = parts_.options.accumulate;
  sum += loss.item<double>() / batches;
  if (last) {
    parts_.ranks.Exchange(
        {sum, parts_.loader->skipped_draws(), parts_.request.host.StopSignal(), TimeIsUp()});
  }
  // The losses are means over their batch, and the step's the mean over the batches. Also where one
  // is not finite: another rank's may be, and its backward needs this one's.
  const torch::Tensor share = batches == 1 ? loss : loss / batches;
  parts_.ranks.Backward(parts_.scaler ? parts_.scaler->Scale(share) : share, /*reduce=*/last);
}

void TrainingLoop::NameWrongConvolutions() {
  const std::vector<std::string> wrong = WrongConvolutions();
  if (wrong.size() == wrong_convolutions_) return;
  std::string text;
  for (std::size_t i = wrong_convolutions_; i < wrong.size(); ++i)
    text += (text.empty() ? "" : "; ") + wrong[i];
  const std::size_t count = wrong.size() - wrong_convolutions_;
  wrong_convolutions_ = wrong.size();
  output_.Message("in " + parts_.options.precision + " this machine computes " +
                  std::to_string(count) +
                  " of the convolutions wrongly; they run in float32: " + text);
}

std::vector<std::int64_t> TrainingLoop::StemsOfStep() const {
  constexpr std::uint64_t kStems = 0x7374656d73ULL;
  const auto all = static_cast<std::int64_t>(parts_.cache->stems().size());
  const std::int64_t count = parts_.options.stems_per_step;
  if (count == 0 || count == all) return {};
  std::vector<std::int64_t> places(static_cast<std::size_t>(all));
  std::iota(places.begin(), places.end(), 0);
  // By the place in the data, so that a step that is left out does not repeat its choice.
  RandomStream random({parts_.options.seed, kStems, state_.position.epoch,
                       static_cast<std::uint64_t>(state_.position.batch)});
  Shuffle(places, random);
  places.resize(static_cast<std::size_t>(count));
  std::sort(places.begin(), places.end());
  return places;
}

bool TrainingLoop::Step() {
  const TrainOptions& options = parts_.options;
  Optimizer& optimizer = *parts_.optimizer;
  std::optional<GradScaler>& scaler = parts_.scaler;
  bad_steps_.BeforeStep();
  optimizer.ZeroGrad();
  double sum = 0.0;  // of this rank
  std::int64_t samples = 0;
  std::vector<std::string> songs;
  parts_.objective->UseStems(StemsOfStep());
  for (int i = 0; i < options.accumulate; ++i) {
    const std::shared_ptr<const Batch> batch = parts_.loader->Next();
    AddGradients(batch, sum, i + 1 == options.accumulate);
    samples += batch->batch * parts_.ranks.size();
    songs.insert(songs.end(), batch->tracks.begin(), batch->tracks.end());
  }
  parts_.objective->UseStems({});
  figures_ = parts_.ranks.Exchanged();
  const double loss = figures_.loss;
  gradient_norm_ = 0.0;
  bool overflow = false, mended = false;  // of scaled gradients, and by a lower scale
  if (std::isfinite(loss)) {
    overflow = scaler && !scaler->Unscale(optimizer.parameters());
    gradient_norm_ = ClipGradients(optimizer.parameters(), options.gradient_clip);
    mended = scaler && scaler->Update(!overflow) && overflow;
  }
  const std::string problem = WrongWith(loss, mended ? 0.0 : gradient_norm_, state_.recent_losses,
                                        options.explosion_factor);
  if (!problem.empty()) {
    bad_steps_.LeaveOut(problem, loss, songs);
    return false;
  }
  if (!overflow) {
    {
      const TimedScope timed(report_.computed_seconds());
      optimizer.Step(parts_.learning_rate->At(state_.step));
    }
    parts_.averages->AfterStep();
  }

  ++state_.step;
  const std::uint64_t epoch = state_.position.epoch;
  state_.position = parts_.loader->position();
  if (state_.position.epoch != epoch) parts_.averages->AfterEpoch();
  state_.bad_in_row = 0;
  RememberLoss(loss, state_.recent_losses);
  report_.AddStep(loss, samples);
  report_.Show(loss);
  return true;
}

RunEnd TrainingLoop::RunSteps(std::int64_t& saved_at, int& signal) {
  const auto due = [this](std::int64_t every) { return every > 0 && state_.step % every == 0; };
  bool time_is_up = false;
  while (state_.step < parts_.total_steps && !validator_.OutOfPatience()) {
    if (Step()) {
      if (due(parts_.options.log_every_steps)) report_.Record(gradient_norm_, SkippedDraws());
      const Meter aside;
      if (validator_.DueNow()) validator_.Run(/*last=*/state_.step == parts_.total_steps);
      if (due(parts_.options.checkpoint_every) && checkpointer_.SavePeriodic())
        saved_at = state_.step;
      report_.Leave(aside.seconds());
      if (parts_.request.after_step) parts_.request.after_step(state_.step);
    } else {
      saved_at = -1;
    }
    // Several ranks stop together, by what they told each other in the step.
    const bool several = parts_.ranks.several();
    signal = several ? figures_.signal : parts_.request.host.StopSignal();
    time_is_up = several ? figures_.time_is_up : TimeIsUp();
    if (signal != 0 || time_is_up) break;
  }
  if (signal != 0) return RunEnd::kSignal;
  if (state_.step >= parts_.total_steps) return RunEnd::kSteps;
  return time_is_up && !validator_.OutOfPatience() ? RunEnd::kMaxSeconds : RunEnd::kPatience;
}

TrainResult TrainingLoop::Run() {
  const Ranks& ranks = parts_.ranks;
  if (ranks.first()) WarnOfDoubts(DoubtsAboutTraining(parts_.cache->stems()), output_.host().warn);
  if (parts_.options.validate_every > 0 && !validator_.active()) {
    output_.Warn("the cache holds no songs of the split '" + parts_.options.validate_split +
                 "': nothing is validated, there is no SDR, and the last checkpoint is the one to "
                 "export; " +
                 Option("valid-fraction", "0.1") + " or " + Option("splits") +
                 " of stemsmith prepare chooses songs for validation");
  }
  ShouldResume() ? Resume() : Start();
  ranks.Broadcast(parts_.model->StateDict());
  parts_.ranks.ReduceGradients(parts_.optimizer->parameters(),
                               /*some=*/parts_.options.stems_per_step > 0);
  parts_.model->train();
  bad_steps_.Begin();
  report_.Begin();

  // A finished run that is resumed stays as it is.
  RunEnd end = EndBeforeSteps();
  const bool went_on = end == RunEnd::kNone;
  const std::int64_t first_step = state_.step;
  std::int64_t saved_at = state_.step;
  int signal = 0;
  if (went_on) end = RunSteps(saved_at, signal);
  if (went_on && end == RunEnd::kMaxSeconds) saved_at = -1;  // the last checkpoint has all seconds
  SayWhyItStopped(end);
  if (signal == 0 && state_.step > first_step) report_.RecordRest(gradient_norm_, SkippedDraws());
  if (signal == 0 && validator_.active() && !validator_.WasRunNow()) {
    validator_.Run(/*last=*/true);
    saved_at = -1;
  }
  checkpointer_.SaveAtEnd(saved_at == state_.step);
  if (signal == 0 && went_on) validator_.ShowKept();
  if (went_on) output_.End(state_.step, end, signal, report_.Elapsed());
  output_.progress().Finish();

  TrainResult result;
  result.step = state_.step;
  result.seconds = report_.Elapsed();
  result.skipped_draws = SkippedDraws();
  result.end = end;
  result.signal = signal;
  result.validation = state_.validation;
  result.best = state_.best;
  if (const RunFolder* folder = output_.folder())
    result.checkpoint = std::filesystem::exists(folder->best()) ? folder->best() : folder->last();
  return result;
}

}  // namespace stemsmith
