// The words in which programs describe the models that their weights belong to: one file and one
// row of a table for each program. Import asks the table, and knows no program itself.
#pragma once

#include <filesystem>
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
};

// The model that weights belong to, in our words.
struct ModelPlan {
  nlohmann::ordered_json model;  // the configuration, with `name`
  ModelSetting setting;
  std::int64_t segment_frames = 0;
  SongNormalization song_normalization = SongNormalization::kNone;
  Tail tail = Tail::kZeros;
  std::vector<std::string> notes;  // for the user: what was left out or decided

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
  // Configurations. `fallback` is what is known of the model without. Throws Error.
  bool (*speaks)(const Config& config) = nullptr;
  ModelPlan (*plan_of_config)(const Config& config, const ModelPlan& fallback) = nullptr;
};
const std::vector<Dialect>& DialectTable();

// The row of the first dialect that a configuration is in.
const Dialect& DialectOf(const Config& config);
// The plan of a configuration file. Throws Error, also where it does not name the stems.
ModelPlan PlanFromConfig(const std::filesystem::path& config, const ModelPlan& fallback);
// Of what was read from `path`: by its class, by the configuration that the options name, or by the
// one that lies beside it. Throws Error where there is none of these.
ModelPlan PlanFor(const ForeignModel& foreign, const std::filesystem::path& path,
                  const std::filesystem::path& config);

}  // namespace stemsmith
