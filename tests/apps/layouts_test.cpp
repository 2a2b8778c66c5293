// Every dataset layout from its files to training: synth → doctor → prepare → 20 training steps.
#include <gtest/gtest.h>

#include "core/files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using testing::ProgramResult;
using testing::RunProgram;

const std::string kStemsmith = STEMSMITH_BIN_DIR "/stemsmith";

struct Layout {
  const char* kind;
  const char* recipe;  // below configs/recipes, or "" for none
};

class EveryLayout : public ::testing::TestWithParam<Layout> {};

TEST_P(EveryLayout, TrainsFromItsFiles) {
  const Layout& layout = GetParam();
  testing::TemporaryFolder folder;
  const auto path = [&](const std::string& name) { return (folder / name).string(); };
  const auto must = [](const std::string& command) {
    const ProgramResult result = RunProgram(command);
    ASSERT_EQ(result.status, 0) << command << '\n' << result.out << result.err;
  };
  const std::string kind = layout.kind;
  const std::string recipe =
      *layout.recipe == '\0'
          ? ""
          : " --recipe " STEMSMITH_SOURCE_DIR "/configs/recipes/" + std::string(layout.recipe);
  must(kStemsmith + " synth " + path("songs") + " --songs 4 --seconds 5 --seed 4 --layout " + kind);
  must(kStemsmith + " doctor " + kind + " " + path("songs") + recipe);
  must(kStemsmith + " prepare " + kind + " " + path("songs") + " --out " + path("cache.h5") +
       recipe);
  WriteFileAtomically(path("train.yaml"),
                      "dataset: {cache: " + path("cache.h5") +
                          ", segment_seconds: 0.4}\n"
                          "augment: [{name: remix}, {name: gain, range_db: [-3, 3]}]\n"
                          "model: {name: unet, n_fft: 512, hop: 256, depth: 3, channels: 2}\n"
                          "train: {steps: 20, batch_size: 2, seed: 1}\n"
                          "validate: {every_steps: 0}\n");
  must(kStemsmith + " train " + path("train.yaml") + " --run " + path("run") +
       " --device cpu --threads 1");
  EXPECT_TRUE(std::filesystem::exists(path("run") + "/checkpoints/last.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(Layouts, EveryLayout,
                         ::testing::Values(Layout{"folders", "vocals-accompaniment.yaml"},
                                           Layout{"musdb18", "musdb4.yaml"},
                                           Layout{"musdb18hq", "drums-accompaniment.yaml"},
                                           Layout{"slakh",
                                                  "slakh-bass-drums-guitar-piano-rest.yaml"},
                                           Layout{"moisesdb", "moisesdb-four-stems.yaml"},
                                           Layout{"medleydb", "medleydb-four-stems.yaml"},
                                           Layout{"stem_pools", ""}, Layout{"csv", ""}),
                         [](const auto& info) { return std::string(info.param.kind); });

}  // namespace
}  // namespace stemsmith
