// Low-rank adapters (models/layers/linear.h) outside of their model: in checkpoints, merged, and in
// a file of their own.
#pragma once

#include <filesystem>
#include <string>

#include "models/checkpoint.h"

namespace stemsmith {

// "LAYER.lora_A" [r, in] and "LAYER.lora_B" [out, r] of a checkpoint's weights taken into
// "LAYER.weight" [out, in]: W + B · A · alpha / r. Nothing to do without lora_alpha. Throws Error at
// `where` for adapters whose layer or other half is missing or of another shape.
void MergeAdapters(Checkpoint& checkpoint, const std::string& where);

// The adapters of a checkpoint that has them, alone, as a .safetensors file with the metadata
// `lora_alpha` and `lora_rank`. Throws Error at `where` for a checkpoint without.
void SaveAdapters(const std::filesystem::path& file, const Checkpoint& checkpoint,
                  const std::string& where);

}  // namespace stemsmith
