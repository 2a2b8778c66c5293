// How songs are stored, and which of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "datasets/cache/spectrogram_format.h"
#include "datasets/recipes/recipe.h"

namespace stemsmith {

// The numbers of all but the new ones stand in the recipe hashes of older caches.
enum class CacheFormat { kAuto = 0, kInt16 = 1, kFloat32 = 2, kFloat16 = 3 };
const char* CacheFormatName(CacheFormat format);  // "auto", "int16", "float16", "float32"

// What of a song is left out.
struct TrimOptions {
  // Silence is cut out: stretches of at least min_silence_seconds in which every stem and their sum
  // stay below this level (dB relative to full scale), but for 50 ms next to what sounds.
  std::optional<double> silence_db;
  double min_silence_seconds = 1.0;
  // Of each song (after that) so much from its middle; shorter songs are kept whole. 0: all of it.
  double excerpt_seconds = 0;
};

struct PrepareTrackOptions {
  std::filesystem::path root;      // source paths are remembered relative to it
  std::vector<std::string> stems;  // S names, as many as the mix has targets
  int sample_rate_hz = 44100;
  int channels = 2;
  // kAuto: int16 where every source has at most 16 bits, else float32.
  CacheFormat format = CacheFormat::kAuto;
  SplitChannels source_channels;  // which channels of the sources are taken
  TrimOptions trim;
  int compression = 0;  // as in TrackFormat
  // Stored instead of audio, as float32 or, where the format says so, float16.
  std::optional<SpectrogramFormat> spectrogram;
  OnDamage on_damage = OnDamage::kFail;
};

// A share of the songs: one of `count` runs that fill one cache side by side, as on many machines.
// Songs are dealt out by their place in the dataset's order. A shard writes the files of its songs
// and no index; a run of all songs afterwards finds them finished and writes it.
struct PrepareShard {
  int number = 1;  // from 1
  int count = 1;

  bool all() const { return count == 1; }
  bool Has(std::size_t place) const {
    return place % static_cast<std::size_t>(count) == static_cast<std::size_t>(number - 1);
  }
  std::string Text() const { return std::to_string(number) + "/" + std::to_string(count); }
  // "K/N". Throws Error.
  static PrepareShard Parse(const std::string& text);
};

}  // namespace stemsmith
