#include "models/weights/import.h"

#include "core/error.h"
#include "core/option.h"
#include "models/model_for_weights.h"
#include "models/state_fit.h"
#include "models/weights/state_prefix.h"

namespace stemsmith {
namespace {

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
  const StateFit fit = FillState(state, own, partial, Option("partial"), where, about);
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

}  // namespace

ImportedModel ImportWeights(const std::filesystem::path& path, const ImportOptions& options) {
  std::error_code code;
  if (!std::filesystem::exists(path, code))
    throw Error::Input("no such file", path.string(), "check the path");
  for (const Dialect& dialect : DialectTable()) {
    if (dialect.owns == nullptr || !dialect.owns(path)) continue;
    const PlannedWeights given = dialect.read(path, options);
    return Fill(given.plan, given.parts, options.partial, path.string());
  }
  if (std::filesystem::is_directory(path, code))
    throw Error::Input("a folder without separator.json", path.string(),
                       "name a file, or a folder that the training of Open-Unmix wrote");
  const ForeignModel foreign = ReadForeignModel(path, options.prefix);
  return Fill(PlanFor(foreign, path, options.config), {foreign.state}, options.partial,
              path.string());
}

}  // namespace stemsmith
