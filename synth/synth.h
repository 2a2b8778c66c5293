// Makes a folder of demo songs: composes, renders and writes them, in parallel and resumable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/host.h"

namespace stemsmith::synth {

struct SynthOptions {
  std::filesystem::path out;
  int songs = 20;
  double seconds = 30;  // of each song, 5 … 1800
  std::uint64_t seed = 1;
  std::string layout = "folders";
  std::filesystem::path sound_font;  // empty: FindSoundFont decides
  // Both, or neither: the first `test_songs` songs are for testing, the next `valid_songs` for
  // validation, the rest for training. Below 0 the rule of SplitOf holds.
  int valid_songs = -1, test_songs = -1;
  int threads = 0;     // 0: as many as there are cores; the result is the same for any number
  bool force = false;  // replace songs made with other settings
  Host host;
};

struct SynthResult {
  int rendered = 0, kept = 0;  // songs made now, songs that were there
  int signal = 0;              // the one that stopped the work
};

// "train", "valid" or "test". Of every 20 songs 14, 3 and 3; among the first three one each.
// Depends on the song's number alone, so that more songs can be added to a folder.
std::string SplitOf(int index, const SynthOptions& options);

// Makes what is missing of the songs in `out`. `out`/synth.json says with which settings they were
// made; other settings are an error unless `force`, which removes the songs made before. Throws
// Error (bad options, no sound font, folder not writable, disk full).
SynthResult MakeSongs(const SynthOptions& options);

}  // namespace stemsmith::synth
