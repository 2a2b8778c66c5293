// Chains of models in YAML (docs/separate.md).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "separate/chain.h"

namespace stemsmith {

// Gives the model of a word, which is a name or, where one lies beside the chain's file, a path;
// `manifest` is the file that describes it, of models of other programs, else empty.
using OpenChainModel =
    std::function<Runtime*(const std::string& word, const std::filesystem::path& manifest)>;

// Reads a chain. Throws Error with file and line for what is wrong in it.
Chain ReadChain(const std::filesystem::path& file, const OpenChainModel& open);

}  // namespace stemsmith
