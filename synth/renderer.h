// From a composed song to finished stems.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "audio/audio.h"
#include "synth/song.h"

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

// One stem alone, 16-bit stereo [T, C], with the peak that the song's mixture would have had. The
// rest as RenderSong.
std::vector<std::int16_t> RenderTake(const Song& song, StemIndex stem,
                                     const std::filesystem::path& sound_font);

// One instrument, or one singer of `song.sung`, finished as its stem is but at no particular level:
// [2, T]. Silent where the font has no such sound. Thread-safe.
AudioBuffer RenderPart(const Song& song, const Part& part, const std::filesystem::path& sound_font);
AudioBuffer RenderSinger(const Song& song, std::size_t line);

}  // namespace stemsmith::synth
