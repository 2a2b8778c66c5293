// Open-Unmix writes folders: separator.json says how the STFT is made, NAME.pth or
// NAME-CHECKSUM.pth holds the network of each stem (openunmix/utils.py of PyPI openunmix 1.3.0).
// The sizes of the networks are taken from their weights.
#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "models/weights/dialects/dialect.h"
#include "models/weights/state_prefix.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr double kTrainedSeconds = 6;  // the original's default

// The original's order; other stems follow by name.
int TargetRank(const std::string& target) {
  constexpr const char* kOrder[] = {"vocals", "drums", "bass", "other"};
  return static_cast<int>(std::find(std::begin(kOrder), std::end(kOrder), target) -
                          std::begin(kOrder));
}

// Stem → file.
std::vector<std::pair<std::string, fs::path>> FindTargets(const fs::path& folder) {
  std::map<std::string, fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".pth") continue;
    const std::string stem = entry.path().stem().string();
    const std::string target = stem.substr(0, stem.find('-'));
    if (!found.try_emplace(target, entry.path()).second)
      throw Error::Input("two files hold the stem '" + target + "'", folder.string(),
                         "keep one of them");
  }
  std::vector<std::pair<std::string, fs::path>> targets(found.begin(), found.end());
  std::stable_sort(targets.begin(), targets.end(), [](const auto& a, const auto& b) {
    return TargetRank(a.first) < TargetRank(b.first);
  });
  if (targets.empty())
    throw Error::Input("the folder has no weights (.pth)", folder.string(),
                       "expected separator.json and a file NAME.pth for each stem");
  return targets;
}

std::int64_t WholeNumber(const nlohmann::json& object, const char* key, std::int64_t low,
                         std::int64_t high, const std::string& where) {
  const auto found = object.find(key);
  const double value = found != object.end() && found->is_number() ? found->get<double>() : -1;
  if (!(value >= static_cast<double>(low) && value <= static_cast<double>(high)))
    throw Error::Input(std::string("'") + key + "' is missing or makes no sense", where,
                       "take the whole folder that the training of Open-Unmix wrote");
  return static_cast<std::int64_t>(value);
}

// Layers of the LSTM are told by their names, the width by the first layer.
void AddNetworkOptions(const NamedTensors& state, nlohmann::ordered_json& model,
                       const std::string& where) {
  std::int64_t layers = 0;
  bool both_ways = false;
  for (const auto& [name, tensor] : state) {
    if (name == "input_mean" && tensor.dim() == 1) model["max_bin"] = tensor.size(0);
    if (name == "fc1.weight" && tensor.dim() == 2) model["hidden_size"] = tensor.size(0);
    both_ways |= name == "lstm.weight_ih_l0_reverse";
    layers += name.rfind("lstm.weight_ih_l", 0) == 0 && !name.ends_with("_reverse");
  }
  if (!model.contains("max_bin") || !model.contains("hidden_size") || layers == 0)
    throw Error::Input("the weights are not of Open-Unmix: they lack input_mean, fc1 or lstm",
                       where, "take the whole folder that the training of Open-Unmix wrote");
  model["nb_layers"] = layers;
  model["unidirectional"] = !both_ways;
}

// What the original's networks store besides weights.
bool IsNoWeight(const std::string& name) {
  return name == "sample_rate" || name.rfind("stft.", 0) == 0 || name.rfind("transform.", 0) == 0;
}

bool IsOpenUnmixFolder(const fs::path& path) {
  std::error_code code;
  return fs::is_regular_file(path / "separator.json", code);
}

PlannedWeights ReadOpenUnmixFolder(const fs::path& folder, const ImportOptions& options) {
  RefuseLora(options, folder);
  const std::string where = (folder / "separator.json").string();
  const auto settings = ParseJson(ReadFile(folder / "separator.json"));
  if (!settings.is_object()) throw Error::Input("not a JSON object", where);
  ModelPlan plan;
  NamedTensors state;
  plan.setting.sample_rate_hz =
      static_cast<int>(WholeNumber(settings, "sample_rate", 1000, 768000, where));
  plan.setting.channels = static_cast<int>(WholeNumber(settings, "nb_channels", 1, 64, where));
  plan.SetSegment(kTrainedSeconds);
  plan.model = {{"name", "open_unmix"},
                {"n_fft", WholeNumber(settings, "nfft", 16, 65536, where)},
                {"hop", WholeNumber(settings, "nhop", 1, 65536, where)}};
  // Their names tell the network in a file; what sizes they have is seen afterwards.
  const NamedTensors typical = {{"input_mean", torch::empty({0})},
                                {"fc1.weight", torch::empty({0})}};
  for (const auto& [target, file] : FindTargets(folder)) {
    const ChosenState network = ChooseState(ReadForeignModel(file, options.prefix).state, typical);
    if (plan.setting.stems.empty()) AddNetworkOptions(network.state, plan.model, file.string());
    if (!network.Note().empty()) plan.notes.push_back(file.string() + ": " + network.Note());
    plan.setting.stems.push_back(target);
    for (const auto& [name, tensor] : network.state)
      if (!IsNoWeight(name)) state.emplace_back("target_models." + target + "." + name, tensor);
  }
  if (!options.config.empty())
    plan = PlanFromConfig(LoadModelConfig(options.config, plan.notes), plan);
  return {plan, {state}};
}

}  // namespace

Dialect OpenUnmixDialect() {
  return {.program = "Open-Unmix", .owns = &IsOpenUnmixFolder, .read = &ReadOpenUnmixFolder};
}

}  // namespace stemsmith
