// The table of dialects: a declaration and a row for each, nothing else to touch.
#include "core/error.h"
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

ModelPlan PlanFromConfig(const std::filesystem::path& path, const ModelPlan& fallback) {
  const Config config = Config::Load(path);
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

// A configuration beside the weights: NAME.yaml, config.yaml, or what Hydra leaves in a run of
// Demucs. Empty: none.
std::filesystem::path ConfigBeside(const std::filesystem::path& weights) {
  const std::filesystem::path folder = weights.parent_path();
  std::error_code code;
  for (const auto& candidate : {std::filesystem::path(weights).replace_extension(".yaml"),
                                folder / "config.yaml", folder / ".hydra" / "config.yaml"})
    if (std::filesystem::is_regular_file(candidate, code)) return candidate;
  return {};
}

}  // namespace

ModelPlan PlanFor(const ForeignModel& foreign, const std::filesystem::path& path,
                  const std::filesystem::path& config) {
  ModelPlan plan;
  if (!foreign.klass.empty()) plan = PlanOfClass(foreign, path.string());
  if (!config.empty()) return PlanFromConfig(config, plan);
  if (!foreign.klass.empty()) return plan;
  const std::filesystem::path beside = ConfigBeside(path);
  if (beside.empty())
    throw Error::Input("the file holds weights alone, not which model they belong to",
                       path.string(), "give the model with " + Option("config", "FILE.yaml"));
  plan = PlanFromConfig(beside, plan);
  plan.notes.push_back("model taken from " + beside.string());
  return plan;
}

}  // namespace stemsmith
