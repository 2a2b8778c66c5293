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

// `model` is what --model says. Where it is empty: the one word that is a model, which is a
// registered or published name or a file or folder whose content is a model; else `default_model`,
// of the settings file; else the only registered model.
//
// Throws Error::Usage: two words are models, a name is also a path (saying both ways to write it),
// no model, no songs.
ModelChoice ChooseModelAndInputs(const std::string& model, const std::string& default_model,
                                 const std::vector<std::string>& words);

}  // namespace stemsmith
