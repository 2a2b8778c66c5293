// training_probe CONFIG.yaml INPUT.safetensors OUTPUT.safetensors: parts of training for
// comparisons with other implementations.
//
// CONFIG holds `stems`, their `stem_levels` and a list `loss`; INPUT holds `estimates` and
// `targets` [B, S, C, T]; OUTPUT gets `loss` and `gradient`, that of the estimates. Or CONFIG holds
// an `optimizer` alone; INPUT holds `parameter.NAME` and, a row per step, `gradients.NAME`; OUTPUT
// gets `parameter.NAME` after these steps. Or CONFIG is the configuration of a run; INPUT holds the
// numbers `steps` N and `segment_frames` T; OUTPUT gets `mixes` [N, B, C, T] and `targets` [N, B,
// S, C, T], the batches of its first steps.
#include <iostream>
#include <map>

#include "core/error.h"
#include "datasets/loader/loader.h"
#include "models/checkpoint.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/options.h"

namespace stemsmith {
namespace {

using Tensors = std::map<std::string, torch::Tensor>;

NamedTensors Judge(const Config& config, const Tensors& input) {
  LossSetting setting;
  setting.stems = config.Strings("stems");
  setting.stem_levels = config.Numbers("stem_levels");
  const WeightedLoss loss(config.List("loss"), setting);
  config.CheckAllRead();
  const torch::Tensor estimates = input.at("estimates").clone().requires_grad_();
  const torch::Tensor value = loss(estimates, input.at("targets"));
  value.backward();
  return {{"loss", value.detach().reshape({1})}, {"gradient", estimates.grad()}};
}

NamedTensors Optimize(const Config& config, const Tensors& input) {
  NamedTensors parameters;
  std::int64_t steps = 0;
  for (const auto& [name, tensor] : input) {
    if (name.starts_with("parameter."))
      parameters.emplace_back(name.substr(std::string("parameter.").size()), tensor.clone());
    else
      steps = tensor.size(0);
  }
  const auto optimizer = MakeOptimizer(config.Child("optimizer"), parameters);
  const double rate = config.Child("optimizer").Number("lr", 1e-3);
  config.CheckAllRead();
  for (std::int64_t step = 0; step < steps; ++step) {
    for (auto& [name, parameter] : parameters)
      parameter.mutable_grad() = input.at("gradients." + name)[step].clone();
    optimizer->Step(rate);
  }
  NamedTensors output;
  for (const auto& [name, parameter] : parameters)
    output.emplace_back("parameter." + name, parameter.detach());
  return output;
}

NamedTensors Batches(const Config& config, const Tensors& input) {
  const TrainOptions options = ReadTrainOptions(config);
  const CacheReader cache(options.cache);
  LoaderOptions loading;
  loading.segment_frames = input.at("segment_frames").item<std::int64_t>();
  loading.batch_size = options.batch_size;
  loading.seed = options.seed;
  Loader loader(cache, AugmentChain(config.List("augment")), loading);
  std::vector<torch::Tensor> mixes, targets;
  for (std::int64_t step = 0; step < input.at("steps").item<std::int64_t>(); ++step) {
    const auto batch = loader.Next();
    const std::int64_t frames = batch->frames, channels = batch->channels;
    mixes.push_back(torch::tensor(batch->mix).reshape({-1, channels, frames}));
    targets.push_back(
        torch::tensor(batch->stem_audio).reshape({-1, batch->stems, channels, frames}));
  }
  return {{"mixes", torch::stack(mixes)}, {"targets", torch::stack(targets)}};
}

NamedTensors Answer(const Config& config, const Tensors& input) {
  if (config.Has("dataset")) return Batches(config, input);
  return config.Has("optimizer") ? Optimize(config, input) : Judge(config, input);
}

}  // namespace
}  // namespace stemsmith

int main(int argc, char** argv) {
  using namespace stemsmith;
  if (argc != 4) {
    std::cerr << "usage: training_probe CONFIG INPUT OUTPUT\n";
    return 2;
  }
  try {
    const Config config = Config::Load(argv[1]);
    Tensors input;
    for (const auto& [name, tensor] : LoadSafetensors(argv[2]).tensors) input[name] = tensor;
    SaveSafetensors(argv[3], Answer(config, input), {});
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
