// Excerpts of validation songs: what the model made of them at some step, to hear and to see.
//
//   DIR/index.json           {"step", "shown_steps", "sample_rate_hz", "stems", "songs": [{"name",
//                             "folder", "start_seconds", "seconds", "sdr_db": {STEM: …}}, …]}
//   DIR/song_N/mixture.ogg   DIR/song_N/STEM.{target,estimate}.ogg
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "audio/audio.h"

namespace stemsmith {

struct Excerpt {
  std::string song;
  double start_seconds = 0.0;
  AudioBuffer mixture;                          // [C, T]
  std::vector<AudioBuffer> targets, estimates;  // of each stem, as long
};

struct ExcerptSet {
  std::int64_t step = 0;
  int sample_rate_hz = 44100;
  std::vector<std::string> stems;
  std::vector<Excerpt> songs;
};

// The song's mixture or a stem's target or estimate (`kind`) below the folder of excerpts.
std::filesystem::path ExcerptFile(const std::string& song_folder, const std::string& stem,
                                  const std::string& kind);

// `shown`: the steps of the run that were shown so far, this one among them, which the index keeps.
// Mixtures and targets that lie there already, of the same excerpts, are left alone. Throws Error
// where the files cannot be written.
void SaveExcerpts(const std::filesystem::path& folder, const ExcerptSet& set,
                  const std::vector<std::int64_t>& shown);

// index.json; null where there is none that can be read.
nlohmann::json ReadExcerptIndex(const std::filesystem::path& folder);

}  // namespace stemsmith
