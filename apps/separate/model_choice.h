// Which of the words of a command line is the model.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace stemsmith {

struct ModelChoice {
  std::filesystem::path file;       // empty: `missing` has to be downloaded first
  std::string missing;              // the name of a published model
  std::vector<std::string> inputs;  // the other words
};

struct DefaultModel {
  std::string name;   // empty: there is none
  std::string where;  // it was named, for errors
};

// The names that ChooseModelAndInputs() knows.
std::vector<std::string> ModelNames();

// `model` is what --model says. Where it is empty: the one word that is a model, which is a
// registered or published name (also one of the user's own catalogue) or a file or folder whose
// content is a model; else `default_model`; else the only registered model.
//
// Throws Error::Usage: two words are models, a name is also a path (saying both ways to write it),
// no model. Error::Input: a damaged model, a word that is no file where a model is
// missing too.
ModelChoice ChooseModelAndInputs(const std::string& model, const DefaultModel& default_model,
                                 const std::vector<std::string>& words);

}  // namespace stemsmith
