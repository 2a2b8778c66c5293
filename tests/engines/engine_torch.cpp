#include <torch/torch.h>

#include "tests/engines/engine.h"

extern "C" std::vector<float> stemsmith_engine_work(const std::string& folder, int threads) {
  const torch::NoGradGuard no_grad;
  torch::set_num_threads(threads);
  const auto made = [](at::IntArrayRef shape, float scale = 1) {
    std::vector<float> values =
        EngineInput(static_cast<std::size_t>(c10::multiply_integers(shape)), scale);
    return torch::tensor(values).reshape(shape);
  };
  std::vector<float> results;
  const auto add = [&](const torch::Tensor& tensor) {
    const torch::Tensor flat = tensor.contiguous().flatten();
    AddSome(results, flat.const_data_ptr<float>(), static_cast<std::size_t>(flat.numel()));
  };
  const torch::Tensor x = made({2, 8, 20000});
  add(torch::conv1d(x, made({16, 8, 9}), {}, 1, 4));
  add(torch::matmul(made({300, 200}), made({200, 300})));
  add(torch::view_as_real(torch::fft_rfft(x)));
  add(torch::linalg_solve(made({60, 60}), made({60, 3})));
  add(torch::linalg_svdvals(made({40, 30})));
  add(made({1000}, kTiny) * 0.5f);
  return results;
}
