#include "datasets/synth/layouts.h"

#include <algorithm>
#include <system_error>

#include "core/encode.h"
#include "core/error.h"

namespace stemsmith::synth {
namespace {
namespace fs = std::filesystem;

void WriteWav(const fs::path& path, const std::vector<std::int16_t>& samples) {
  constexpr std::size_t kBlockFrames = 1 << 15;
  AudioWriter writer(path, kSampleRateHz, 2);
  std::vector<float> block(2 * kBlockFrames);
  for (std::size_t at = 0; at < samples.size(); at += block.size()) {
    const std::size_t count = std::min(block.size(), samples.size() - at);
    // Exact there and back: the writer's full scale is 2^15 as well.
    for (std::size_t i = 0; i < count; ++i) block[i] = static_cast<float>(samples[at + i]) / 32768;
    writer.Write(block.data(), count / 2);
  }
  writer.Finish();
}

fs::path PlaceInFolders(const fs::path& root, const std::string& split, const std::string& song) {
  return root / split / song;
}

void WriteFolder(const fs::path& path, const Song&, const RenderedSong& audio) {
  std::error_code error;
  fs::create_directory(path, error);
  if (error) throw Error::Input("cannot create the folder: " + error.message(), path.string());
  for (std::size_t s = 0; s < kStemNames.size(); ++s)
    WriteWav(path / (std::string(kStemNames[s]) + ".wav"), audio.stems[s]);
  WriteWav(path / "mixture.wav", audio.mixture);
}

}  // namespace

const std::vector<LayoutRow>& LayoutTable() {
  static const std::vector<LayoutRow> table = {
      {"folders", "OUT/SPLIT/SONG/STEM.wav, with mixture.wav", PlaceInFolders, WriteFolder},
  };
  return table;
}

const LayoutRow& FindLayout(const std::string& name) {
  std::vector<std::string> names;
  std::string all;
  for (const auto& row : LayoutTable()) {
    if (name == row.name) return row;
    names.emplace_back(row.name);
    all += (all.empty() ? "" : ", ") + names.back();
  }
  const std::string nearest = NearestName(name, names);
  throw Error::Usage("unknown layout \"" + name + "\"", "--layout",
                     (nearest.empty() ? "" : "did you mean " + nearest + "? ") +
                         std::string("The layouts are: ") + all);
}

}  // namespace stemsmith::synth
