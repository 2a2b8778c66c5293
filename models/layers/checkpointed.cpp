#include "models/layers/checkpointed.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "models/layers/autocast.h"

namespace stemsmith {
namespace {

using torch::autograd::variable_list;

// The states of the generators that a part on `device` may draw from.
class RandomStates {
 public:
  explicit RandomStates(const torch::Device& device) {
    std::vector<torch::Device> devices = {torch::kCPU};
    if (!device.is_cpu()) devices.push_back(device);
    for (const torch::Device& each : devices) {
      at::Generator generator = at::globalContext().defaultGenerator(each);
      std::lock_guard<std::mutex> lock(generator.mutex());
      states_.emplace_back(generator, generator.get_state());
    }
  }
  void Restore() const {
    for (const auto& [generator, state] : states_) {
      at::Generator target = generator;
      std::lock_guard<std::mutex> lock(target.mutex());
      target.set_state(state);
    }
  }

 private:
  std::vector<std::pair<at::Generator, torch::Tensor>> states_;
};

// Puts the buffers back at its end to what they were at its beginning. At the end, because running
// statistics are among what a batch normalisation keeps for its own backward pass.
class BufferGuard {
 public:
  explicit BufferGuard(const torch::nn::Module& part) {
    torch::NoGradGuard no_grad;
    for (const torch::Tensor& buffer : part.buffers()) saved_.emplace_back(buffer, buffer.clone());
  }
  ~BufferGuard() {
    torch::NoGradGuard no_grad;
    for (auto& [buffer, value] : saved_) buffer.copy_(value);
  }
  BufferGuard(const BufferGuard&) = delete;
  BufferGuard& operator=(const BufferGuard&) = delete;

 private:
  std::vector<std::pair<torch::Tensor, torch::Tensor>> saved_;
};

// What it takes to run a part again.
struct Rerun : torch::CustomClassHolder {
  std::shared_ptr<torch::nn::Module> part;
  PartFunction run;
  std::vector<bool> given, made;  // which inputs and results are defined
  torch::Device device = torch::kCPU;
  std::optional<RandomStates> random;
  std::optional<at::ScalarType> autocast;

  // `tensors`: the inputs that are defined, in order, and any more behind them. Gives the results
  // that are defined, and in `which` which ones these are.
  variable_list Run(at::TensorList tensors, std::vector<bool>& which) const {
    std::vector<torch::Tensor> results = run(Spread(given, tensors));
    which.clear();
    for (const torch::Tensor& result : results) which.push_back(result.defined());
    std::erase_if(results, [](const torch::Tensor& result) { return !result.defined(); });
    return results;
  }
  // With the inputs cut off from what they were made by.
  variable_list Cut(variable_list tensors) const {
    const auto inputs = static_cast<std::size_t>(std::count(given.begin(), given.end(), true));
    for (std::size_t i = 0; i < inputs; ++i) {
      const bool wanted = tensors[i].requires_grad();
      tensors[i] = tensors[i].detach();
      if (wanted) tensors[i].requires_grad_();
    }
    return tensors;
  }
  // Puts tensors back to where `places` says that there is one.
  static variable_list Spread(const std::vector<bool>& places, at::TensorList tensors) {
    variable_list all(places.size());
    std::size_t next = 0;
    for (std::size_t i = 0; i < places.size(); ++i)
      if (places[i]) all[i] = tensors[next++];
    return all;
  }
};

class CheckpointFunction : public torch::autograd::Function<CheckpointFunction> {
 public:
  // `tensors`: the inputs that are defined, and the part's trainable parameters.
  static variable_list forward(torch::autograd::AutogradContext* context,
                               const c10::intrusive_ptr<Rerun>& rerun, at::TensorList tensors) {
    rerun->random.emplace(rerun->device);
    rerun->autocast = AutocastType(rerun->device.type());
    context->saved_data["rerun"] = c10::IValue::make_capsule(rerun);
    context->save_for_backward(tensors.vec());
    context->set_materialize_grads(false);
    // As if gradients were wanted, though what is kept for them goes at once: without them some
    // operators (LSTMs, attention) take other ways, which round differently.
    const torch::AutoGradMode grad_mode(true);
    // Weights that are cast here must not be found in the cache by a part that wants their
    // gradients.
    const AutocastScope scope(rerun->device.type(), rerun->autocast, /*cache=*/false);
    variable_list results = rerun->Run(rerun->Cut(tensors.vec()), rerun->made);
    for (torch::Tensor& result : results) result = result.detach();
    return results;
  }

  static variable_list backward(torch::autograd::AutogradContext* context,
                                const variable_list& gradients) {
    const c10::intrusive_ptr<torch::CustomClassHolder> capsule =
        context->saved_data["rerun"].toCapsule();
    const Rerun& rerun = static_cast<const Rerun&>(*capsule);
    variable_list tensors = rerun.Cut(context->get_saved_variables());

    const BufferGuard buffers(*rerun.part);
    const torch::AutoGradMode grad_mode(true);
    variable_list outputs;
    std::vector<bool> made;
    {
      const AutocastScope scope(rerun.device.type(), rerun.autocast);
      const RandomStates now(rerun.device);
      rerun.random->Restore();
      outputs = rerun.Run(tensors, made);
      now.Restore();
    }
    variable_list ends, end_gradients, wanted;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!gradients[i].defined() || !outputs[i].requires_grad()) continue;
      ends.push_back(outputs[i]);
      end_gradients.push_back(gradients[i]);
    }
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (!tensors[i].requires_grad()) continue;
      wanted.push_back(tensors[i]);
      places.push_back(1 + i);  // behind that of `rerun`
    }
    variable_list result(1 + tensors.size());
    if (ends.empty() || wanted.empty()) return result;
    const variable_list found =
        torch::autograd::grad(ends, wanted, end_gradients, /*retain_graph=*/std::nullopt,
                              /*create_graph=*/false, /*allow_unused=*/true);
    for (std::size_t i = 0; i < found.size(); ++i) result[places[i]] = found[i];
    return result;
  }
};

}  // namespace

std::vector<torch::Tensor> Checkpointed(torch::nn::Module& part,
                                        const std::vector<torch::Tensor>& inputs,
                                        PartFunction run) {
  auto rerun = c10::make_intrusive<Rerun>();
  rerun->part = part.shared_from_this();
  rerun->run = std::move(run);
  variable_list tensors;
  for (const torch::Tensor& input : inputs) {
    rerun->given.push_back(input.defined());
    if (input.defined()) tensors.push_back(input);
  }
  if (!tensors.empty()) rerun->device = tensors.front().device();
  for (const torch::Tensor& parameter : part.parameters())
    if (parameter.requires_grad()) tensors.push_back(parameter);
  const variable_list results = CheckpointFunction::apply(rerun, at::TensorList(tensors));
  return Rerun::Spread(rerun->made, results);
}

std::vector<torch::Tensor> CheckpointedIf(bool on, torch::nn::Module& part,
                                          const std::vector<torch::Tensor>& inputs,
                                          const PartFunction& run) {
  return on && torch::GradMode::is_enabled() ? Checkpointed(part, inputs, run) : run(inputs);
}

}  // namespace stemsmith
