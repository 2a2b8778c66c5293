// The program `separate` in a temporary folder with a tiny model and a song.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "audio/decode.h"
#include "audio/encode.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {

inline const std::string kSeparate = STEMSMITH_BIN_DIR "/separate";

inline AudioBuffer Ramp(int channels, std::size_t frames) {
  AudioBuffer audio(channels, frames);
  for (int c = 0; c < channels; ++c) {
    for (std::size_t t = 0; t < frames; ++t) {
      audio.channel(c)[t] =
          0.5f * std::sin(0.01f * static_cast<float>(t * static_cast<std::size_t>(c + 1)));
    }
  }
  return audio;
}

inline std::vector<float> Samples(const std::filesystem::path& path) {
  const auto reader = OpenAudio(path);
  const AudioBuffer audio = ReadAll(*reader);
  return {audio.samples().begin(), audio.samples().end()};
}

// All files below a folder, hidden ones too, relative to it.
inline std::vector<std::string> FilesBelow(const std::filesystem::path& folder) {
  std::vector<std::string> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_directory()) files.push_back(entry.path().lexically_relative(folder).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class SeparateProgram : public ::testing::Test {
 protected:
  SeparateProgram() {
    WriteGainOnnx(folder_ / "model.onnx", TinyManifest(), {0.5f, -0.25f});
    WriteAudio(folder_ / "good.wav", Ramp(2, 30000), 44100);
  }

  // Runs in the temporary folder; `arguments` go through the shell.
  ProgramResult Separate(const std::string& arguments, const std::string& before = "") {
    return RunProgram("cd '" + folder_.path().string() + "' && " + before + kSeparate + " " +
                      arguments);
  }

  // The one error line of a failing run, with the last line that counts taken off.
  void ExpectBadInput(const std::string& name, const std::string& says) {
    const ProgramResult result = Separate("model.onnx " + name + " good.wav -o out");
    EXPECT_EQ(result.status, 1) << name;
    std::istringstream lines(result.err);
    std::string line, count, more;
    std::getline(lines, line);
    std::getline(lines, count);
    using ::testing::HasSubstr;
    EXPECT_THAT(line, ::testing::AllOf(HasSubstr("error: "), HasSubstr(name), HasSubstr(says)));
    EXPECT_EQ(count, "error: 1 of 2 inputs failed");
    EXPECT_FALSE(std::getline(lines, more)) << more;
    EXPECT_THAT(FilesBelow(folder_ / "out"),
                ::testing::ElementsAre("good/bass.wav", "good/drums.wav"));
    std::filesystem::remove_all(folder_ / "out");
  }

  TemporaryFolder folder_;
};

}  // namespace stemsmith::testing
