// Songs to prepare and caches to look into, for the tests of `prepare`.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "audio/encode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
#include "datasets/cache/cache.h"
#include "datasets/cache/index.h"
#include "datasets/prepare/prepare.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::prepare_fixture {

namespace fs = std::filesystem;
using testing::TemporaryFolder;

inline constexpr std::size_t kFrames = 20'000;

inline std::string MessageOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "(no error)";
}

// Noise that 16 bits keep exactly.
inline AudioBuffer Noise(std::uint64_t seed, std::size_t frames = kFrames, int channels = 2,
                         float peak = 0.2f) {
  RandomStream random({seed});
  AudioBuffer audio(channels, frames);
  for (float& sample : audio.samples()) {
    sample = static_cast<float>(std::floor(random.Uniform(-peak, peak) * 32768) / 32768);
  }
  return audio;
}

class PrepareTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const AudioBuffer& audio, int sample_rate_hz = 44100,
             SampleFormat format = SampleFormat::kInt16) {
    EncodeOptions options;
    options.sample_format = format;
    WriteAudio(root_ / name, audio, sample_rate_hz, options);
  }
  void WriteSong(const std::string& song, std::uint64_t seed) {
    Write(song + "/drums.wav", Noise(seed * 10 + 1));
    Write(song + "/bass.wav", Noise(seed * 10 + 2));
  }
  PrepareOptions Options() {
    PrepareOptions options;
    options.reader.root = root_.path();
    options.out = out_ / "cache.h5";
    options.threads = 2;
    options.mode = OutputMode::kQuiet;
    return options;
  }
  PrepareResult Prepare() { return PrepareCache(Options()); }
  PrepareResult PrepareWith(const std::string& recipe) {
    WriteFileAtomically(out_ / "recipe.yaml", recipe);
    PrepareOptions options = Options();
    options.recipe = out_ / "recipe.yaml";
    return PrepareCache(options);
  }
  // All samples of a stem of the song, planar.
  std::vector<float> Stem(const std::string& song, const std::string& stem) {
    const CacheReader cache(out_ / "cache.h5");
    for (std::size_t i = 0; i < cache.tracks().size(); ++i) {
      if (cache.tracks()[i].name != song) continue;
      for (std::size_t s = 0; s < cache.stems().size(); ++s) {
        if (cache.stems()[s] != stem) continue;
        std::vector<float> audio(cache.tracks()[i].frames * cache.channels());
        cache.ReadStem(i, s, 0, cache.tracks()[i].frames, audio.data());
        return audio;
      }
    }
    ADD_FAILURE() << "no stem " << stem << " of " << song;
    return {};
  }
  static std::vector<float> Samples(const AudioBuffer& audio) {
    return {audio.samples().begin(), audio.samples().end()};
  }
  // The one failure of a run, which must leave the song "good" in the cache.
  std::string OnlyFailure() {
    const PrepareResult result = Prepare();
    EXPECT_EQ(result.failures.size(), 1u);
    EXPECT_TRUE(result.wrote_index);
    EXPECT_EQ(CacheReader(out_ / "cache.h5").tracks().size(), 1u);
    EXPECT_EQ(CacheReader(out_ / "cache.h5").tracks()[0].name, "good");
    return result.failures.empty() ? "" : result.failures[0].error.what();
  }
  std::vector<std::string> FilesInOut() {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(out_.path())) {
      if (entry.is_regular_file() && entry.path().filename() != ".lock") {
        names.push_back(fs::relative(entry.path(), out_.path()).string());
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  TemporaryFolder root_, out_;
};

// Runs in a child process; gives its exit status, or 128 + signal.
inline int InChild(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    int status = 99;
    try {
      status = work();
    } catch (...) {
    }
    _exit(status);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace stemsmith::prepare_fixture
