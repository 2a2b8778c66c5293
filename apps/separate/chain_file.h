// Chains of models in YAML (docs/separate.md).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "separate/chain.h"

namespace stemsmith {

// Reads a chain: `open` gives the model of a word, which is a name or, where one lies beside the
// chain's file, a path. Throws Error with file and line for what is wrong in it.
Chain ReadChain(const std::filesystem::path& file,
                const std::function<Runtime*(const std::string& word)>& open);

}  // namespace stemsmith
