// model_probe CONFIG.yaml WEIGHTS.safetensors INPUT.safetensors OUTPUT.safetensors: one forward
// pass for comparisons with other implementations. CONFIG holds `model`, `stems`, `channels`; INPUT
// holds `mix` [B, C, T] and, where gradients are wanted, `upstream` [B, S, C, T]. OUTPUT gets
// `estimates`, the model's state dict under `state.` and the gradients of sum(estimates · upstream)
// under `gradient.`. Without weights ("-") the model is fresh.
#include <iostream>
#include <map>

#include "core/error.h"
#include "models/checkpoint.h"

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
    model->eval();
    if (std::string(argv[2]) != "-")
      model->LoadStateDict(LoadSafetensors(argv[2]).tensors, argv[2]);

    std::map<std::string, torch::Tensor> input;
    for (const auto& [name, tensor] : LoadSafetensors(argv[3]).tensors) input[name] = tensor;
    const torch::Tensor estimates = model->forward(input.at("mix"));
    NamedTensors output = {{"estimates", estimates}};
    for (const auto& [name, tensor] : model->StateDict())
      output.emplace_back("state." + name, tensor);
    if (input.count("upstream") != 0) {
      (estimates * input["upstream"]).sum().backward();
      for (const auto& item : model->named_parameters())
        output.emplace_back("gradient." + item.key(), item.value().grad());
    }
    SaveSafetensors(argv[4], output, {});
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
