#include "models/stem_transfer.h"

#include <yaml-cpp/yaml.h>

#include <map>
#include <set>

#include "models/model_cost.h"

namespace stemsmith {
namespace {

constexpr char kProbe[] = "probe_0";

// The tensors of each stem by itself: their names are prefix + stem + suffix.
struct NamedAfterStem {
  std::string prefix, suffix;
  bool numbered;  // by the stem's place instead of its name
  std::string Of(const std::vector<std::string>& stems, std::size_t place) const {
    return prefix + (numbered ? std::to_string(place) : stems[place]) + suffix;
  }
};

class StemTensors {
 public:
  StemTensors(const Config& config, const SeparationModel& model) {
    const auto stems = model.setting().stems.size();
    ModelSetting doubled = model.setting();
    doubled.stems.clear();
    StemSources sources;
    for (std::size_t i = 0; i < 2 * stems; ++i) {
      doubled.stems.push_back("probe_" + std::to_string(i));
      sources.push_back(static_cast<int>(i % stems));
    }
    std::set<std::string> single;  // names with as many stems as there are
    for (const auto& [name, tensor] : model.StateDict()) single.insert(name);
    for (auto& [name, shape] : StateShapes(ModelForStems(config, sources), doubled)) {
      AddOwn(name, kProbe, /*numbered=*/false, single);
      // The first one of the added stems.
      if (!single.contains(name))
        AddOwn(name, std::to_string(stems), /*numbered=*/true, single);
      shapes_.emplace(name, std::move(shape));
    }
  }

  // The dimension in which a tensor of the model holds the stems one after another; -1: none.
  std::int64_t DimensionOf(const std::string& name, const torch::Tensor& tensor) const {
    const auto found = shapes_.find(name);
    if (found == shapes_.end()) return -1;
    for (std::int64_t d = 0; d < tensor.dim(); ++d)
      if (found->second[static_cast<std::size_t>(d)] == 2 * tensor.size(d)) return d;
    return -1;
  }

  const std::vector<NamedAfterStem>& own() const { return own_; }

 private:
  // Where `stem` is a part of a tensor's name; as a number only where the first stem, too, has such
  // a tensor.
  void AddOwn(const std::string& name, const std::string& stem, bool numbered,
              const std::set<std::string>& single) {
    const std::string part = "." + stem + ".";
    for (std::size_t at = ("." + name).find(part); at != std::string::npos;
         at = ("." + name).find(part, at + 1)) {
      const NamedAfterStem own{name.substr(0, at), name.substr(at + stem.size()), numbered};
      if (numbered && !single.contains(own.prefix + "0" + own.suffix)) continue;
      own_.push_back(own);
      return;
    }
  }

  std::map<std::string, std::vector<std::int64_t>> shapes_;
  std::vector<NamedAfterStem> own_;
};

// The channels of the stems in `given`, along `d`, at their new places in a copy of `fresh`;
// `given` itself where its shape is another one.
torch::Tensor MoveChannels(const torch::Tensor& given, std::int64_t given_stems,
                           const torch::Tensor& fresh, const StemSources& sources, std::int64_t d) {
  const std::int64_t width = fresh.size(d) / static_cast<std::int64_t>(sources.size());
  std::vector<std::int64_t> wanted = fresh.sizes().vec();
  wanted[static_cast<std::size_t>(d)] = width * given_stems;
  if (given.sizes() != torch::IntArrayRef(wanted)) return given;
  torch::Tensor moved = fresh.clone();
  for (std::size_t s = 0; s < sources.size(); ++s)
    if (sources[s] >= 0)
      moved.narrow(d, static_cast<std::int64_t>(s) * width, width)
          .copy_(given.narrow(d, sources[s] * width, width));
  return moved;
}

}  // namespace

Config ModelForStems(const Config& model, const StemSources& sources) {
  YAML::Node node = YAML::Load(model.Dump());
  if (node["name"].Scalar() == "bag" && node["weights"])
    for (YAML::Node row : node["weights"]) {
      YAML::Node moved;
      for (const int source : sources)
        moved.push_back(source < 0 ? YAML::Node(1) : row[static_cast<std::size_t>(source)]);
      row = moved;
    }
  return Config::Parse(YAML::Dump(node), model.Where());
}

NamedTensors MoveStems(const NamedTensors& given, const std::vector<std::string>& given_stems,
                       const StemSources& sources, const Config& config,
                       const SeparationModel& model) {
  torch::NoGradGuard no_grad;
  const StemTensors stem_tensors(config, model);
  const std::vector<std::string>& stems = model.setting().stems;
  std::map<std::string, torch::Tensor> fresh;
  for (const auto& [name, tensor] : model.StateDict()) fresh.emplace(name, tensor);

  NamedTensors moved;
  const std::map<std::string, torch::Tensor> by_name(given.begin(), given.end());
  std::set<std::string> of_stems;  // names of tensors of a stem's own, in the old model
  for (const NamedAfterStem& name : stem_tensors.own()) {
    for (std::size_t s = 0; s < given_stems.size(); ++s) of_stems.insert(name.Of(given_stems, s));
    for (std::size_t s = 0; s < stems.size(); ++s) {
      const auto own = fresh.find(name.Of(stems, s));
      if (own == fresh.end()) continue;
      const auto source =
          sources[s] < 0
              ? by_name.end()
              : by_name.find(name.Of(given_stems, static_cast<std::size_t>(sources[s])));
      moved.emplace_back(own->first, source == by_name.end() ? own->second : source->second);
    }
  }
  for (const auto& [name, tensor] : given) {
    if (of_stems.contains(name)) continue;
    const auto own = fresh.find(name);
    const std::int64_t d = own == fresh.end() ? -1 : stem_tensors.DimensionOf(name, own->second);
    moved.emplace_back(
        name,
        d < 0 ? tensor : MoveChannels(tensor, std::ssize(given_stems), own->second, sources, d));
  }
  return moved;
}

}  // namespace stemsmith
