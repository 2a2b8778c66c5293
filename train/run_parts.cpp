#include "train/run_parts.h"

#include "core/error.h"
#include "core/random.h"
#include "core/text.h"
#include "models/layers/batch_norm.h"
#include "train/device.h"
#include "train/freeze.h"
#include "train/init.h"
#include "train/lora.h"
#include "train/precision.h"
#include "train/run_output.h"
#include "train/segment.h"

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

RunParts::RunParts(const Config& given, const TrainRequest& the_request, Ranks& the_ranks)
    : request(the_request),
      ranks(the_ranks),
      config(given),
      options(ReadTrainOptions(config)),
      device(SelectDevice(request.device, request.launch,
                          ranks.first() ? request.host.warn : nullptr)),
      threads(PrepareTorch(device,
                           request.threads > 0 || !ranks.several() ? request.threads
                                                                   : ThreadsForRank(request.launch),
                           options.deterministic)),
      augment(config.List("augment")) {
  if (device.has_index()) on_device.reset_device(device);
  if (device.is_cuda()) ranks.UseGpus();
  config.Child("dataset").CheckPath("cache");
  cache = std::make_unique<CacheReader>(options.cache, ranks.first() ? request.host.warn : nullptr);
  BuildModel();
  objective = std::make_unique<Objective>(config, *cache, model, device);
  CheckStemsPerStep();
  ChooseArithmetic();
  optimizer = MakeOptimizer(config.Child("optimizer"), TrainableParameters(*model));
  averages = std::make_unique<WeightAverages>(config.Child("ema"), *model);
  best_metric =
      std::make_unique<BestMetric>(config.Child("validate"), cache->stems(), !cache->spectrogram());
  learning_rate = std::make_unique<LearningRate>(config.Child("schedule"), options.learning_rate);
  config.CheckAllRead();
  segment_frames = ChooseSegmentFrames(*cache, *model, options, config);
  model->UseSegment(segment_frames);
  loader = std::make_unique<Loader>(*cache, augment, OptionsOfLoader());
  const std::int64_t steps_per_epoch = loader->batches_per_epoch() / options.accumulate;
  total_steps = options.epochs > 0 ? options.epochs * steps_per_epoch : options.steps;
  learning_rate->UseRun(total_steps, steps_per_epoch);
}

void RunParts::BuildModel() {
  const ModelSetting setting{cache->stems(), cache->sample_rate_hz(), cache->channels()};
  std::unique_ptr<StartWeights> start;
  if (request.resume) {
    config = WithModelOfRun(config, request.run);
  } else if ((start = StartWeights::Read(config, setting, request.host.warn))) {
    config = start->WithModel(config);
  }
  torch::manual_seed(options.seed);
  model = MakeModel(config.Child("model"), setting);
  if (start) {
    start->Fill(config.Child("model"), *model);
    start_messages = start->messages();
  }
  if (const std::int64_t frozen = FreezeParameters(config, *model); frozen > 0) {
    start_messages.push_back(
        Formatted("%.2f M parameters more are frozen", static_cast<double>(frozen) / 1e6));
  }
  lora_alpha = AddAdapters(config, *model);
  model->to(device);
}

void RunParts::CheckStemsPerStep() const {
  const Config train = config.Child("train");
  const auto all = static_cast<std::int64_t>(cache->stems().size());
  if (options.stems_per_step > all) {
    throw Error::Usage("train.stems_per_step is " + std::to_string(options.stems_per_step) +
                           ", and the cache has " + std::to_string(all) +
                           (all == 1 ? " stem" : " stems"),
                       train.Where("stems_per_step"),
                       "give at most " + std::to_string(all) + ", or 0 for all");
  }
  if (options.stems_per_step > 0 && objective->on_spectrograms()) {
    throw Error::Usage("train.stems_per_step needs losses on waveforms",
                       train.Where("stems_per_step"), "leave it out, or use domain: waveform");
  }
}

void RunParts::ChooseArithmetic() {
  const Config train = config.Child("train");
  const auto precision = ChoosePrecision(options.precision, device, train, request.any_precision);
  objective->UsePrecision(precision);
  if (precision == at::kHalf) scaler.emplace();

  if (options.activation_checkpointing && !model->has_checkpoints()) {
    throw Error::Usage(
        "the model '" + config.Child("model").String("name", "") + "' has no levels to checkpoint",
        train.Where("activation_checkpointing"), "leave it out, or use a smaller batch or segment");
  }
  model->UseCheckpoints(options.activation_checkpointing);
}

LoaderOptions RunParts::OptionsOfLoader() const {
  LoaderOptions loading;
  loading.segment_frames = segment_frames;
  loading.grid_frames = objective->grid_frames();
  loading.context_frames = objective->context_frames();
  loading.batch_size = options.batch_size;
  loading.batches_per_step = options.accumulate;
  loading.samples_per_epoch = options.samples_per_epoch;
  loading.seed = options.seed;
  loading.rank = ranks.rank();
  loading.world_size = ranks.size();
  loading.threads = options.loader_threads;
  loading.prefetch_batches = options.prefetch_batches;
  loading.memory_mb = options.memory_mb;
  loading.min_rms_db = options.min_rms_db;
  loading.balance_stems = options.balance_stems;
  loading.warn = request.host.warn;
  loading.on_bad_draw = options.on_error == "skip" ? OnBadDraw::kSkip : OnBadDraw::kFail;
  return loading;
}

void RunParts::JoinRanks(const TrainState& state) {
  if (!ranks.several()) return;
  CheckRanksAgree(ranks, state.config, state.cache_fingerprint);
  if (options.sync_batch_norm) {
    for (const auto& module : model->modules()) {
      if (auto* norm = dynamic_cast<SharedStatistics*>(module.get()))
        norm->ShareStatistics([this](torch::Tensor& sums) { ranks.Sum(sums); });
    }
  }
  // Each rank has dropout of its own.
  if (!ranks.first()) {
    torch::manual_seed(
        RandomStream({options.seed, static_cast<std::uint64_t>(ranks.rank())}).Bits());
  }
}

std::int64_t RunParts::Parameters() const {
  std::int64_t count = 0;
  for (const auto& [name, parameter] : optimizer->parameters()) count += parameter.numel();
  return count;
}

Checkpoint RunParts::DescribeModel() const {
  Checkpoint checkpoint;
  checkpoint.model_config = config.Child("model").Dump();
  checkpoint.setting = model->setting();
  checkpoint.segment_frames = segment_frames;
  checkpoint.lora_alpha = lora_alpha;
  return checkpoint;
}

}  // namespace stemsmith
