// From foreign weights to a checkpoint: which model, do they fit, bags.
#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/numbers.h"
#include "core/text.h"
#include "models/model_for_weights.h"
#include "models/state_fit.h"
#include "models/weights/foreign.h"
#include "models/weights/pickle.h"
#include "models/weights/sha256.h"
#include "models/weights/state_prefix.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

// The hexadecimal checksum of "SIG-CHECKSUM.th", "" without one.
std::string ChecksumInName(const fs::path& path) {
  const std::string stem = path.stem().string();
  const std::size_t hyphen = stem.rfind('-');
  if (hyphen == std::string::npos || path.extension() != ".th") return "";
  const std::string tail = stem.substr(hyphen + 1);
  const bool hex = tail.size() >= 8 && tail.find_first_not_of("0123456789abcdef") == tail.npos;
  return hex ? tail : "";
}

void CheckChecksum(const fs::path& path) {
  const std::string wanted = ChecksumInName(path);
  if (wanted.empty() || !fs::is_regular_file(path)) return;
  const std::string actual = Sha256OfFile(path).substr(0, wanted.size());
  if (actual != wanted)
    throw Error::Input("the file's checksum is " + actual + ", its name says " + wanted,
                       path.string(),
                       "download it again, or rename it if it was changed on purpose");
}

// A configuration beside the weights: NAME.yaml, config.yaml, or what Hydra leaves in a run of
// Demucs. Empty: none.
fs::path ConfigBeside(const fs::path& weights) {
  const fs::path folder = weights.parent_path();
  std::error_code code;
  for (const fs::path& candidate : {fs::path(weights).replace_extension(".yaml"),
                                    folder / "config.yaml", folder / ".hydra" / "config.yaml"})
    if (fs::is_regular_file(candidate, code)) return candidate;
  return {};
}

ModelPlan PlanFor(const ForeignModel& foreign, const fs::path& path, const ImportOptions& options) {
  ModelPlan plan;
  if (!foreign.klass.empty()) plan = PlanFromClass(foreign, path.string());
  if (!options.config.empty()) return PlanFromConfig(options.config, plan);
  if (!foreign.klass.empty()) return plan;
  const fs::path beside = ConfigBeside(path);
  if (beside.empty())
    throw Error::Input("the file holds weights alone, not which model they belong to",
                       path.string(), "give the model with --config FILE.yaml");
  plan = PlanFromConfig(beside, plan);
  plan.notes.push_back("model taken from " + beside.string());
  return plan;
}

// Builds the planned model and fills it. `parts` are the files of a bag's models, or one.
ImportedModel Fill(const ModelPlan& plan, const std::vector<NamedTensors>& parts, bool partial,
                   const std::string& where) {
  // What is left as initialised is the same every time.
  torch::manual_seed(0);
  const Config config = Config::Parse(plan.model.dump(), "the model of " + where);
  NamedTensors all;
  for (const NamedTensors& part : parts) all.insert(all.end(), part.begin(), part.end());
  const std::shared_ptr<SeparationModel> model = MakeModelFor(all, config, plan.setting);
  const NamedTensors own = model->StateDict();
  std::vector<std::string> notes = plan.notes;
  std::string about;
  NamedTensors state;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const std::string place = parts.size() > 1 ? "models." + std::to_string(p) + "." : "";
    NamedTensors wanted;
    for (const auto& [name, tensor] : own)
      if (name.starts_with(place)) wanted.emplace_back(name.substr(place.size()), tensor);
    const ChosenState chosen = ChooseState(parts[p], wanted);
    for (const auto& [name, tensor] : chosen.state) state.emplace_back(place + name, tensor);
    if (!chosen.Note().empty()) notes.push_back(chosen.Note());
    if (!chosen.Sight().empty()) about = chosen.Sight();
  }
  const StateFit fit = FillState(state, own, partial, "--partial", where, about);
  ImportedModel imported;
  imported.kept = fit.fitting;
  imported.wanted = fit.wanted;
  imported.notes = std::move(notes);
  if (!fit.fits()) imported.notes.push_back("left as initialised or left out: " + fit.Text(8));
  Checkpoint& checkpoint = imported.checkpoint;
  checkpoint.model_config = config.Dump();
  checkpoint.setting = plan.setting;
  checkpoint.segment_frames = plan.segment_frames;
  checkpoint.song_normalization = plan.song_normalization;
  checkpoint.tail = plan.tail;
  checkpoint.weights = own;
  return imported;
}

// The package of a signature beside a bag.
fs::path FindPackage(const fs::path& folder, const std::string& signature,
                     const std::string& where) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& path = entry.path();
    const std::string stem = path.stem().string();
    const bool named =
        stem == signature || (stem.rfind(signature + "-", 0) == 0 && path.extension() == ".th");
    if (named && (path.extension() == ".th" || path.extension() == ".safetensors"))
      found.push_back(path);
  }
  if (found.empty())
    throw Error::Input("the bag names '" + signature + "', which does not lie beside it", where,
                       "put " + signature + ".th or " + signature + ".safetensors into its folder");
  if (found.size() > 1)
    throw Error::Input(
        "several files have the name '" + signature + "'", where,
        "keep one of them: " + found[0].filename().string() + ", " + found[1].filename().string());
  return found[0];
}

