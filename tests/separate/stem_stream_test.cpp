#include "separate/stem_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/separate/stream_fixture.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using testing::FunctionRuntime;
using testing::LargestDifference;
using testing::MemoryReader;
using testing::MessageOf;
using testing::Noise;
using testing::ReadStems;
using testing::ShortSegments;
using testing::TinyManifest;

// A tone per channel, faded in and out so that nothing lies above any of the rates used here.
std::vector<float> Tones(std::size_t frames, int channels, int rate) {
  std::vector<float> samples;
  for (std::size_t t = 0; t < frames; ++t) {
    const double window = std::pow(
        std::sin(std::numbers::pi * (static_cast<double>(t) + 0.5) / static_cast<double>(frames)),
        2);
    for (int c = 0; c < channels; ++c) {
      const double hz = 200.0 + 90.0 * c;
      samples.push_back(static_cast<float>(
          0.4 * window * std::sin(2 * std::numbers::pi * hz * static_cast<double>(t) / rate)));
    }
  }
  return samples;
}

struct StreamCase {
  int channels, rate;
  std::size_t frames;
};
void PrintTo(const StreamCase& c, std::ostream* out) {
  *out << c.channels << " channels, " << c.rate << " Hz, " << c.frames << " frames";
}

class StemStreamLayout : public ::testing::TestWithParam<StreamCase> {};

