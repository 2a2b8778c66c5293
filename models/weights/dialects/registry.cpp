// The table of dialects: a declaration and a row for each, nothing else to touch.
#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/file_content.h"
#include "core/numbers.h"
#include "core/option.h"
#include "core/text.h"
#include "models/weights/dialects/demucs_classes.h"
#include "models/weights/dialects/dialect.h"
#include "models/weights/pickle_value.h"

namespace stemsmith {

Dialect StemsmithDialect();
Dialect MsstDialect();
Dialect OpenUnmixDialect();
Dialect DemucsDialect();

const std::vector<Dialect>& DialectTable() {
  static const std::vector<Dialect> table = {
      StemsmithDialect(),
      MsstDialect(),
      OpenUnmixDialect(),
      DemucsDialect(),
  };
  return table;
}

void ModelPlan::SetSegment(double seconds) {
  if (seconds > 0) segment_frames = static_cast<std::int64_t>(seconds * setting.sample_rate_hz);
}

const Dialect& DialectOf(const Config& config) {
  for (const Dialect& dialect : DialectTable())
    if (dialect.speaks != nullptr && dialect.speaks(config)) return dialect;
  throw Error::Usage("the configuration is of no known program", config.Where(),
                     "see docs/import.md for what is known");
}

ModelPlan PlanFromConfig(const Config& config, const ModelPlan& fallback) {
  ModelPlan plan = DialectOf(config).plan_of_config(config, fallback);
  if (plan.setting.stems.empty())
    throw Error::Usage("the configuration does not name the stems", config.Where(),
                       "add stems: [drums, bass, …], in the order they were trained in");
  return plan;
}

namespace {

ModelPlan PlanOfClass(const ForeignModel& foreign, const std::string& where) {
  for (const Dialect& dialect : DialectTable()) {
    if (dialect.plan_of_class == nullptr) continue;
    if (auto plan = dialect.plan_of_class(foreign, where)) return *plan;
  }
  throw Error::Input("weights of the unknown class " + QuotedText(foreign.klass), where,
                     "known are " + JoinNames(DemucsClasses(), ", ", &DemucsClass::klass));
}

PlannedWeights PlanOfWeights(const ForeignModel& foreign, const std::string& where) {
  for (const Dialect& dialect : DialectTable()) {
    if (dialect.plan_of_weights == nullptr) continue;
    if (auto planned = dialect.plan_of_weights(foreign.state, where)) return *std::move(planned);
  }
  return {{}, {foreign.state}};
}

// A configuration beside the weights: NAME.yaml, NAME.ckpt.yaml, config_NAME.yaml, config.yaml, or
// what Hydra leaves in a run of Demucs; all that there are, the first counts.
std::vector<std::filesystem::path> ConfigsBeside(const std::filesystem::path& weights) {
  const std::filesystem::path folder = weights.parent_path();
  const std::string name = weights.stem().string(), file = weights.filename().string();
  std::error_code code;
  std::vector<std::filesystem::path> found;
  for (const std::string& beside : {name, file, "config_" + name, name + "_config",
                                    std::string("config"), std::string(".hydra/config")})
    for (const char* ending : {".yaml", ".yml"})
      if (std::filesystem::is_regular_file(folder / (beside + ending), code))
        found.push_back(folder / (beside + ending));
  return found;
}

// "--config FILE.yaml", and which files it may be.
std::string ConfigAdvice(const std::filesystem::path& weights) {
  std::vector<std::string> found;
  std::error_code code;
  const std::filesystem::path folder = weights.parent_path();
  for (const auto& entry :
       std::filesystem::directory_iterator(folder.empty() ? "." : folder, code))
    if (entry.path().extension() == ".yaml" || entry.path().extension() == ".yml")
      found.push_back(entry.path().filename().string());
  std::sort(found.begin(), found.end());
  return "give the model with " + Option("config", "FILE.yaml") +
         (found.empty() || found.size() > 4 ? "" : "; beside it lies " + JoinNames(found));
}

// Weights say much, but never all: what is missing makes stems sound wrong and no error.
[[noreturn]] void RefuseWithoutConfig(const ModelPlan& seen, const std::filesystem::path& path) {
  if (ContentOf(path) == FileContent::kCheckpoint)
    throw Error::Input("this is a checkpoint of stemsmith: nothing is left to import",
                       path.string(),
                       "make a model of it: stemsmith export " + path.string() + " --out DIR");
  if (seen.model.is_null())
    throw Error::Input("the file holds weights alone, not which model they belong to",
                       path.string(), ConfigAdvice(path));
  throw Error::Input("the weights are of " + DescribedWeights(seen) +
                         "; only its configuration says the names of the stems and the hop of the "
                         "STFT",
                     path.string(), ConfigAdvice(path));
}

void CheckStems(const ModelPlan& plan, bool partial, const std::string& where) {
  const std::int64_t named = std::ssize(plan.setting.stems), seen = plan.seen.stems;
  if (seen == 0 || seen == named || partial) return;
  throw Error::Input(
      "the weights have " + std::to_string(seen) + (seen == 1 ? " stem" : " stems") +
          ", the configuration names " + std::to_string(named) + ": " +
          JoinNames(std::vector(plan.setting.stems.begin(),
                                plan.setting.stems.begin() + std::min<std::int64_t>(named, 8))) +
          (named > 8 ? ", …" : ""),
      where,
      seen == 1 ? "name the one that it gives: training.target_instrument in the configuration"
                : "use the configuration that they were trained with");
}

}  // namespace

void RefuseLora(const ImportOptions& options, const std::filesystem::path& path) {
  if (!options.lora.empty())
    throw Error::Usage(Option("lora") + " does not go with a bag or folder of models",
                       path.string(), "import its models one by one");
}

Config LoadModelConfig(const std::filesystem::path& path, std::vector<std::string>& notes) {
  CheckContent(path, FileUse::kModelConfig);
  std::vector<std::string> repeated;
  const Config config = Config::LoadForeign(path, repeated);
  if (!repeated.empty() && DialectOf(config).speaks == StemsmithDialect().speaks)
    return Config::Load(path);  // throws
  notes.insert(notes.end(), repeated.begin(), repeated.end());
  return config;
}

std::filesystem::path ConfigOf(const std::filesystem::path& weights,
                               const ImportOptions& options) {
  if (!options.config.empty()) return options.config;
  const auto found = ConfigsBeside(weights);
  return found.empty() ? std::filesystem::path() : found.front();
}

PlannedWeights PlanFor(const ForeignModel& foreign, const std::filesystem::path& path,
                       const ImportOptions& options) {
  const std::string where = path.string();
  PlannedWeights planned = foreign.klass.empty()
                               ? PlanOfWeights(foreign, where)
                               : PlannedWeights{PlanOfClass(foreign, where), {foreign.state}};
  ModelPlan& plan = planned.plan;
  const std::filesystem::path config = ConfigOf(path, options);
  const bool given = !options.config.empty();
  if (!given && !foreign.config.empty()) {
    plan = PlanFromConfig(Config::Parse(foreign.config, "the metadata of " + where), plan);
  } else if (given || foreign.klass.empty()) {
    if (config.empty()) RefuseWithoutConfig(plan, path);
    plan = PlanFromConfig(LoadModelConfig(config, plan.notes), plan);
    plan.config = config;
    if (!given) {
      std::vector<std::string> others;
      for (const auto& other : ConfigsBeside(path))
        if (other != config) others.push_back(other.filename().string());
      plan.notes.push_back("model taken from " + config.string() +
                           (others.empty() ? "" : "; not read: " + JoinNames(others)));
    }
  }
  CheckStems(plan, options.partial, where);
  return planned;
}

}  // namespace stemsmith
