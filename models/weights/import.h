// Weights of other programs as checkpoints of ours.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/weights/dialects/dialect.h"

namespace stemsmith {

struct ImportedModel {
  Checkpoint checkpoint;
  std::size_t kept = 0, wanted = 0;  // tensors
  std::vector<std::string> notes;
};
// A file of ReadForeignModel, or what a dialect owns: a bag (.yaml), a folder of Open-Unmix. Throws
// Error: see there; for weights that do not fit it names the tensors with their shapes.
ImportedModel ImportWeights(const std::filesystem::path& path, const ImportOptions& options);

}  // namespace stemsmith