TEST_P(StemStreamLayout, GivesTheKnownStemsAtTheInputsRateChannelsAndLength) {
  const auto [channels, rate, frames] = GetParam();
  testing::TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "model.onnx", ShortSegments(), {0.5f, -0.25f});
  const auto runtime = Runtime::Open(folder / "model.onnx", {.device = "cpu", .threads = 1});
  const std::vector<float> mix = Tones(frames, channels, rate);
  for (const bool says_length : {true, false}) {
    StemStream stream(*runtime, std::make_unique<MemoryReader>(mix, channels, rate, says_length));
    EXPECT_EQ(stream.info().sample_rate_hz, rate);
    EXPECT_EQ(stream.info().channels, channels);
    const auto stems = ReadStems(stream);
    // Rounding at the model's rate; two resamplings elsewhere, which for a handful of frames are
    // all edge.
    const float tolerance = rate == 44100 ? 1e-6f : frames > 1000 ? 1e-4f : 0.3f;
    ASSERT_EQ(stems[0].size(), mix.size());
    ASSERT_EQ(stems[1].size(), mix.size());
    EXPECT_LT(LargestDifference(stems[0], mix, 0.5f), tolerance);
    EXPECT_LT(LargestDifference(stems[1], mix, -0.25f), tolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, StemStreamLayout,
                         ::testing::Values(StreamCase{2, 44100, 1}, StreamCase{2, 44100, 2},
                                           StreamCase{2, 44100, 4409}, StreamCase{2, 44100, 4410},
                                           StreamCase{2, 44100, 4411}, StreamCase{2, 44100, 44100},
                                           StreamCase{1, 44100, 10000}, StreamCase{3, 44100, 10000},
                                           StreamCase{8, 44100, 10000}, StreamCase{1, 8000, 1},
                                           StreamCase{2, 8000, 8001}, StreamCase{8, 8000, 4000},
                                           StreamCase{2, 48000, 1}, StreamCase{2, 48000, 48001},
                                           StreamCase{1, 96000, 50000}, StreamCase{2, 22050, 7}));

TEST(StemStream, LengthIsExactForManyLengthsAtAnotherRate) {
  FunctionRuntime runtime(ShortSegments(1), [](const float* mix, std::int64_t frames, float* out) {
    std::copy_n(mix, 2 * frames, out);
  });
  for (const int rate : {8000, 11025, 48000, 96000, 192000}) {
    for (std::size_t frames = 1; frames < 20000; frames = frames * 3 + 1) {
      StemStream stream(runtime, std::make_unique<MemoryReader>(Noise(frames), 1, rate));
      EXPECT_EQ(ReadStems(stream, 1000)[0].size(), frames) << rate << " Hz";
    }
  }
}

TEST(StemStream, BlockSizeOfTheReaderChangesNothing) {
  FunctionRuntime runtime(ShortSegments(1), [](const float* mix, std::int64_t frames, float* out) {
    std::copy_n(mix, 2 * frames, out);
  });
  const std::vector<float> mix = Noise(2 * 15000);
  std::vector<std::vector<float>> results;
  for (const std::size_t block : {1u, 777u, 100000u}) {
    StemStream stream(runtime, std::make_unique<MemoryReader>(mix, 2, 32000));
    results.push_back(ReadStems(stream, block)[0]);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(StemStream, ChannelsOfAWideInputDoNotMix) {
  // A model that swaps left and right: pairs must be (0, 1), (2, 3) and a lone channel 4.
  FunctionRuntime runtime(ShortSegments(1), [](const float* mix, std::int64_t frames, float* out) {
    std::copy_n(mix, frames, out + frames);
    std::copy_n(mix + frames, frames, out);
  });
  constexpr std::size_t kFrames = 100;
  std::vector<float> mix;
  for (std::size_t t = 0; t < kFrames; ++t) {
    for (int c = 0; c < 5; ++c) mix.push_back(0.1f * static_cast<float>(c + 1));
  }
  StemStream stream(runtime, std::make_unique<MemoryReader>(mix, 5, 44100));
  const auto stems = ReadStems(stream);
  const float expected[] = {0.2f, 0.1f, 0.4f, 0.3f, 0.5f};
  for (std::size_t c = 0; c < 5; ++c) EXPECT_NEAR(stems[0][50 * 5 + c], expected[c], 1e-6);
}

TEST(StemStream, AMonoResultIsTheMeanOfTheModelsChannels) {
  FunctionRuntime runtime(ShortSegments(1), [](const float* mix, std::int64_t frames, float* out) {
    for (std::int64_t t = 0; t < frames; ++t)
      out[t] = mix[t], out[frames + t] = 3 * mix[frames + t];
  });
  StemStream stream(runtime,
                    std::make_unique<MemoryReader>(std::vector<float>(64, 0.25f), 1, 44100));
  EXPECT_NEAR(ReadStems(stream)[0][32], 0.5f, 1e-6);
}

TEST(StemStream, AMonoModelTakesEachChannelByItself) {
  Manifest manifest = ShortSegments(1);
  manifest.channels = 1;
  FunctionRuntime runtime(manifest, [](const float* mix, std::int64_t frames, float* out) {
    for (std::int64_t t = 0; t < frames; ++t) out[t] = 2 * mix[t];
  });
  const std::vector<float> mix = Noise(2 * 6000);
  StemStream stream(runtime, std::make_unique<MemoryReader>(mix, 2, 44100));
  EXPECT_LT(LargestDifference(ReadStems(stream)[0], mix, 2.0f), 1e-6f);
}

TEST(StemStream, GivesTheChosenStemsInTheChosenOrder) {
  testing::TemporaryFolder folder;
  testing::WriteGainOnnx(folder / "model.onnx", ShortSegments(4), {1, 2, 3, 4});
  const auto runtime = Runtime::Open(folder / "model.onnx", {.device = "cpu", .threads = 1});
  const std::vector<float> mix = Noise(2 * 9000);
  StemStream stream(*runtime, std::make_unique<MemoryReader>(mix, 2, 44100),
                    {.stems = {"vocals", "bass"}});
  const auto stems = ReadStems(stream);
  ASSERT_EQ(stems.size(), 2u);
  EXPECT_LT(LargestDifference(stems[0], mix, 4), 4e-6f);
  EXPECT_LT(LargestDifference(stems[1], mix, 2), 2e-6f);
}

TEST(StemStream, NormalisesByTheWholeSongAndUndoesIt) {
  Manifest manifest = ShortSegments(1);
  manifest.song_normalization = SongNormalization::kMeanStd;
  double sum = 0, squares = 0, count = 0;
  FunctionRuntime runtime(manifest, [&](const float* mix, std::int64_t frames, float* out) {
    for (std::int64_t t = 0; t < frames; ++t) {
      const double mono = (mix[t] + mix[frames + t]) / 2.0;
      sum += mono, squares += mono * mono, count += 1;
    }
    std::copy_n(mix, 2 * frames, out);
  });
  std::vector<float> mix = Noise(2 * 4 * 4410);  // four whole segments, no padding in the sums
  for (std::size_t i = 0; i < mix.size(); ++i) mix[i] = 0.3f * mix[i] + 0.2f;
  StemStream stream(runtime, std::make_unique<MemoryReader>(mix, 2, 44100), {.overlap = 0});
  EXPECT_LT(LargestDifference(ReadStems(stream)[0], mix, 1), 1e-6f);
  EXPECT_NEAR(sum / count, 0, 1e-5);
  EXPECT_NEAR(std::sqrt(squares / count), 1, 1e-4);
}

TEST(StemStream, SilenceStaysFiniteUnderNormalisation) {
  Manifest manifest = ShortSegments(1);
  manifest.song_normalization = SongNormalization::kMeanStd;
  FunctionRuntime runtime(manifest, [](const float* mix, std::int64_t frames, float* out) {
    std::copy_n(mix, 2 * frames, out);
  });
  StemStream stream(runtime,
                    std::make_unique<MemoryReader>(std::vector<float>(2000, 0.0f), 2, 44100));
  const auto stems = ReadStems(stream);
  for (const float sample : stems[0]) ASSERT_EQ(sample, 0.0f);
}

TEST(StemStream, AShortInputTakesAShortSegmentThatFitsTheRule) {
  Manifest manifest = TinyManifest(1);
  manifest.segment_frames = 300 + 20 * 100;
  manifest.length = {.dynamic = true, .offset_frames = 300, .multiple_frames = 100};
  FunctionRuntime runtime(manifest, [](const float* mix, std::int64_t frames, float* out) {
    std::copy_n(mix, 2 * frames, out);
  });
  const auto lengths = [&](std::size_t frames) {
    runtime.runs.clear();
    StemStream stream(runtime, std::make_unique<MemoryReader>(Noise(2 * frames), 2, 44100));
    ReadStems(stream);
    return runtime.runs;
  };
  EXPECT_EQ(lengths(1001), std::vector<std::int64_t>{1100});
  EXPECT_EQ(lengths(1), std::vector<std::int64_t>{600});  // a quarter of the segment, rounded up
  EXPECT_EQ(lengths(2299), std::vector<std::int64_t>{2300});
  for (const std::int64_t run : lengths(9000)) EXPECT_EQ(run, 2300);
  manifest.length.dynamic = false;
  FunctionRuntime fixed(manifest, [](const float* mix, std::int64_t frames, float* out) {
    std::copy_n(mix, 2 * frames, out);
  });
  StemStream stream(fixed, std::make_unique<MemoryReader>(Noise(2 * 50), 2, 44100));
  ReadStems(stream);
  EXPECT_EQ(fixed.runs, std::vector<std::int64_t>{2300});
}

TEST(StemStream, BatchesOfSegmentsChangeNoBit) {
  // Stems that depend on the frame's place in its segment, from five channels: groups of the
  // model's two.
  FunctionRuntime runtime(ShortSegments(3), [](const float* mix, std::int64_t frames, float* out) {
    for (std::int64_t i = 0; i < 6 * frames; ++i)
      out[i] = mix[i % (2 * frames)] * (0.1f + static_cast<float>(i % 1000) / 1000.0f);
  });
  const std::vector<float> mix = Noise(5 * 50'000);
  const auto separate = [&](const StemStreamOptions& options) {
    runtime.runs.clear(), runtime.batches.clear();
    StemStream stream(runtime, std::make_unique<MemoryReader>(mix, 5, 44100), options);
    return ReadStems(stream);
  };
  const StemStreamOptions chosen{.stems = {"other", "drums"}};
  const auto one = separate(chosen);
  for (const std::int64_t batch : runtime.batches) EXPECT_EQ(batch, 1);
  const std::size_t runs = runtime.runs.size();
  StemStreamOptions three = chosen;
  three.batch = 3;
  EXPECT_EQ(separate(three), one);
  EXPECT_EQ(runtime.batches.front(), 3);
  EXPECT_LT(runtime.runs.size(), runs / 2);
  runtime.at_once = 4;
  EXPECT_EQ(separate(chosen), one);
  EXPECT_EQ(runtime.batches.front(), 4) << "as many as the runtime advises";
}

TEST(StemStream, GivesValuesThatAreNotFiniteWhereTheyAreWanted) {
  FunctionRuntime runtime(ShortSegments(1), [](const float*, std::int64_t frames, float* out) {
    std::fill_n(out, 2 * frames, std::nanf(""));
  });
  StemStream stream(runtime, std::make_unique<MemoryReader>(Noise(2 * 100), 2, 44100),
                    {.refuse_not_finite = false});
  EXPECT_TRUE(std::isnan(ReadStems(stream)[0][50]));
}

TEST(StemStream, TakesSegmentsOfAChosenLength) {
  Manifest manifest = TinyManifest(1);
  manifest.segment_frames = 3000;
  manifest.length = {.dynamic = true, .offset_frames = 0, .multiple_frames = 1000};
  FunctionRuntime runtime(manifest, [](const float* mix, std::int64_t frames, float* out) {
    std::copy_n(mix, 2 * frames, out);
  });
  const auto reader = [] { return std::make_unique<MemoryReader>(Noise(2 * 6000), 2, 44100); };
  StemStream stream(runtime, reader(), {.overlap = 0, .segment_frames = 2000, .batch = 3});
  ReadStems(stream);
  EXPECT_EQ(runtime.runs, std::vector<std::int64_t>{2000});
  EXPECT_EQ(runtime.batches, std::vector<std::int64_t>{3});
  EXPECT_THROW(StemStream(runtime, reader(), {.segment_frames = 2500}), Error);
}

TEST(StemStream, RefusesUnknownStemsOverlapsAndValuesThatAreNotFinite) {
  FunctionRuntime runtime(ShortSegments(2), [](const float*, std::int64_t frames, float* out) {
    std::fill_n(out, 4 * frames, std::nanf(""));
  });
  const auto reader = [] { return std::make_unique<MemoryReader>(Noise(200), 2, 44100); };
  const auto message = [&](const StemStreamOptions& options) {
    return MessageOf([&] {
      StemStream stream(runtime, reader(), options);
      ReadStems(stream);
    });
  };
  EXPECT_NE(message({.stems = {"drumz"}}).find("did you mean 'drums'?"), std::string::npos);
  EXPECT_NE(message({.overlap = 1.0}).find("overlap"), std::string::npos);
  EXPECT_NE(message({}).find("not finite"), std::string::npos);
}

TEST(StemStream, SaysWhereValuesAreNotFinite) {
  const std::vector<float> song = Noise(2 * 40000);
  const std::size_t broken = 31000;  // after 0.7 s
  for (const char* style : {"stemsmith", "demucs", "msst"}) {
    for (const std::int64_t lead : {0, 5000}) {
      const auto model = [&](const float* mix, std::int64_t frames, float* out) {
        std::copy_n(mix, 2 * frames, out);
        std::copy_n(mix, 2 * frames, out + 2 * frames);
        for (std::int64_t t = 0; t < frames; ++t)
          if (mix[t] == song[2 * broken]) out[2 * frames + t] = INFINITY;
      };
      FunctionRuntime runtime(ShortSegments(2), model);
      runtime.at_once = 3;
      const std::string message = MessageOf([&] {
        StemStream stream(runtime, std::make_unique<MemoryReader>(song, 2, 44100),
                          {.overlap_style = style, .lead_frames = lead, .input_name = "song.wav"});
        ReadStems(stream);
      });
      EXPECT_NE(message.find("the model 'gain' gives values that are not finite for the stem "
                             "'bass' at 0.7 s (song.wav)"),
                std::string::npos)
          << message;
    }
  }
}

// A model that squares what it gets, as those on magnitudes do.
TEST(StemStream, ASongFarBeyondFullScaleIsNotBlamedOnTheModel) {
  FunctionRuntime runtime(ShortSegments(2), [](const float* mix, std::int64_t frames, float* out) {
    for (std::int64_t i = 0; i < 4 * frames; ++i) {
      const float x = mix[i % (2 * frames)];
      out[i] = x * (x * x / (x * x + 1.0f));
    }
  });
  const auto separate = [&](float gain, std::size_t loud_from) {
    std::vector<float> samples = Noise(20000);
    for (std::size_t i = loud_from; i < samples.size(); ++i) samples[i] *= gain;
    StemStream stream(runtime, std::make_unique<MemoryReader>(samples, 2, 44100),
                      {.input_name = "song.wav"});
    ReadStems(stream);
  };
  EXPECT_NO_THROW(separate(1, 0));
  EXPECT_NO_THROW(separate(1e3f, 0));  // loud, but the model follows
  for (const float gain : {1e20f, 1e30f, 3e38f}) {
    for (const std::size_t from : {0, 15000}) {
      const std::string said = MessageOf([&] { separate(gain, from); });
      EXPECT_NE(said.find("where 1 is full scale"), std::string::npos) << said;
      EXPECT_NE(said.find("song.wav"), std::string::npos) << said;
      EXPECT_EQ(said.find("diverged"), std::string::npos) << said;
    }
  }
}

}  // namespace
}  // namespace stemsmith
