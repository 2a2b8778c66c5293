#include "train/parameter_groups.h"

#include <fnmatch.h>

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/names.h"

namespace stemsmith {
namespace {

// The name nearest to a pattern without its wildcards. Patterns mostly name the beginning of a
// name, so a candidate is measured as far as the pattern goes, whole parts only.
std::string NearestParameter(const std::string& pattern, const NamedTensors& parameters) {
  std::string literal;
  for (const char c : pattern)
    if (c != '*' && c != '?') literal += c;
  const auto parts =
      std::count(literal.begin(), literal.end(), '.') + (literal.ends_with('.') ? 0 : 1);
  std::string best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const auto& [name, tensor] : parameters) {
    std::size_t end = 0;
    for (auto part = parts; part > 0 && end < name.size(); --part)
      end = std::min(name.find('.', end + 1), name.size());
    for (const std::string& candidate : {name.substr(0, end), name}) {
      const std::size_t distance = EditDistance(literal, candidate);
      if (distance < best_distance) best_distance = distance, best = name;
    }
  }
  return best;
}

}  // namespace

bool IsNormOrBias(const std::string& name, const torch::Tensor& parameter) {
  const std::string last = name.substr(name.rfind('.') + 1);
  return parameter.dim() <= 1 || last.find("bias") != std::string::npos;
}

std::vector<std::size_t> MatchParameters(const std::string& pattern, const NamedTensors& parameters,
                                         const std::string& where, const std::string& thing) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (fnmatch(pattern.c_str(), parameters[i].first.c_str(), 0) == 0) found.push_back(i);
  if (found.empty()) {
    const std::string nearest = NearestParameter(pattern, parameters);
    throw Error::Usage("no " + thing + "'s name matches '" + pattern + "'", where,
                       nearest.empty()
                           ? "the model has no " + thing + "s to train"
                           : "a near one is '" + nearest +
                                 "'; a pattern stands for whole names, as \"encoder.*\"");
  }
  return found;
}

std::vector<ParameterGroup> MakeParameterGroups(const Config& optimizer,
                                                const NamedTensors& parameters,
                                                double weight_decay) {
  struct Settings {
    double lr_factor = 1.0, weight_decay = 0.0;
    bool grouped = false;
  };
  std::vector<Settings> settings(parameters.size());
  const bool decay_all = optimizer.Bool("decay_norms_and_biases", true);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, parameter] = parameters[i];
    settings[i].weight_decay = decay_all || !IsNormOrBias(name, parameter) ? weight_decay : 0.0;
  }
  for (const Config& item : optimizer.List("groups")) {
    const std::string pattern = item.RequiredString("match");
    const double lr_factor = item.NumberIn("lr_factor", 1.0, 0.0, 1e6);
    const bool has_decay = item.Has("weight_decay");
    const double decay = has_decay ? item.NumberIn("weight_decay", 0.0, 0.0, 1e3) : 0.0;
    bool any = false;
    for (const std::size_t i : MatchParameters(pattern, parameters, item.Where("match"))) {
      if (settings[i].grouped) continue;
      settings[i].grouped = any = true;
      settings[i].lr_factor = lr_factor;
      if (has_decay) settings[i].weight_decay = decay;
    }
    if (!any) {
      throw Error::Usage("an earlier group takes every parameter that '" + pattern + "' matches",
                         item.Where("match"), "put the narrower pattern first");
    }
  }

  std::vector<ParameterGroup> groups;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Settings& wanted = settings[i];
    auto group = std::find_if(groups.begin(), groups.end(), [&](const ParameterGroup& g) {
      return g.lr_factor == wanted.lr_factor && g.weight_decay == wanted.weight_decay;
    });
    if (group == groups.end())
      group = groups.insert(group, {{}, wanted.lr_factor, wanted.weight_decay});
    group->members.push_back(i);
  }
  return groups;
}

}  // namespace stemsmith
