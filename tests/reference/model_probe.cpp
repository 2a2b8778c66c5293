// model_probe CONFIG.yaml WEIGHTS.safetensors INPUT.safetensors OUTPUT.safetensors: one forward
// pass for comparisons with other implementations. CONFIG holds `model`, `stems`, `channels`; INPUT
// holds `mix` [B, C, T] and, where gradients are wanted, `upstream` [B, S, C, T]. OUTPUT gets
// `estimates`, the model's state dict under `state.` and the gradients of sum(estimates · upstream)
// under `gradient.`. Without weights ("-") the model is fresh.
//
// For comparisons of training INPUT holds instead `mixes` [N, B, C, T] and `targets`
// [N, B, S, C, T], one batch per step, and a learning rate named `sgd` or `adam`; OUTPUT gets the N
// `losses` (mean absolute difference) of that optimiser.
#include <iostream>
#include <map>

#include "core/error.h"
#include "models/checkpoint.h"

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

}  // namespace
}  // namespace stemsmith

int main(int argc, char** argv) {
  using namespace stemsmith;
  if (argc != 5) {
    std::cerr << "usage: model_probe CONFIG WEIGHTS INPUT OUTPUT\n";
    return 2;
  }
  try {
    const Config config = Config::Load(argv[1]);
    ModelSetting setting;
    setting.stems = config.Strings("stems");
    setting.channels = static_cast<int>(config.IntegerIn("channels", 2, 1, 64));
    const auto model = MakeModel(config.Child("model"), setting);
    config.CheckAllRead();
    if (std::string(argv[2]) != "-")
      model->LoadStateDict(LoadSafetensors(argv[2]).tensors, argv[2]);

    Tensors input;
    for (const auto& [name, tensor] : LoadSafetensors(argv[3]).tensors) input[name] = tensor;
    const NamedTensors output = input.count("mixes") != 0
                                    ? NamedTensors{{"losses", Train(*model, input)}}
                                    : Separate(*model, input);
    SaveSafetensors(argv[4], output, {});
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
