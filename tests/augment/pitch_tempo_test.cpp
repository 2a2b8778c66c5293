// Pitch and tempo through the Rubber Band module.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <set>

#include "core/error.h"
#include "tests/augment/audio_fixture.h"

namespace stemsmith {
namespace {

TEST(PitchTempo, SaysWhichModuleIsMissing) {
  // A process of its own: the module stays loaded once it was found.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv("STEMSMITH_MODULE_DIR", "/nowhere", 1);
        try {
          ChainOf("name: pitch_tempo");
        } catch (const Error& error) {
          const std::string text = error.what();
          const bool clear = text.find("pitch_tempo needs the module libstemsmith_rubberband.so") !=
                             std::string::npos;
          _exit(clear ? 42 : 1);
        }
        _exit(2);
      },
      ::testing::ExitedWithCode(42), "");
}

#ifdef STEMSMITH_HAS_RUBBERBAND

constexpr int kRate = 44100;

// What the loader does: plans, reads as much as the plan asks for, applies.
struct Made {
  std::int64_t read_frames = 0;
  std::unique_ptr<Audio> audio;
};
template <typename Fill>
Made Make(const std::string& options, std::uint64_t seed, std::int64_t frames, int stems,
          Fill fill) {
  const AugmentChain chain = ChainOf("name: pitch_tempo, " + options);
  ReadPlan plan{.stems = std::vector<ReadPlan::Piece>(static_cast<std::size_t>(stems)),
                .frames = frames};
  chain.Plan(plan, TrackTable({100 * frames}, kRate), RandomStream({seed}));
  Made made{.read_frames = plan.frames,
            .audio = std::make_unique<Audio>(stems, 1, plan.frames, kRate)};
  fill(*made.audio);
  made.audio->Apply(chain, seed);
  EXPECT_GE(made.audio->block.frames, frames);
  return made;
}

// The loudest frequency around `guess`: to two hertz, then to a fifth of one.
double Frequency(const Audio& audio, int stem, double guess) {
  const auto loudest = [&](double low, double high, double step) {
    double best = 0.0, highest = 0.0;
    for (double hz = low; hz < high; hz += step) {
      const double amplitude = audio.Amplitude(stem, 0, hz, audio.block.frames / 4);
      if (amplitude > highest) highest = amplitude, best = hz;
    }
    return best;
  };
  const double near = loudest(guess * 0.87, guess * 1.15, 2.0);
  return loudest(near - 2.0, near + 2.0, 0.2);
}

TEST(PitchTempo, MovesASineByWholeSemitonesForAllStemsAlike) {
  std::set<long> seen;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const Made made = Make("max_tempo_percent: 0", seed, kRate / 2, 2, [](Audio& audio) {
      audio.AddSine(0, 440, 0.5);
      audio.AddSine(1, 660, 0.5);
    });
    EXPECT_EQ(made.read_frames, kRate / 2);
    const double semitones = 12 * std::log2(Frequency(*made.audio, 0, 440) / 440);
    const long step = std::lround(semitones);
    EXPECT_NEAR(semitones, static_cast<double>(step), 0.03);
    EXPECT_LE(std::abs(step), 2);
    EXPECT_NEAR(Frequency(*made.audio, 1, 660), 660 * std::exp2(static_cast<double>(step) / 12),
                1.0);
    EXPECT_NEAR(made.audio->Amplitude(0, 0, 440 * std::exp2(static_cast<double>(step) / 12),
                                      made.audio->block.frames / 4),
                0.5, 0.1);
    seen.insert(step);
  }
  EXPECT_GE(seen.size(), 2u);
}

// Clicks every 100 ms, in both stems.
void AddClicks(Audio& audio) {
  for (int s = 0; s < 2; ++s)
    for (std::int64_t i = 0; i < audio.block.frames; i += kRate / 10)
      for (std::int64_t k = 0; k < 40 && i + k < audio.block.frames; ++k)
        audio.block.channel(s, 0)[i + k] = (k % 4 < 2 ? 0.8f : -0.8f) / static_cast<float>(1 + s);
}

// The loudest place of each stretch of `step` frames, counted from the middle of one.
std::vector<std::int64_t> Clicks(const Audio& audio, int stem, double step) {
  std::vector<std::int64_t> places;
  for (double begin = step / 2; begin + step < static_cast<double>(audio.block.frames);
       begin += step) {
    const float* first = audio.block.channel(stem, 0) + static_cast<std::int64_t>(begin);
    const float* loudest =
        std::max_element(first, first + static_cast<std::int64_t>(step),
                         [](float a, float b) { return std::abs(a) < std::abs(b); });
    places.push_back(loudest - audio.block.channel(stem, 0));
  }
  return places;
}

