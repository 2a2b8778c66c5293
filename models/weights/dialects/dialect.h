// The words in which programs describe the models that their weights belong to: one file and one
// row of a table for each program. Import asks the table, and knows no program itself.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "models/weights/foreign.h"

namespace stemsmith {

struct ImportOptions {
  std::filesystem::path config;  // empty: from the file, or found beside it
  bool partial = false;          // keep the tensors that fit, the others stay as initialised
  std::string prefix;            // take the tensors that are named so; empty: those that fit
  std::filesystem::path lora;    // adapters to merge, see models/weights/lora.h; empty: none
  std::optional<double> lora_alpha;
  std::string licence;  // for the record alone
};

// What weights say of their model besides its options; 0: nothing.
struct SeenSizes {
  std::int64_t stems = 0;
  int channels = 0;
  int sample_rate_hz = 0;
  std::int64_t planes = 0;      // of MDX23C: subbands · channels · 2
  std::int64_t plane_bins = 0;  // bins of each
};

// The model that weights belong to, in our words.
struct ModelPlan {
  nlohmann::ordered_json model;  // the configuration, with `name`; null: not known
  ModelSetting setting;
  std::int64_t segment_frames = 0;
  SongNormalization song_normalization = SongNormalization::kNone;
  Tail tail = Tail::kZeros;
  SeenSizes seen;                  // in the weights
  std::filesystem::path config;    // the file that it was taken from, if any
  std::vector<std::string> notes;  // for the user: what was left out or decided
  // Where the model's options stand in a configuration, "kim.yaml:12"; "": the map of them.
  std::map<std::string, std::string> places;

  void SetSegment(double seconds);  // rounds down; 0: as it is
};

struct PlannedWeights {
  ModelPlan plan;
  std::vector<NamedTensors> parts;  // of the models of a bag, or one
};

// What a program does not have is null.
struct Dialect {
  const char* program;
  // Files and folders that only this program means, and that need no more to be imported. The
  // options' configuration is obeyed or refused. Throws Error.
  bool (*owns)(const std::filesystem::path& path) = nullptr;
  PlannedWeights (*read)(const std::filesystem::path& path, const ImportOptions& options) = nullptr;
  // Weights that come with a class of Python's; nothing for classes that are not the program's.
  // Throws Error for arguments that make no sense.
  std::optional<ModelPlan> (*plan_of_class)(const ForeignModel& foreign,
                                            const std::string& where) = nullptr;
  // Weights that come alone, told by their names. Throws Error for networks of the program that
  // stemsmith does not have.
  std::optional<PlannedWeights> (*plan_of_weights)(const NamedTensors& state,
                                                   const std::string& where) = nullptr;
  // Configurations. `fallback` is what is known of the model without. Throws Error.
  bool (*speaks)(const Config& config) = nullptr;
  ModelPlan (*plan_of_config)(const Config& config, const ModelPlan& fallback) = nullptr;
};
const std::vector<Dialect>& DialectTable();

// The row of the first dialect that a configuration is in.
const Dialect& DialectOf(const Config& config);
// The plan of a configuration. Throws Error, also where it does not name the stems.
ModelPlan PlanFromConfig(const Config& config, const ModelPlan& fallback);
// Of what was read from `path`: by its class, or by what the weights say and the configuration that
// the options name, that comes in the file, or that lies beside it. Throws Error where there is
// none of these, and where the configuration is of another model than the weights.
PlannedWeights PlanFor(const ForeignModel& foreign, const std::filesystem::path& path,
                       const ImportOptions& options);

// A configuration of any of these programs. In the words of others than ours a key may stand twice,
// which is noted. Throws Error for what is no configuration, by its content.
Config LoadModelConfig(const std::filesystem::path& path, std::vector<std::string>& notes);
// The configuration that PlanFor would take: the options' own, or one that lies beside the weights;
// empty: none.
std::filesystem::path ConfigOf(const std::filesystem::path& weights, const ImportOptions& options);
// Throws Error::Usage where the options name adapters, for what is not one model.
void RefuseLora(const ImportOptions& options, const std::filesystem::path& path);

// The options that a configuration gives, and those that the weights say. Where both speak the
// weights count: notes list what differs. What makes the model another one (its name, width,
// depth, bands) is an Error that lists it.
nlohmann::ordered_json WithSeenSizes(const nlohmann::ordered_json& given, const ModelPlan& seen,
                                     const std::string& where, std::vector<std::string>& notes);
// "a model "mdx23c" (4 stems, …)": what weights say.
std::string DescribedWeights(const ModelPlan& seen);

}  // namespace stemsmith
