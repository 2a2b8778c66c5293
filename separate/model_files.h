// Which files a model consists of, for all that copies models or asks whether they have changed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace stemsmith {

struct ModelFiles {
  std::filesystem::path model;                 // .onnx or .ts
  std::vector<std::filesystem::path> weights;  // of an .onnx file, where they lie in others
  // What describes an .onnx file of another program; empty where the model says it itself.
  std::filesystem::path manifest;

  std::vector<std::filesystem::path> All() const;
};

// Of a model file; `manifest` as RuntimeOptions::manifest_file. Files that are named need not be
// there. Throws Error for an .onnx file that cannot be read.
ModelFiles FilesOfModel(const std::filesystem::path& model,
                        const std::filesystem::path& manifest = {});

// A hash of the content of all.
std::string HashOfFiles(const std::vector<std::filesystem::path>& files);

}  // namespace stemsmith