// findings/pedalboard-stretch-runs-away.sh: a wrapper of the same library that does not.
TEST(PitchTempo, ShiftedStemsKeepTheBeatToTheEndOfALongSegment) {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const Made made =
        Make("max_tempo_percent: 0, max_semitones: 3", seed, 30 * kRate, 2, AddClicks);
    ASSERT_EQ(made.audio->block.frames, 30 * kRate);
    for (int stem = 0; stem < 2; ++stem) {
      const std::vector<std::int64_t> clicks = Clicks(*made.audio, stem, kRate / 10.0);
      for (std::size_t i = 0; i < clicks.size(); ++i)
        ASSERT_NEAR(clicks[i], static_cast<std::int64_t>(i + 1) * kRate / 10, kRate / 100)
            << "seed " << seed << ", stem " << stem;
    }
  }
}

TEST(PitchTempo, ChangesTheTempoByReadingMoreOrLess) {
  int faster = 0, slower = 0;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const Made made = Make("max_semitones: 0, tempo_std_percent: 0", seed, 2 * kRate, 2, AddClicks);
    // The distance between clicks says the tempo.
    double best_step = 0.0, least = 1e18;
    for (double speed = 0.87; speed <= 1.13; speed += 0.0025) {
      const double step = kRate / 10.0 / speed;
      const std::vector<std::int64_t> clicks = Clicks(*made.audio, 0, step);
      double miss = 0.0;
      for (std::size_t i = 0; i < clicks.size(); ++i)
        miss += std::pow(static_cast<double>(clicks[i]) - static_cast<double>(i + 1) * step, 2);
      miss /= static_cast<double>(clicks.size());
      if (miss < least) least = miss, best_step = step;
    }
    const double speed = kRate / 10.0 / best_step;
    EXPECT_LT(std::sqrt(least), 0.01 * kRate) << "no steady tempo, seed " << seed;
    if (made.read_frames > 2 * kRate) {
      ++faster;
      EXPECT_NEAR(speed, static_cast<double>(made.read_frames) / (2 * kRate), 0.01);
    } else {
      ++slower;
      EXPECT_LT(speed, 1.005);
      EXPECT_GT(speed, 0.875);
    }
    // Stems stay in step.
    const std::vector<std::int64_t> first = Clicks(*made.audio, 0, best_step);
    const std::vector<std::int64_t> second = Clicks(*made.audio, 1, best_step);
    for (std::size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(first[i], second[i], 100);
    // It sounds to the end.
    const float* end = made.audio->block.channel(0, 0) + 2 * kRate;
    EXPECT_GT(*std::max_element(end - kRate / 8, end), 0.1f);
  }
  EXPECT_GT(faster, 0);
  EXPECT_GT(slower, 0);
}

TEST(PitchTempo, DrawsTheTempoNormallyWithinItsLimit) {
  const AugmentChain chain = ChainOf("name: pitch_tempo, max_tempo_percent: 8");
  const TrackTable tracks({10'000'000}, kRate);
  int faster = 0, beyond_one_deviation = 0, at_limit = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    ReadPlan plan{.stems = {{.start_frame = 9'900'000}}, .frames = 100'000};
    chain.Plan(plan, tracks, RandomStream({seed}));
    const double percent = (static_cast<double>(plan.frames - 1) / 100'000 - 1) * 100;
    ASSERT_LE(percent, 8.01);
    faster += percent > 0.01;
    beyond_one_deviation += percent > 5;
    at_limit += percent > 7.99;
    // The end of the track is not read past.
    ASSERT_EQ(plan.stems[0].start_frame, 10'000'000 - plan.frames);
  }
  EXPECT_NEAR(faster, 500, 60);
  EXPECT_NEAR(beyond_one_deviation, 159, 40);
  EXPECT_NEAR(at_limit, 55, 25);  // 1.6 deviations
}

TEST(PitchTempo, OfTwoLinksStillLeavesEnough) {
  const Config config = Config::Parse(
      "augment: [{name: pitch_tempo, tempo_std_percent: 0}, {name: pitch_tempo}]", "test.yaml");
  const AugmentChain chain(config.List("augment"));
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    ReadPlan plan{.stems = {{}}, .frames = 5000};
    chain.Plan(plan, TrackTable({1'000'000}, kRate), RandomStream({seed}));
    Audio audio(1, 1, plan.frames, kRate);
    audio.AddNoise(0, 0.5);
    audio.Apply(chain, seed);
    EXPECT_GE(audio.block.frames, 5000);
    EXPECT_LE(audio.block.frames, plan.frames);
  }
}

TEST(PitchTempo, WithoutRangeChangesNothing) {
  const Made made = Make("max_semitones: 0, max_tempo_percent: 0", 1, 1000, 1,
                         [](Audio& audio) { audio.AddNoise(0, 0.5); });
  Audio same(1, 1, 1000, kRate);
  same.AddNoise(0, 0.5);
  EXPECT_EQ(made.audio->samples, same.samples);
}

#endif

}  // namespace
}  // namespace stemsmith
