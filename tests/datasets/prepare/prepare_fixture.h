// Songs to prepare and caches to look into, for the tests of `prepare`.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "audio/encode.h"
#include "core/files.h"
#include "datasets/cache/cache.h"
#include "datasets/cache/index.h"
#include "datasets/prepare/prepare.h"
#include "tests/datasets/dataset_files.h"
#include "tests/support/error_of.h"
#include "tests/support/heard.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::prepare_fixture {

namespace fs = std::filesystem;
using testing::MessageOf;
using testing::Noise;
using testing::Samples;
using testing::TemporaryFolder;

inline constexpr std::size_t kFrames = testing::kNoiseFrames;

class PrepareTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const AudioBuffer& audio, int sample_rate_hz = 44100,
             SampleFormat format = SampleFormat::kInt16) {
    testing::WriteStem(root_ / name, audio, sample_rate_hz, format);
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
    options.host = heard_.host();
    return options;
  }
  PrepareResult Prepare() { return PrepareCache(Options()); }
  PrepareResult PrepareWith(const std::string& recipe) {
    WriteFileAtomically(out_ / "recipe.yaml", recipe);
    PrepareOptions options = Options();
    options.recipe = out_ / "recipe.yaml";
    return PrepareCache(options);
  }
  std::vector<float> Stem(const std::string& song, const std::string& stem) {
    return testing::StemInCache(out_ / "cache.h5", song, stem);
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
  testing::Heard heard_;
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
