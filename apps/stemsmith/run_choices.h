// What `stemsmith run` is asked for (docs/guides/own-stems.md).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/config.h"
#include "evaluate/compare/choices.h"

namespace stemsmith {

// What errors of the doctor do.
enum class DoctorRule {
  kStop,  // nothing is prepared before they are fixed
  kWarn,  // songs that cannot be used are left out
  kOff,   // nobody asks it
};

// Either trained, or a classical method that is fitted.
struct RunModel {
  std::string name;                  // of its folders, and as a method
  std::filesystem::path config;      // of its training
  std::vector<std::string> changes;  // to that, "train.steps=500"
  std::vector<std::string> formats;  // of `export`
  std::string fit;                   // row of the table of classical methods
  Config settings;                   // of it
};

struct RunChoices {
  SongChoice dataset;
  DoctorRule doctor = DoctorRule::kStop;
  std::vector<RunModel> models;  // at least one
  Config compare;                // ReadCompareChoices(compare, dataset, models as methods)
};

// Throws Error with file and line: unknown keys, values out of range, no model, training
// configurations that are not there. The keys of `compare` are left to CompareChoicesOf().
RunChoices ReadRunChoices(const Config& config);

// The training configuration of a model, as given; with a cache, on that.
Config TrainingOf(const RunModel& model, const std::filesystem::path& cache = {});

// The file of a fitted method in the folder of its model.
inline constexpr char kFittedFile[] = "model.forest";

// The models, as `folder`/NAME, beside the other methods. `splits` that the dataset has: songs for
// testing are compared on, else those for validation. Throws Error as ReadCompareChoices().
CompareChoices CompareChoicesOf(const RunChoices& choices, const std::filesystem::path& folder,
                                const std::vector<std::string>& splits);

}  // namespace stemsmith
