#include "baselines/forest_file.h"

#include <nlohmann/json.hpp>

#include "baselines/frame_features.h"
#include "core/checksum.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "core/module.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;
// The first line. A line of JSON follows, then the trees.
constexpr ChecksumField kChecksum{"stemsmith.forest.checksum=xxh3:", 0};
constexpr char kFitAgain[] =
    "copy it again, or fit one: stemsmith baseline forest --fit CACHE.h5 "
    "--out FILE";

Error Damaged(const fs::path& path, const std::string& what) {
  return Error::Input("the forest cannot be used: " + what, path.string(), kFitAgain);
}

}  // namespace

void WriteForest(const ForestFile& forest, const fs::path& path) {
  const ForestOptions& options = forest.options;
  json header = {{"version", kVersion},
                 {"stems", forest.stems},
                 {"sample_rate_hz", forest.sample_rate_hz},
                 {"n_fft", options.stft.n_fft},
                 {"hop", options.stft.hop},
                 {"bands", options.bands},
                 {"features", kRowFeatures},
                 {"fit",
                  {{"songs", options.songs},
                   {"seconds", options.seconds},
                   {"samples", options.samples},
                   {"trees", options.trees},
                   {"depth", options.depth},
                   {"smallest_leaf", options.smallest_leaf},
                   {"seed", options.seed}}},
                 {"songs", forest.songs},
                 {"tree_bytes", json::array()}};
  std::string trees;
  for (const auto& stem : forest.trees) {
    for (const std::string& text : stem) {
      header["tree_bytes"].push_back(text.size());
      trees += text;
    }
  }
  PendingFile file(path);
  WriteFileAtomically(file.path(), kChecksum.Unfilled() + "\n" + header.dump() + "\n" + trees);
  FillChecksum(file.path(), kChecksum);
  file.Commit();
}

ForestFile ReadForest(const fs::path& path) {
  std::error_code code;
  if (!fs::is_regular_file(path, code))
    throw Error::Input(fs::exists(path, code) ? "this is no file" : "no such file", path.string(),
                       kFitAgain);
  CheckContent(path, FileUse::kForestFile);
  if (CheckChecksum(path, kChecksum, kFitAgain) != ChecksumState::kMatches)
    throw Damaged(path, "it is none that stemsmith wrote");
  const std::string text = ReadFile(path);
  const std::size_t begin = kChecksum.Unfilled().size() + 1, end = text.find('\n', begin);
  if (end == std::string::npos) throw Damaged(path, "it holds nothing");
  const json header = ParseJson(std::string_view(text).substr(begin, end - begin));
  const JsonFields fields(header, [&](const std::string& what) { return Damaged(path, what); });
  if (fields.Number<int>("version", {1}) > kVersion)
    throw Error::Input("the forest is of a newer version of stemsmith", path.string(),
                       "use that one, or fit it again");
  ForestFile forest;
  forest.stems = fields.Texts("stems");
  forest.songs = fields.Texts("songs");
  forest.sample_rate_hz = fields.Number<int>("sample_rate_hz", {1000, 768'000});
  forest.options.stft.n_fft = fields.Number<int>("n_fft", {16, 65536});
  forest.options.stft.hop = fields.Number<int>("hop", {1, forest.options.stft.n_fft / 2});
  forest.options.bands = fields.Number<int>("bands", {1, 1000});
  fields.Number<std::size_t>("features", {kRowFeatures, kRowFeatures});
  const auto sizes = fields.Numbers<std::size_t>("tree_bytes");
  if (forest.stems.empty() || sizes.empty() || sizes.size() % forest.stems.size() != 0)
    throw Damaged(path, "it has no trees for some stems");
  std::size_t place = end + 1;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] > text.size() - place) throw Damaged(path, "trees are missing");
    if (i % (sizes.size() / forest.stems.size()) == 0) forest.trees.emplace_back();
    forest.trees.back().push_back(text.substr(place, sizes[i]));
    place += sizes[i];
  }
  return forest;
}

GrowTreesFunction LoadGrowTrees() {
  return reinterpret_cast<GrowTreesFunction>(
      LoadModuleSymbol("opencv", "stemsmith_grow_trees", "fitting a forest"));
}
ReadTreesFunction LoadReadTrees() {
  return reinterpret_cast<ReadTreesFunction>(
      LoadModuleSymbol("opencv", "stemsmith_read_trees", "the method 'forest'"));
}

}  // namespace stemsmith