void RequireAgreement(const ModelPlan& first, const ModelPlan& other, const std::string& names,
                      const std::string& where) {
  std::string difference;
  if (first.setting.stems != other.setting.stems)
    difference = "stems [" + JoinNames(first.setting.stems) + "] and [" +
                 JoinNames(other.setting.stems) + "]";
  else if (first.setting.sample_rate_hz != other.setting.sample_rate_hz)
    difference = std::to_string(first.setting.sample_rate_hz) + " and " +
                 std::to_string(other.setting.sample_rate_hz) + " Hz";
  else if (first.setting.channels != other.setting.channels)
    difference = std::to_string(first.setting.channels) + " and " +
                 std::to_string(other.setting.channels) + " channels";
  if (!difference.empty())
    throw Error::Input("the bag's models disagree: " + names + " have " + difference, where,
                       "a bag needs models with the same stems, sample rate and channels");
}

double WeightOf(const Config& item) {
  const std::string text = item.AsString();
  if (const auto weight = NumberIn<double>(text, {0, 1e6})) return *weight;
  throw Error::Input("the bag has the weight " + QuotedText(text), item.Where());
}

ImportedModel ImportBag(const fs::path& path, const ImportOptions& options) {
  if (!options.config.empty())
    throw Error::Usage("--config does not go with a bag", path.string(),
                       "import its models one by one");
  const std::string where = path.string();
  const Config bag = Config::Load(path);
  const std::vector<std::string> names = bag.Strings("models");
  if (names.empty()) throw Error::Input("the bag names no models", where);
  std::vector<std::vector<double>> weights;
  if (bag.Has("weights"))
    for (const Config& row : bag.List("weights")) {
      weights.emplace_back();
      for (const Config& item : row.Items()) weights.back().push_back(WeightOf(item));
    }
  const double bag_segment = bag.NumberIn("segment", 0, 0, 3600);
  bag.CheckAllRead();
  if (!weights.empty() && weights.size() != names.size())
    throw Error::Input("the bag has weights for " + std::to_string(weights.size()) +
                           " models, but names " + std::to_string(names.size()),
                       where);

  ModelPlan plan;
  OrderedJson models = OrderedJson::array(), rows = OrderedJson::array();
  std::vector<NamedTensors> states;
  std::map<std::string, std::size_t> known;  // a model that is named twice counts twice
  std::vector<std::int64_t> segments;
  for (std::size_t m = 0; m < names.size(); ++m) {
    if (!weights.empty() && m > 0 && weights[m].size() != weights[0].size())
      throw Error::Input("the bag's weights are not equally many for each model", where);
    const auto [place, fresh] = known.try_emplace(names[m], models.size());
    if (fresh) {
      const fs::path package =
          FindPackage(path.parent_path().empty() ? "." : path.parent_path(), names[m], where);
      CheckChecksum(package);
      const ForeignModel foreign = ReadForeignModel(package, options.prefix);
      ModelPlan part = PlanFor(foreign, package, {});
      const bool transformer = part.model["name"] == "htdemucs";
      const auto wanted = static_cast<std::int64_t>(bag_segment * part.setting.sample_rate_hz);
      if (wanted > 0 && (!transformer || wanted <= part.segment_frames))
        part.segment_frames = wanted;
      segments.push_back(part.segment_frames);
      if (models.empty()) plan = part;
      RequireAgreement(plan, part, names[0] + " and " + names[m], where);
      states.push_back(foreign.state);
      models.push_back(part.model);
      rows.push_back(std::vector<double>(plan.setting.stems.size(), 0));
    }
    for (std::size_t s = 0; s < plan.setting.stems.size(); ++s) {
      if (!weights.empty() && weights[m].size() != plan.setting.stems.size())
        throw Error::Input("the bag has " + std::to_string(weights[m].size()) +
                               " weights for a model of " +
                               std::to_string(plan.setting.stems.size()) + " stems",
                           where);
      rows[place->second][s] =
          rows[place->second][s].get<double>() + (weights.empty() ? 1 : weights[m][s]);
    }
  }
  plan.segment_frames = *std::min_element(segments.begin(), segments.end());
  if (plan.segment_frames != *std::max_element(segments.begin(), segments.end()))
    plan.notes.push_back("the models' segments differ; all use the shortest, " +
                         std::to_string(plan.segment_frames) + " frames");
  if (models.size() > 1) plan.model = {{"name", "bag"}, {"models", models}, {"weights", rows}};
  return Fill(plan, states, options.partial, where);
}

}  // namespace

ImportedModel ImportWeights(const fs::path& path, const ImportOptions& options) {
  std::error_code code;
  if (!fs::exists(path, code)) throw Error::Input("no such file", path.string(), "check the path");
  if (path.extension() == ".yaml" || path.extension() == ".yml") return ImportBag(path, options);
  if (fs::is_directory(path, code)) {
    if (!IsOpenUnmixFolder(path))
      throw Error::Input("a folder without separator.json", path.string(),
                         "name a file, or a folder that the training of Open-Unmix wrote");
    NamedTensors state;
    ModelPlan plan = ReadOpenUnmixFolder(path, options.prefix, state);
    if (!options.config.empty()) plan = PlanFromConfig(options.config, plan);
    return Fill(plan, {state}, options.partial, path.string());
  }
  CheckChecksum(path);
  const ForeignModel foreign = ReadForeignModel(path, options.prefix);
  return Fill(PlanFor(foreign, path, options), {foreign.state}, options.partial, path.string());
}

}  // namespace stemsmith
