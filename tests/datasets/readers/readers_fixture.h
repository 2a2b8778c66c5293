// What the tests of the readers have in common: a folder of files that need not be audio (readers
// decode nothing), and a cache prepared from it where they must be.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "audio/encode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "datasets/cache/cache.h"
#include "datasets/prepare/prepare.h"
#include "datasets/readers/track.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {

inline std::string MessageOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "(no error)";
}

// Builds without libav leave its module out.
inline bool HaveFfmpegAndLibav() {
  return std::filesystem::exists(ProgramFolder().parent_path() / "lib/libstemsmith_libav.so") &&
         RunProgram("ffmpeg -version").status == 0;
}

inline std::string ProblemOf(const Track& track) {
  return track.problem ? track.problem->what() : "(no problem)";
}

inline std::vector<std::string> SourceNames(const Track& track) {
  std::vector<std::string> names;
  for (const SourceStem& source : track.sources) names.push_back(source.name);
  return names;
}

// "split/song"
inline std::vector<std::string> Names(const std::vector<Track>& tracks) {
  std::vector<std::string> names;
  for (const Track& track : tracks) names.push_back(track.split + "/" + track.name);
  return names;
}

// Noise that 16 bits keep exactly.
inline AudioBuffer Noise(std::uint64_t seed, std::size_t frames, int channels) {
  RandomStream random({seed});
  AudioBuffer audio(channels, frames);
  for (float& sample : audio.samples()) {
    sample = static_cast<float>(std::floor(random.Uniform(-0.2, 0.2) * 32768) / 32768);
  }
  return audio;
}

class DatasetFixture : public ::testing::Test {
 protected:
  explicit DatasetFixture(std::string kind) : kind_(std::move(kind)) {
    options_.root = root_.path();
  }

  void Touch(const std::string& name) { Text(name, "x"); }
  void Text(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
  }
  // The ending decides the format.
  void Audio(const std::string& name, const AudioBuffer& audio, int sample_rate_hz = 44100) {
    EncodeOptions options;
    if (name.ends_with(".flac")) options.format = "flac";
    options.sample_format = SampleFormat::kInt16;
    WriteAudio(root_ / name, audio, sample_rate_hz, options);
  }
  std::vector<Track> Scan() { return ScanDataset(kind_, options_); }

  PrepareResult Prepare(const std::string& recipe = "") {
    PrepareOptions options;
    options.kind = kind_;
    options.reader = options_;
    options.out = out_ / "cache.h5";
    options.threads = 2;
    options.mode = OutputMode::kQuiet;
    if (!recipe.empty()) {
      WriteFileAtomically(out_ / "recipe.yaml", recipe);
      options.recipe = out_ / "recipe.yaml";
    }
    return PrepareCache(options);
  }
  // All samples of a stem of the song, planar.
  std::vector<float> Stem(const std::string& song, const std::string& stem) {
    const CacheReader cache(out_ / "cache.h5");
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
  static std::vector<float> Samples(const AudioBuffer& audio) {
    return {audio.samples().begin(), audio.samples().end()};
  }

  TemporaryFolder root_, out_;
  std::string kind_;
  ReaderOptions options_;
};

}  // namespace stemsmith::testing
