// What every classical method keeps to, over the table.
#include "baselines/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files.h"
#include "tests/baselines/baseline_songs.h"
#include "tests/baselines/small_forest.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;
using testing::LargestDifference;
using testing::Noise;
using testing::Separated;
using testing::SongReader;
using testing::Sum;

class EveryBaseline : public ::testing::TestWithParam<std::string> {
 protected:
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  void SetUp() override {
    if (!row().needs_fit) return;
#ifdef STEMSMITH_HAS_OPENCV
    if (folder_ != nullptr) return;
    folder_ = new testing::TemporaryFolder();
    FitForest(testing::SmallForest(*folder_ / "small.forest"));
#else
    GTEST_SKIP() << "built without OpenCV";
#endif
  }

  const BaselineRow& row() const { return FindBaseline(GetParam()); }
  // As text of YAML; those that must be fitted are given what they need.
  std::string WithModel(const std::string& settings) const {
    if (!row().needs_fit) return settings;
    const std::string model = "model: " + (*folder_ / "small.forest").string() + "\n";
    return settings == "{}" ? model : settings + "\n" + model;
  }
  std::unique_ptr<Baseline> Made(const std::string& settings = "{}") const {
    return MakeBaseline(row(), Config::Parse(WithModel(settings), "mine.yaml"));
  }
  // The stems; methods that need references are shown equal shares of the song.
  std::vector<AudioBuffer> Stems(const AudioBuffer& song,
                                 const std::string& settings = "{}") const {
    const auto baseline = Made();
    if (!row().needs_references) return Separated(GetParam(), WithModel(settings), song, 44100);
    std::vector<AudioBuffer> references;
    for (std::size_t s = 0; s < baseline->stems().size(); ++s) {
      references.push_back(song);
      for (float& sample : references.back().samples()) sample *= 0.25f;
    }
    return Separated(GetParam(), settings, song, 44100, references);
  }

 private:
  inline static testing::TemporaryFolder* folder_ = nullptr;
};

TEST_P(EveryBaseline, KeepsChannelsAndLengthOfEverySong) {
  // Shorter than a window, of one sample, mono and of five channels.
  for (const auto& [channels, frames] :
       {std::pair<int, std::size_t>{1, 1}, {2, 3000}, {2, 40001}, {5, 20000}}) {
    const AudioBuffer song = Noise(channels, frames);
    const auto stems = Stems(song);
    ASSERT_EQ(stems.size(), Made()->stems().size());
    for (const AudioBuffer& stem : stems) {
      ASSERT_EQ(stem.channels(), channels);
      ASSERT_EQ(stem.frames(), frames);
      for (const float sample : stem.samples()) ASSERT_TRUE(std::isfinite(sample));
    }
  }
}

TEST_P(EveryBaseline, LeavesSilenceSilent) {
  const AudioBuffer silence(2, 30000);
  for (const AudioBuffer& stem : Stems(silence)) EXPECT_EQ(LargestDifference(stem, silence), 0);
}

TEST_P(EveryBaseline, GivesTheSameBitsAgain) {
  const AudioBuffer song = Noise(2, 50000);
  const auto once = Stems(song), again = Stems(song);
  for (std::size_t s = 0; s < once.size(); ++s) EXPECT_EQ(LargestDifference(once[s], again[s]), 0);
}

// All but `mixture` split the song: nothing is lost, nothing counted twice.
TEST_P(EveryBaseline, SplitsTheSong) {
  if (GetParam() == "mixture") return;
  const AudioBuffer song = Noise(2, 40000);
  AudioBuffer sum(2, song.frames());
  for (const AudioBuffer& stem : Stems(song)) sum = Sum(sum, stem);
  // Neighbouring bands of `bands` overlap a little.
  EXPECT_LT(LargestDifference(sum, song), GetParam() == "bands" ? 0.05 : 1e-5);
}

TEST_P(EveryBaseline, HasShippedSettingsEqualToItsDefaults) {
  const auto file =
      std::filesystem::path(STEMSMITH_SOURCE_DIR) / "configs/baselines" / (GetParam() + ".yaml");
  const AudioBuffer song = Noise(2, 30000);
  const auto shipped = Stems(song, ReadFile(file)), built_in = Stems(song);
  ASSERT_EQ(shipped.size(), built_in.size());
  for (std::size_t s = 0; s < shipped.size(); ++s)
    EXPECT_EQ(LargestDifference(shipped[s], built_in[s]), 0);
}

TEST_P(EveryBaseline, RefusesUnknownSettings) {
  const Error error = testing::ErrorOf([&] { Made("no_such_setting: 1"); });
  EXPECT_THAT(error.what(), HasSubstr("no_such_setting"));
  EXPECT_THAT(error.where(), HasSubstr("mine.yaml:1"));
}

INSTANTIATE_TEST_SUITE_P(Table, EveryBaseline, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const BaselineRow& row : BaselineTable())
                             names.emplace_back(row.name);
                           return names;
                         }()),
                         [](const auto& info) { return info.param; });

TEST(Baselines, RefuseSettingsThatContradictEachOther) {
  const std::pair<const char*, const char*> cases[] = {
      {"nmf", "{vocals_low_hz: 4000, vocals_high_hz: 3000}"},
      {"nmf", "{vocals_low_hz: 3500}"},
      {"nmf_ranges", "{ranges: {bass: {low_hz: 300, high_hz: 200}}}"},
      {"nmf_ranges", "{percussive: bass}"},
      {"hpss_repet", "{part_seconds: 12, part_overlap_seconds: 5}"},
      {"hpss_repet", "{n_fft: 1024}"},
      {"bands", "{bands: {bass: {low_hz: 300, high_hz: 200}}}"},
      {"bands", "{bands: {../bass: {}}}"},
      {"mixture", "{stems: []}"},
      {"mixture", "{stems: [bass, bass]}"},
      {"ideal_ratio_mask", "{stems: [a, b, a]}"},
      {"ideal_wiener", "{stems: ['']}"},
  };
  for (const auto& [name, settings] : cases) {
    const Error error = testing::ErrorOf(
        [&] { MakeBaseline(FindBaseline(name), Config::Parse(settings, "mine.yaml")); });
    EXPECT_EQ(error.code(), ExitCode::kWrongUse) << name << settings;
    EXPECT_THAT(error.where(), HasSubstr("mine.yaml")) << name << settings;
  }
}

TEST(Baselines, NameTheNearest) {
  const Error error = testing::ErrorOf([] { FindBaseline("band"); });
  EXPECT_THAT(error.what(), HasSubstr("did you mean 'bands'?"));
  EXPECT_EQ(error.code(), ExitCode::kWrongUse);
}

}  // namespace
}  // namespace stemsmith
