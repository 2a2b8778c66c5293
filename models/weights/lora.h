// Low-rank adapters (LoRA; Hu et al. 2021) of other programs, merged into the weights that they
// were trained beside: W + alpha / r · B · A, in float32.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "models/state_fit.h"

namespace stemsmith {

struct LoraOptions {
  std::optional<double> alpha;   // empty: from the adapters or the configuration
  std::filesystem::path config;  // MSST's, whose `lora` says alpha; empty: none
};
// Adds to `state` the adapters of `path`: a file that holds lora_A and lora_B alone (loralib,
// MSST), or a folder of PEFT (adapter_config.json, adapter_model.safetensors or .bin). Adapters of
// loralib's MergedLinear (the queries and values of to_qkv) are known too. Returns a note for the
// user. Throws Error for adapters of another model (names, shapes), other kinds of adapters, an
// unknown alpha.
std::string MergeLora(const std::filesystem::path& path, const LoraOptions& options,
                      NamedTensors& state);

// Throws Error when adapters lie among the weights of a model, or in their place.
void RefuseAdaptersAmong(const NamedTensors& weights, const std::string& where);

// The files that MergeLora reads of `path`: the adapters, then the configuration of a PEFT folder.
// Throws Error for folders without adapters.
std::vector<std::filesystem::path> LoraFiles(const std::filesystem::path& path);

}  // namespace stemsmith
