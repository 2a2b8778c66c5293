#include "separate/model_files.h"

#include <fstream>
#include <string_view>

#include "core/checksum.h"
#include "core/files.h"
#include "separate/manifest_file.h"
#include "separate/onnx_file.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

bool IsArchive(const fs::path& path) {
  char head[4] = {};
  std::ifstream(path, std::ios::binary).read(head, sizeof(head));
  return std::string_view(head, sizeof(head)) == "PK\x03\x04";
}

}  // namespace

std::vector<fs::path> ModelFiles::All() const {
  std::vector<fs::path> all = {model};
  all.insert(all.end(), weights.begin(), weights.end());
  if (!manifest.empty()) all.push_back(manifest);
  return all;
}

ModelFiles FilesOfModel(const fs::path& model, const fs::path& manifest) {
  ModelFiles files{.model = model, .weights = {}, .manifest = manifest};
  if (IsArchive(model)) return files;
  for (const std::string& name : ReadWeightFiles(model))
    files.weights.push_back(model.parent_path() / name);
  if (manifest.empty()) files.manifest = ManifestBeside(model);
  return files;
}

std::string HashOfFiles(const std::vector<fs::path>& files) {
  std::string all;
  for (const fs::path& file : files) all += HexHash(HashContent(file));
  return all;
}

}  // namespace stemsmith
