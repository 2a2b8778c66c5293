// What the tests of the readers have in common: a folder of files that need not be audio (readers
// decode nothing), and a cache prepared from it where they must be.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "audio/encode.h"
#include "core/files.h"
#include "datasets/cache/cache.h"
#include "datasets/prepare/prepare.h"
#include "datasets/readers/track.h"
#include "tests/datasets/dataset_files.h"
#include "tests/support/error_of.h"
#include "tests/support/heard.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {

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
  void Audio(const std::string& name, const AudioBuffer& audio, int sample_rate_hz = 44100) {
    WriteStem(root_ / name, audio, sample_rate_hz);
  }
  std::vector<Track> Scan() { return ScanDataset(kind_, options_); }

  PrepareResult Prepare(const std::string& recipe = "") {
    PrepareOptions options;
    options.kind = kind_;
    options.reader = options_;
    options.out = out_ / "cache.h5";
    options.threads = 2;
    options.host = heard_.host();
    if (!recipe.empty()) {
      WriteFileAtomically(out_ / "recipe.yaml", recipe);
      options.recipe = out_ / "recipe.yaml";
    }
    return PrepareCache(options);
  }
  std::vector<float> Stem(const std::string& song, const std::string& stem) {
    return StemInCache(out_ / "cache.h5", song, stem);
  }

  Heard heard_;
  TemporaryFolder root_, out_;
  std::string kind_;
  ReaderOptions options_;
};

}  // namespace stemsmith::testing
