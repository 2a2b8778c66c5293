// From a composed song to finished stems.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "datasets/synth/song.h"

namespace stemsmith::synth {

// 16-bit stereo, interleaved [T, C]. The mixture is the sum of the stems, sample by sample; nothing
// clips.
struct RenderedSong {
  std::size_t frames = 0;
  std::array<std::vector<std::int16_t>, 4> stems;  // by StemIndex
  std::vector<std::int16_t> mixture;
};

// The same song and sound font give the same samples. Throws Error when the font leaves a stem
// silent. Thread-safe.
RenderedSong RenderSong(const Song& song, const std::filesystem::path& sound_font);

}  // namespace stemsmith::synth
