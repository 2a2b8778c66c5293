// Runs models of ours for comparisons with other implementations. Standard input holds a job per
// line, four paths with tabs between: CONFIG.yaml WEIGHTS.safetensors INPUT.safetensors
// OUTPUT.safetensors. Each is answered with a line, "done" or what went wrong. (One process for
// many jobs: starting LibTorch takes longer than most of them.)
//
// CONFIG holds `model`, `stems`, `channels`; INPUT holds `mix` [B, C, T] and, where gradients are
// wanted, `upstream` [B, S, C, T]. OUTPUT gets `estimates`, the model's state dict under `state.`
// and the gradients of sum(estimates · upstream) under `gradient.`. Without weights ("-") the model
// is fresh.
//
// For comparisons of training INPUT holds instead `mixes` [N, B, C, T] and `targets`
// [N, B, S, C, T], one batch per step, and a learning rate named `sgd` or `adam`; OUTPUT gets the N
// `losses` (mean absolute difference) of that optimiser.
//
// For comparisons of input statistics INPUT holds instead `examples` [N, C, T]; OUTPUT gets the
// state dict after UseStatistics.
#include <iostream>
#include <map>
#include <sstream>

#include "core/error.h"
#include "tests/support/models/model_from_files.h"

namespace stemsmith {
namespace {

using Tensors = std::map<std::string, torch::Tensor>;

torch::Tensor Train(SeparationModel& model, const Tensors& input) {
  const bool adam = input.count("adam") != 0;
  const double rate = input.at(adam ? "adam" : "sgd").item<double>();
  std::unique_ptr<torch::optim::Optimizer> optimizer;
  if (adam) {
    optimizer = std::make_unique<torch::optim::Adam>(model.parameters(), rate);
  } else {
    optimizer = std::make_unique<torch::optim::SGD>(model.parameters(), rate);
  }
  model.train();
  const torch::Tensor mixes = input.at("mixes"), targets = input.at("targets");
  std::vector<torch::Tensor> losses;
  for (std::int64_t step = 0; step < mixes.size(0); ++step) {
    optimizer->zero_grad();
    const torch::Tensor loss = torch::l1_loss(model.forward(mixes[step]), targets[step]);
    loss.backward();
    optimizer->step();
    losses.push_back(loss.detach());
  }
  return torch::stack(losses);
}

// What the model separates, and the gradients where `upstream` is given.
NamedTensors Separate(SeparationModel& model, const Tensors& input) {
  model.eval();
  const torch::Tensor estimates = model.forward(input.at("mix"));
  NamedTensors output = {{"estimates", estimates}};
  for (const auto& [name, tensor] : model.StateDict()) output.emplace_back("state." + name, tensor);
  if (input.count("upstream") == 0) return output;
  (estimates * input.at("upstream")).sum().backward();
  for (const auto& item : model.named_parameters())
    output.emplace_back("gradient." + item.key(), item.value().grad());
  return output;
}

void Run(const std::vector<std::string>& paths) {
  torch::manual_seed(1);  // fresh weights do not depend on the models before
  const auto model = testing::ModelFromFiles(paths.at(0), paths.at(1)).model;
  Tensors input;
  for (const auto& [name, tensor] : LoadSafetensors(paths.at(2)).tensors) input[name] = tensor;
  NamedTensors output;
  if (input.count("mixes") != 0) {
    output = {{"losses", Train(*model, input)}};
  } else if (input.count("examples") != 0) {
    model->UseStatistics([examples = input["examples"], i = std::int64_t{0}]() mutable {
      return i < examples.size(0) ? examples[i++] : torch::Tensor();
    });
    for (const auto& [name, tensor] : model->StateDict())
      output.emplace_back("state." + name, tensor);
  } else {
    output = Separate(*model, input);
  }
  SaveSafetensors(paths.at(3), output, {});
}

}  // namespace
}  // namespace stemsmith

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::vector<std::string> paths;
    std::istringstream words(line);
    for (std::string path; std::getline(words, path, '\t');) paths.push_back(path);
    try {
      stemsmith::Run(paths);
      std::cout << "done" << std::endl;
    } catch (const std::exception& error) {
      const std::string text = error.what();
      std::cout << text.substr(0, text.find('\n')) << std::endl;
    }
  }
  return 0;
}
