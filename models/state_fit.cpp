#include "models/state_fit.h"

#include <map>
#include <set>
#include <sstream>

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

StateFit CompareStates(const std::vector<std::pair<std::string, torch::Tensor>>& given,
                       const std::vector<std::pair<std::string, torch::Tensor>>& model) {
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

}  // namespace stemsmith
