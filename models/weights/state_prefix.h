// Which of a file's tensors are the model's. Training programs put words before all its names
// ("model.", "module.", "_orig_mod.", "ema_model.", the key that the state lies under), several of
// them, and keep other tensors beside it.
#pragma once

#include <string>
#include <vector>

#include "models/checkpoint.h"

namespace stemsmith {

struct ChosenState {
  NamedTensors state;               // of the names that begin with `prefix`, without it
  std::string prefix;               // "state_dict.model."; empty: none
  std::vector<std::string> others;  // further prefixes that a whole model lies under
  std::vector<std::string> aside;   // names of what is under none of these
  std::size_t known = 0;            // names of the model that it has

  // For the user: what was taken where there is more than that in the file; empty: all was.
  std::string Note() const;
  // For errors: what was seen of prefixes; empty: no word of them is needed.
  std::string Sight() const;
};

// Takes the prefix under which most names of `model`, a state dict, are found, with their shapes
// where several have as many; weights come before averages of them. Words that wrappers put into
// the middle of names ("_orig_mod.") are dropped. Without any name of the model all is taken.
ChosenState ChooseState(const NamedTensors& given, const NamedTensors& model);

// What the names begin with: the longest prefix of all of them, else the most frequent first words:
// "\"net\" (12), \"head\" (3)".
std::string PrefixesOf(const NamedTensors& given);

}  // namespace stemsmith
