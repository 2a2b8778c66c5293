// Writes weights as packages of Demucs, for Python: `demucs --repo DIR -n NAME` loads the .th
// files, demucs.hf.load_safetensors_model the .safetensors files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/checkpoint.h"

namespace stemsmith {

struct PackageOptions {
  std::filesystem::path out;  // the folder
  std::string name;           // what Python calls the model; no hyphens, slashes and dots
  std::string format;         // "th" or "safetensors"
};
// A .th file is named NAME-CHECKSUM.th, as Python checks it; a bag becomes NAME.yaml and a file for
// each of its models. Returns the files, the one to name first. Throws Error for models that Python
// demucs does not have.
std::vector<std::filesystem::path> WritePackage(const Checkpoint& checkpoint,
                                                const std::string& where,
                                                const PackageOptions& options);

}  // namespace stemsmith
