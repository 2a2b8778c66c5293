#include "separate/song_separator.h"

#include <algorithm>

namespace stemsmith {

std::vector<AudioBuffer> ReadAllStems(SongSeparator& song) {
  constexpr std::size_t kBlockFrames = 65536;
  const int channels = song.info().channels;
  std::vector<std::vector<float>> all(song.stems().size()), blocks;
  while (song.Read(kBlockFrames, blocks) > 0) {
    for (std::size_t s = 0; s < all.size(); ++s)
      all[s].insert(all[s].end(), blocks[s].begin(), blocks[s].end());
  }
  std::vector<AudioBuffer> stems;
  for (const std::vector<float>& samples : all) {
    const std::size_t frames = samples.size() / static_cast<std::size_t>(channels);
    stems.emplace_back(channels, frames);
    Deinterleave(samples.data(), channels, frames, stems.back().samples().data());
  }
  return stems;
}

}  // namespace stemsmith
