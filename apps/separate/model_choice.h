// Which of the words of a command line are the models.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace stemsmith {

struct ChosenModel {
  std::filesystem::path file;  // empty: `missing` has to be downloaded first
  std::string missing;         // the name of a published model
};

struct ModelChoice {
  std::vector<ChosenModel> models;  // one at least
  std::vector<std::string> inputs;  // the other words
};

struct DefaultModel {
  std::string name;   // empty: there is none
  std::string where;  // it was named, for errors
};

// The names that ChooseModelsAndInputs() knows.
std::vector<std::string> ModelNames();

// `models` are what --model says. Where there are none: the one word that is a model, which is a
// registered or published name (also one of the user's own catalogue) or a file or folder whose
// content is a model; else `default_model`; else the only registered model.
//
// Throws Error::Usage: two words are models, a name is also a path (saying both ways to write it),
// no model. Error::Input: a damaged model, a word that is no file where a model is
// missing too.
ModelChoice ChooseModelsAndInputs(const std::vector<std::string>& models,
                                  const DefaultModel& default_model,
                                  const std::vector<std::string>& words);
// The model that a word given as one means. Throws the same of it.
ChosenModel ChooseModel(const std::string& word);

}  // namespace stemsmith
