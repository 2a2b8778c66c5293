// What bench/models.sh measures of ours.
//   models_native CONFIG.yaml WEIGHTS.safetensors BATCH FRAMES THREADS
// CONFIG holds `model`, `stems`, `channels`. Reads lines "forward" (in eval mode, without
// gradients) and "train" (as the trainer: forward, L1 loss, backward, a step of Adam) and answers
// each with its seconds; "checkpoints" turns activation checkpointing on, "memory" answers with the
// most bytes that the process has had; "save FILE" writes a checkpoint.
#include <sys/resource.h>
#include <torch/torch.h>

#include <chrono>
#include <iostream>
#include <string>

#include "core/error.h"
#include "tests/support/models/model_from_files.h"
#include "train/device.h"
#include "train/optimizer.h"

int main(int argc, char** argv) {
  using namespace stemsmith;
  if (argc != 6) {
    std::cerr << "usage: models_native CONFIG WEIGHTS BATCH FRAMES THREADS\n";
    return 2;
  }
  try {
    PrepareTorch(torch::kCPU, std::stoi(argv[5]));  // as the trainer does
    const testing::DescribedModel described = testing::ModelFromFiles(argv[1], argv[2]);
    const ModelSetting& setting = described.setting;
    const auto& model = described.model;
    const torch::Tensor mix =
        torch::randn({std::stoll(argv[3]), setting.channels, std::stoll(argv[4])}) * 0.2;
    const torch::Tensor stems =
        torch::randn({mix.size(0), static_cast<std::int64_t>(setting.stems.size()), mix.size(1),
                      mix.size(2)}) *
        0.1;
    NamedTensors parameters;
    for (const auto& item : model->named_parameters())
      parameters.emplace_back(item.key(), item.value());
    const auto adam = MakeOptimizer(Config::Parse("{name: adam}", "adam"), parameters);

    for (std::string what; std::getline(std::cin, what);) {
      if (what.rfind("save ", 0) == 0) {
        Checkpoint checkpoint;
        checkpoint.model_config = described.config;
        checkpoint.setting = setting;
        checkpoint.segment_frames = mix.size(2);
        checkpoint.weights = model->StateDict();
        SaveCheckpoint(what.substr(5), checkpoint);
        continue;
      }
      if (what == "checkpoints") model->UseCheckpoints(true);
      if (what == "checkpoints" || what == "memory") {
        rusage used{};
        getrusage(RUSAGE_SELF, &used);
        std::cout << static_cast<double>(used.ru_maxrss) * 1024 << std::endl;
        continue;
      }
      const auto begin = std::chrono::steady_clock::now();
      if (what == "train") {
        model->train();
        adam->ZeroGrad();
        torch::l1_loss(model->forward(mix), stems).backward();
        adam->Step(1e-5);
      } else {
        model->eval();
        const torch::NoGradGuard no_grad;
        model->forward(mix);
      }
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      std::cout << took.count() << std::endl;
    }
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
