#include "separate/ensemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "separate/wiener.h"
#include "tests/separate/stream_fixture.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Every stem is the mixture times a number of its own.
FunctionRuntime Gains(const std::vector<std::string>& stems, std::vector<float> gains,
                      int rate = 44100) {
  Manifest manifest = ShortSegments();
  manifest.model_name = "gains" + std::to_string(rate);
  manifest.stems = stems;
  manifest.sample_rate_hz = rate;
  return {manifest, [gains](const float* mix, std::int64_t frames, float* estimates) {
            for (const float gain : gains)
              for (std::int64_t i = 0; i < 2 * frames; ++i) *estimates++ = gain * mix[i];
          }};
}

std::unique_ptr<SongSeparator> Together(const std::vector<Runtime*>& models,
                                        const std::vector<float>& song,
                                        const EnsembleOptions& options) {
  return SeparateByModels(
      models, [&] { return std::make_unique<MemoryReader>(song, 2, 44100); }, {}, {}, options);
}

TEST(Ensemble, CombinesStemsOfOneName) {
  FunctionRuntime a = Gains({"drums", "vocals"}, {0.5f, 0.25f}),
                  b = Gains({"vocals", "drums"}, {-0.75f, 0.1f}),
                  c = Gains({"drums", "vocals"}, {0.2f, 0.5f});
  const std::vector<float> song = Noise(2 * 20000);
  const std::vector<std::pair<EnsembleOptions, std::pair<float, float>>> cases = {
      {{}, {0.8f / 3, 0.0f}},
      {{.combine = "mean", .weights = {2, 1, 1}}, {1.3f / 4, 0.25f / 4}},
      {{.combine = "median", .weights = {}}, {0.2f, 0.25f}},
      {{.combine = "min", .weights = {}}, {0.1f, 0.25f}},
      {{.combine = "max", .weights = {}}, {0.5f, -0.75f}},
      {{.combine = "min_fft", .weights = {}}, {0.1f, 0.25f}},
      {{.combine = "max_fft", .weights = {}}, {0.5f, -0.75f}},
      {{.combine = "median_fft", .weights = {}}, {0.2f, 0.25f}}};
  for (const auto& [options, gains] : cases) {
    const auto together = Together({&a, &b, &c}, song, options);
    EXPECT_THAT(together->stems(), ElementsAre("drums", "vocals"));
    std::vector<std::vector<float>> stems(2), blocks;
    for (std::size_t frames = 1; const std::size_t count = together->Read(frames, blocks);
         frames = frames * 7 % 5003 + 1) {
      EXPECT_LE(count, frames);
      for (std::size_t s = 0; s < 2; ++s)
        stems[s].insert(stems[s].end(), blocks[s].begin(), blocks[s].end());
    }
    ASSERT_EQ(stems[0].size(), song.size()) << options.combine;
    EXPECT_LT(LargestDifference(stems[0], song, gains.first), 1e-6) << options.combine;
    EXPECT_LT(LargestDifference(stems[1], song, gains.second), 1e-6) << options.combine;
  }
}

TEST(Ensemble, OfModelsThatDoNotMatchIsRefused) {
  FunctionRuntime a = Gains({"drums", "vocals"}, {1, 1}), b = Gains({"vocals", "other"}, {1, 1}),
                  c = Gains({"bass"}, {1}), slow = Gains({"drums", "vocals"}, {1, 1}, 22050);
  EXPECT_THAT(StemsOfAll({&a, &b}, true), ElementsAre("vocals"));
  EXPECT_THAT(MessageOf([&] { StemsOfAll({&a, &b}); }),
              AllOf(HasSubstr("different stems"), HasSubstr("vocals, other"),
                    HasSubstr("--stems vocals")));
  EXPECT_THAT(MessageOf([&] { StemsOfAll({&a, &c}, true); }), HasSubstr("a stem in common"));
  EXPECT_THAT(MessageOf([&] { StemsOfAll({&a, &slow}); }),
              AllOf(HasSubstr("different sample rates"),
                    HasSubstr("44100 Hz; gains22050: 22050 Hz")));
}

TEST(Ensemble, OptionsAreChecked) {
  const auto error = [](const EnsembleOptions& options, std::size_t songs) {
    return MessageOf([&] { options.Check(songs); });
  };
  EXPECT_THAT(error({.combine = "mediam", .weights = {}}, 2), HasSubstr("did you mean 'median'?"));
  EXPECT_THAT(error({.combine = "max", .weights = {}}, 1), HasSubstr("a single model"));
  EXPECT_THAT(error({.combine = "", .weights = {1}}, 1), HasSubstr("a single model"));
  EXPECT_THAT(error({.combine = "max", .weights = {1, 2}}, 2), HasSubstr("only the mean"));
  EXPECT_THAT(error({.combine = "", .weights = {1, 2, 3}}, 2), HasSubstr("3 weights for 2 models"));
  EXPECT_THAT(error({.combine = "", .weights = {0, 0}}, 2), HasSubstr("no mean"));
  EXPECT_THAT(error({.combine = "", .weights = {-1, 2}}, 2), HasSubstr("no mean"));
  EnsembleOptions{}.Check(1);
  EnsembleOptions{.combine = "mean", .weights = {0, 1}}.Check(2);
}

TEST(Wiener, OfASingleStemIsRefused) {
  FunctionRuntime model = Gains({"vocals"}, {1});
  const std::vector<float> song = Noise(2000);
  EXPECT_THAT(MessageOf([&] {
                RefineByWiener(Together({&model}, song, {}),
                               std::make_unique<MemoryReader>(song, 2, 44100), 1);
              }),
              HasSubstr("single stem 'vocals'"));
}

TEST(Wiener, KeepsLengthsThatFillNoWindow) {
  FunctionRuntime model = Gains({"drums", "vocals"}, {0.5f, 0.5f});
  for (const std::size_t frames : {1u, 2048u, 2049u, 5000u}) {
    const std::vector<float> song = Noise(2 * frames);
    const auto refined = RefineByWiener(Together({&model}, song, {}),
                                        std::make_unique<MemoryReader>(song, 2, 44100), 2);
    const std::vector<AudioBuffer> stems = ReadAllStems(*refined);
    ASSERT_EQ(stems.size(), 2u);
    EXPECT_EQ(stems[0].frames(), frames);
    // Stems that are alike share the song.
    for (std::size_t t = 0; t < frames; ++t)
      EXPECT_NEAR(stems[0].channel(0)[t], 0.5f * song[2 * t], 1e-3) << frames;
  }
}

}  // namespace
}  // namespace stemsmith
