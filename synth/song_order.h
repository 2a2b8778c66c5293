// A song that is to be rendered.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "synth/song.h"

namespace stemsmith::synth {

struct SongOrder {
  const Song& song;
  std::uint64_t seed = 1;  // of the data set
  const std::filesystem::path& sound_font;
};

// The number in "song_012_a_minor_112bpm", from 1; 0 where there is none.
int SongNumber(const std::string& song_name);

}  // namespace stemsmith::synth
