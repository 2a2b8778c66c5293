#include "models/separation_model.h"

#include <map>

#include "core/error.h"
#include "models/state_fit.h"

namespace stemsmith {
namespace {

constexpr char kTransientPrefix[] = "transient_";

// Whether a dotted name belongs to a transient buffer: only its last part carries the prefix.
bool IsTransient(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return name.compare(dot == std::string::npos ? 0 : dot + 1, sizeof(kTransientPrefix) - 1,
                      kTransientPrefix) == 0;
}

}  // namespace

torch::Tensor SeparationModel::forward(const torch::Tensor& mix) {
  TORCH_CHECK(mix.dim() == 3 && mix.size(1) == setting_.channels && mix.size(2) > 0,
              "a mix is [B, C, T] with C = ", setting_.channels, ", not ", mix.sizes());
  const std::int64_t frames = mix.size(2);
  const std::int64_t surplus = taken_lengths().AtLeast(frames) - frames;
  const auto separate = [this](const torch::Tensor& whole) {
    return places_.empty() ? Separate(whole) : SeparateStems(whole, places_);
  };
  if (surplus == 0) return separate(mix);
  const std::int64_t left = surplus / 2;
  const torch::Tensor padded = torch::constant_pad_nd(mix, {left, surplus - left});
  return separate(padded).slice(/*dim=*/-1, left, left + frames);
}

torch::Tensor SeparationModel::SeparateStems(const torch::Tensor& mix,
                                             const std::vector<std::int64_t>& places) {
  const torch::Tensor all = Separate(mix);
  std::vector<torch::Tensor> stems;
  for (const std::int64_t place : places) stems.push_back(all.select(1, place));
  return torch::stack(stems, 1);
}

void SeparationModel::UseStems(std::vector<std::int64_t> places) {
  const auto stems = static_cast<std::int64_t>(setting_.stems.size());
  for (const std::int64_t place : places)
    if (place < 0 || place >= stems)
      throw Error::Usage("there is no stem at place " + std::to_string(place) + ": the model has " +
                             std::to_string(stems),
                         "", "places count from 0");
  places_ = std::move(places);
}

void SeparationModel::AddAlias(std::string alias, std::string of) {
  aliases_.emplace_back(std::move(alias), std::move(of));
}

void SeparationModel::train(bool on) {
  torch::nn::Module::train(on);
  for (const auto& part : always_eval_) part->eval();
}

void SeparationModel::KeepInEval(const std::shared_ptr<torch::nn::Module>& part) {
  always_eval_.push_back(part);
  part->eval();
}

std::vector<std::pair<std::string, torch::Tensor>> SeparationModel::StateDict() const {
  std::vector<std::pair<std::string, torch::Tensor>> state;
  for (const auto& item : named_parameters(/*recurse=*/true))
    state.emplace_back(item.key(), item.value().detach());
  for (const auto& item : named_buffers(/*recurse=*/true))
    if (!IsTransient(item.key())) state.emplace_back(item.key(), item.value().detach());
  const std::map<std::string, torch::Tensor> own(state.begin(), state.end());
  for (const auto& [alias, of] : aliases_) state.emplace_back(alias, own.at(of));
  return state;
}

void SeparationModel::LoadStateDict(const std::vector<std::pair<std::string, torch::Tensor>>& state,
                                    const std::string& where) {
  const auto own = StateDict();
  const StateFit fit = CompareStates(state, own);
  if (!fit.fits())
    throw Error::Input("the weights do not fit the model: " + fit.Text(), where,
                       "use the model configuration, stems and channels they were trained with");
  const std::map<std::string, torch::Tensor> given(state.begin(), state.end());
  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own) {
    torch::Tensor target = tensor;  // shares the parameter's memory
    target.copy_(given.at(name));
  }
}

torch::Tensor RegisterTransientBuffer(torch::nn::Module& module, const std::string& name,
                                      torch::Tensor value) {
  return module.register_buffer(kTransientPrefix + name, std::move(value));
}

}  // namespace stemsmith
