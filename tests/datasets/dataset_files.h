// Stems of noise as files, and what a cache made of them gives back.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "audio/encode.h"
#include "core/random.h"
#include "datasets/cache/cache.h"

namespace stemsmith::testing {

inline constexpr std::size_t kNoiseFrames = 20'000;

// Noise that 16 bits keep exactly.
inline AudioBuffer Noise(std::uint64_t seed, std::size_t frames = kNoiseFrames, int channels = 2,
                         float peak = 0.2f) {
  RandomStream random({seed});
  AudioBuffer audio(channels, frames);
  for (float& sample : audio.samples())
    sample = static_cast<float>(std::floor(random.Uniform(-peak, peak) * 32768) / 32768);
  return audio;
}

// FLAC where the name ends so, else WAV.
inline void WriteStem(const std::filesystem::path& path, const AudioBuffer& audio,
                      int sample_rate_hz = 44100, SampleFormat format = SampleFormat::kInt16) {
  EncodeOptions options;
  if (path.extension() == ".flac") options.format = "flac";
  options.sample_format = format;
  WriteAudio(path, audio, sample_rate_hz, options);
}

// All samples, planar.
inline std::vector<float> Samples(const AudioBuffer& audio) {
  return {audio.samples().begin(), audio.samples().end()};
}

// All samples of a stem of the song in a cache, planar; fails the test when there is none.
inline std::vector<float> StemInCache(const std::filesystem::path& path, const std::string& song,
                                      const std::string& stem) {
  const CacheReader cache(path);
  for (std::size_t i = 0; i < cache.tracks().size(); ++i) {
    if (cache.tracks()[i].name != song) continue;
    for (std::size_t s = 0; s < cache.stems().size(); ++s) {
      if (cache.stems()[s] != stem) continue;
      const std::int64_t frames = cache.tracks()[i].frames;
      std::vector<float> audio(static_cast<std::size_t>(frames * cache.channels()));
      cache.ReadStem(i, s, 0, frames, audio.data());
      return audio;
    }
  }
  ADD_FAILURE() << "no stem " << stem << " of " << song;
  return {};
}

}  // namespace stemsmith::testing
