#include "models/weights/import.h"

#include <algorithm>

#include "core/error.h"
#include "core/file_content.h"
#include "core/option.h"
#include "core/sha256.h"
#include "models/manifest_for.h"
#include "models/model_for_weights.h"
#include "models/state_fit.h"
#include "models/weights/dialects/networks.h"
#include "models/weights/lora.h"
#include "models/weights/state_prefix.h"
#include "separate/stem_mix.h"

namespace stemsmith {
namespace {

// Builds the planned model and fills it. `parts` are the files of a bag's models, or one.
ImportedModel Fill(const ModelPlan& plan, const std::vector<NamedTensors>& parts, bool partial,
                   const std::string& where) {
  // What is left as initialised is the same every time.
  torch::manual_seed(0);
  const Config config =
      Config::Parse(plan.model.dump(), "the model of " + where).WithPlaces(plan.places);
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
  // The model has computed its constants; what is left of them in a file is rounded or unused.
  NamedTensors filled;
  for (const auto& [name, tensor] : own)
    if (!IsConstant(name)) filled.emplace_back(name, tensor);
  std::erase_if(state, [](const auto& tensor) { return IsConstant(tensor.first); });
  const StateFit fit = FillState(state, filled, partial, Option("partial"), where, about);
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
  const std::string named_in = plan.config.empty() ? where : plan.config.string();
  if (std::ranges::find(plan.setting.stems, kMixture) != plan.setting.stems.end())
    throw Error::Input("the stem name 'mixture' means the song itself", named_in,
                       "name the stem otherwise in the configuration");
  // What no export could say, among it names of stems that are no names of files.
  Manifest::FromJson(ManifestFor(checkpoint, *model, 0, where).ToJson().dump(), named_in,
                     "change it in the configuration");
  return imported;
}

nlohmann::json FileRecord(const std::filesystem::path& path) {
  return {{"file", path.filename().string()}, {"sha256", Sha256OfFile(path)}};
}

// Where the model comes from, for who finds it later: a wrong hop shows in no weights.
nlohmann::json SourceOf(const std::filesystem::path& path, const std::filesystem::path& config,
                        const ImportOptions& options) {
  nlohmann::json source = {{"weights", FileRecord(path)}};
  if (!config.empty()) source["config"] = FileRecord(config);
  if (!options.lora.empty()) {
    const std::vector<std::filesystem::path> files = LoraFiles(options.lora);
    source["lora"] = FileRecord(files[0]);
    if (files.size() > 1) source["lora"]["config"] = FileRecord(files[1]);
  }
  return source;
}

// A checkpoint of ours with adapters merged.
ImportedModel WithAdapters(const std::filesystem::path& path, const ImportOptions& options) {
  ImportedModel imported;
  Checkpoint& checkpoint = imported.checkpoint;
  checkpoint = LoadCheckpoint(path);
  imported.notes.push_back(
      MergeLora(options.lora, {options.lora_alpha, options.config}, checkpoint.weights));
  imported.kept = imported.wanted = checkpoint.weights.size();
  checkpoint.training.clear();
  checkpoint.training_state = nullptr;
  checkpoint.source = SourceOf(path, options.config, options);
  return imported;
}

}  // namespace

ImportedModel ImportWeights(const std::filesystem::path& path, const ImportOptions& options) {
  std::error_code code;
  if (!std::filesystem::exists(path, code))
    throw Error::Input("no such file", path.string(), "check the path");
  if (options.lora_alpha && options.lora.empty())
    throw Error::Usage("an alpha without adapters", Option("lora-alpha"),
                       "name the adapters with " + Option("lora"));
  const auto with_licence = [&](ImportedModel imported) {
    if (!options.licence.empty()) imported.checkpoint.source["licence"] = options.licence;
    return imported;
  };
  for (const Dialect& dialect : DialectTable()) {
    if (dialect.owns == nullptr || !dialect.owns(path)) continue;
    const PlannedWeights given = dialect.read(path, options);
    return with_licence(Fill(given.plan, given.parts, options.partial, path.string()));
  }
  if (std::filesystem::is_directory(path, code))
    throw Error::Input("a folder without separator.json", path.string(),
                       "name a file, or a folder that the training of Open-Unmix wrote");
  if (!options.lora.empty() && ContentOf(path) == FileContent::kCheckpoint)
    return with_licence(WithAdapters(path, options));
  ForeignModel foreign = ReadForeignModel(path, options.prefix);
  RefuseAdaptersAmong(foreign.state, path.string());
  std::string merged;
  if (!options.lora.empty())
    merged = MergeLora(options.lora, {options.lora_alpha, ConfigOf(path, options)}, foreign.state);
  PlannedWeights planned = PlanFor(foreign, path, options);
  foreign.state.clear();
  planned.plan.notes.insert(planned.plan.notes.begin(), foreign.notes.begin(), foreign.notes.end());
  if (!merged.empty()) planned.plan.notes.push_back(merged);
  ImportedModel imported = Fill(planned.plan, planned.parts, options.partial, path.string());
  imported.checkpoint.source = SourceOf(path, planned.plan.config, options);
  return with_licence(std::move(imported));
}

}  // namespace stemsmith
