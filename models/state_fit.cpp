#include "models/state_fit.h"

#include <map>
#include <set>
#include <sstream>

#include "core/error.h"

namespace stemsmith {
namespace {

std::string ShapeText(const torch::Tensor& tensor) {
  std::ostringstream out;
  out << tensor.sizes();
  return out.str();
}

void DescribeNames(const char* kind, const std::vector<std::string>& names, std::size_t shown,
                   std::string& text) {
  if (names.empty()) return;
  text += (text.empty() ? "" : "; ") + std::to_string(names.size()) + " " + kind + ": ";
  for (std::size_t i = 0; i < names.size() && i < shown; ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > shown) text += ", …";
}

}  // namespace

std::string StateFit::Text(std::size_t shown) const {
  std::string text;
  DescribeNames("missing", missing, shown, text);
  DescribeNames("unexpected", unexpected, shown, text);
  DescribeNames("of another shape", misshapen, shown, text);
  return text;
}

StateFit CompareStates(const NamedTensors& given, const NamedTensors& model) {
  const std::map<std::string, torch::Tensor> by_name(given.begin(), given.end());
  StateFit fit;
  fit.wanted = model.size();
  std::set<std::string> known;
  for (const auto& [name, tensor] : model) {
    known.insert(name);
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
      fit.missing.push_back(name);
    } else if (found->second.sizes() != tensor.sizes()) {
      fit.misshapen.push_back(name + " " + ShapeText(found->second) + " for " + ShapeText(tensor));
    } else {
      ++fit.fitting;
    }
  }
  for (const auto& [name, tensor] : by_name)
    if (known.count(name) == 0) fit.unexpected.push_back(name);
  return fit;
}

StateFit FillState(const NamedTensors& given, const NamedTensors& model, bool partial,
                   const std::string& option, const std::string& where, const std::string& about) {
  constexpr std::size_t kShown = 8;
  const StateFit fit = CompareStates(given, model);
  const std::string text = (about.empty() ? "" : about + "; ") + fit.Text(kShown);
  if (fit.fitting == 0)
    throw Error::Input("no tensor of the weights fits the model: " + text, where,
                       "name the configuration that they were trained with");
  if (!fit.fits() && !partial) {
    throw Error::Input("the weights do not fit the model: " + text, where,
                       option + " would keep " + std::to_string(fit.fitting) + " of " +
                           std::to_string(fit.wanted) + " tensors and start the others afresh");
  }
  const std::map<std::string, torch::Tensor> by_name(given.begin(), given.end());
  torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : model) {
    torch::Tensor target = tensor;  // shares the model's memory
    const auto found = by_name.find(name);
    if (found != by_name.end() && found->second.sizes() == tensor.sizes())
      target.copy_(found->second);
    if (tensor.is_floating_point() && !torch::isfinite(tensor).all().item<bool>())
      throw Error::Input("the tensor " + name + " holds values that are not finite", where,
                         "its training diverged, or the file is damaged");
  }
  return fit;
}

}  // namespace stemsmith
