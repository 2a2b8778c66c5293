// The commands of docs/guides/fine-tune.md, run as they stand on the page; only the training gets
// smaller sizes. The model to start from is a small one of the same stems as the demo's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "audio/decode.h"
#include "core/files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {
namespace fine_tune_guide {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// The lines of the first block of code behind a heading.
std::vector<std::string> CommandsOf(const fs::path& page, const std::string& heading) {
  std::istringstream lines(ReadFile(page));
  std::vector<std::string> commands;
  bool found = false, inside = false;
  for (std::string line; std::getline(lines, line);) {
    found |= line == heading;
    if (!found) continue;
    if (line.starts_with("```")) {
      if (inside) break;
      inside = true;
    } else if (inside) {
      commands.push_back(line);
    }
  }
  return commands;
}

TEST(FineTuneGuide, ItsSixCommandsRunAsWritten) {
  const fs::path source = STEMSMITH_SOURCE_DIR;
  const std::vector<std::string> commands =
      CommandsOf(source / "docs/guides/fine-tune.md", "## Six commands");
  ASSERT_EQ(commands.size(), 6u);

  const testing::TemporaryFolder folder;
  const auto run = [&](const std::string& command) {
    const auto result = testing::RunProgram("cd '" + folder.path().string() +
                                            "' && PATH=" + STEMSMITH_BIN_DIR + ":$PATH " + command);
    EXPECT_EQ(result.status, 0) << command << '\n' << result.out << result.err;
    return result.out + result.err;
  };
  const std::string small =
      " --device cpu --threads 1 --set dataset.segment_seconds=0.4 train.steps=4 "
      "train.batch_size=2 validate.every_steps=2 validate.max_segments=2";
  run("stemsmith synth demo --songs 3 --seconds 5 --seed 1");
  run("stemsmith prepare folders demo --out demo.h5");
  run("stemsmith train demo_unet --run out/demo/runs/unet" + small +
      " dataset.cache=demo.h5 model.n_fft=512 model.hop=256 model.depth=3 model.channels=4");
  run("stemsmith synth songs --songs 5 --seconds 5 --seed 7");
  fs::copy_file(fs::directory_iterator(folder / "songs/test")->path() / "mixture.wav",
                folder / "new_song.wav");

  const char* programs[] = {"stemsmith doctor ", "stemsmith prepare ", "stemsmith inspect ",
                            "stemsmith train ",  "stemsmith export ",  "separate "};
  std::string said;
  for (std::size_t i = 0; i < 6; ++i) {
    ASSERT_THAT(commands[i], StartsWith(programs[i]));
    said = run(commands[i] + (i == 3 ? small : ""));
    if (i == 2) {
      EXPECT_THAT(said, HasSubstr("drums, bass, other, vocals"));
    }
    if (i == 3) {
      EXPECT_THAT(said, HasSubstr("starting from out/demo/runs/unet/checkpoints/best.safetensors: "
                                  "drums kept, accompaniment as other"));
    }
  }
  const auto song = ReadAll(*OpenAudio(folder / "new_song.wav"));
  for (const char* stem : {"drums", "accompaniment"}) {
    const auto audio =
        ReadAll(*OpenAudio(folder / "stems/new_song" / (std::string(stem) + ".wav")));
    EXPECT_EQ(audio.frames(), song.frames()) << stem;
  }
}

}  // namespace fine_tune_guide
}  // namespace
}  // namespace stemsmith
