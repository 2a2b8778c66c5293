#include "core/overlap_add.h"

#include "core/error.h"
#include "tests/core/audio_fixtures.h"

namespace stemsmith::testing {
namespace {

AudioBuffer Slice(const AudioBuffer& audio, std::size_t begin, std::size_t count) {
  AudioBuffer slice(audio.channels(), count);
  for (int c = 0; c < audio.channels(); ++c) {
    std::copy_n(audio.channel(c) + begin, count, slice.channel(c));
  }
  return slice;
}

struct Result {
  std::vector<std::vector<float>> channels;
  std::vector<std::size_t> valid;  // of every segment
};

Result Process(const AudioBuffer& audio, const OverlapAddOptions& options, std::size_t push,
               const OverlapAdd::SegmentFunction& function) {
  Result result;
  result.channels.resize(static_cast<std::size_t>(options.channels_out));
  OverlapAdd overlap_add(
      options,
      [&](const AudioBuffer& in, std::size_t valid, AudioBuffer& out) {
        result.valid.push_back(valid);
        for (int c = 0; c < in.channels(); ++c) {
          for (std::size_t t = valid; t < in.frames(); ++t) {
            ASSERT_EQ(in.channel(c)[t], 0.0f) << "the last segment is filled up with zeros";
          }
        }
        function(in, valid, out);
      },
      [&](const AudioBuffer& out) {
        for (int c = 0; c < out.channels(); ++c) {
          auto& channel = result.channels[static_cast<std::size_t>(c)];
          channel.insert(channel.end(), out.channel(c), out.channel(c) + out.frames());
        }
      });
  for (std::size_t t = 0; t < audio.frames(); t += push) {
    overlap_add.Push(Slice(audio, t, std::min(push, audio.frames() - t)));
  }
  overlap_add.Finish();
  return result;
}

void Identity(const AudioBuffer& in, std::size_t, AudioBuffer& out) { out = in; }

TEST(OverlapAdd, IdentityGivesTheInputToTheFrame) {
  for (const std::string window : {"triangle", "hann", "rectangle"}) {
    for (const std::size_t segment : {1UL, 2UL, 7UL, 64UL, 1000UL}) {
      for (const double overlap : {0.0, 0.1, 0.25, 0.5, 0.75, 0.99}) {
        for (const std::size_t frames : {0UL, 1UL, 63UL, 64UL, 65UL, 112UL, 1000UL, 2777UL}) {
          const AudioBuffer audio = TestTones(2, frames, 44100);
          const Result result = Process(audio, {segment, overlap, window, 2, 2}, 500, Identity);
          for (int c = 0; c < 2; ++c) {
            const auto& channel = result.channels[static_cast<std::size_t>(c)];
            ASSERT_EQ(channel.size(), frames) << window << segment << " " << overlap;
            for (std::size_t t = 0; t < frames; ++t) {
              ASSERT_NEAR(channel[t], audio.channel(c)[t], 1e-6)
                  << window << segment << " " << overlap;
            }
          }
        }
      }
    }
  }
}

TEST(OverlapAdd, BlockSizesOfTheInputChangeNoBit) {
  const AudioBuffer audio = TestTones(2, 5003, 44100);
  const OverlapAddOptions options{400, 0.25, "triangle", 2, 4};
  const auto function = [](const AudioBuffer& in, std::size_t, AudioBuffer& out) {
    for (int c = 0; c < 4; ++c) {
      for (std::size_t t = 0; t < in.frames(); ++t) {
        out.channel(c)[t] = in.channel(c % 2)[t] * (0.3f + static_cast<float>(t) / 400.0f);
      }
    }
  };
  const Result expected = Process(audio, options, 5003, function);
  for (const std::size_t push : {1UL, 17UL, 300UL, 400UL, 1024UL}) {
    const Result result = Process(audio, options, push, function);
    EXPECT_EQ(result.channels, expected.channels) << push;
    EXPECT_EQ(result.valid, expected.valid) << push;
  }
}

// Two segments of 8 with an overlap of 4, the first all 1, the second all 3: weights 1 2 3 4 4 3
// 2 1.
TEST(OverlapAdd, NeighboursAreBlendedByTheTriangle) {
  float value = -1.0f;
  const auto function = [&](const AudioBuffer&, std::size_t, AudioBuffer& out) {
    value += 2.0f;
    std::fill(out.samples().begin(), out.samples().end(), value);
  };
  const Result result = Process(TestTones(1, 12, 44100), {8, 0.5, "triangle", 1, 1}, 12, function);
  const std::vector<float> expected = {
      1, 1, 1, 1, (4 + 3) / 5.0f, (3 + 6) / 5.0f, (2 + 9) / 5.0f, (1 + 12) / 5.0f, 3, 3, 3, 3};
  ASSERT_EQ(result.channels[0].size(), expected.size());
  for (std::size_t t = 0; t < expected.size(); ++t) {
    EXPECT_NEAR(result.channels[0][t], expected[t], 1e-6) << t;
  }
}

TEST(OverlapAdd, NoSegmentForWhatIsCoveredAlready) {
  // 100 + 75 frames are covered by two segments; one frame more asks for a third.
  const OverlapAddOptions options{100, 0.25, "triangle", 1, 1};
  EXPECT_EQ(Process(TestTones(1, 175, 44100), options, 50, Identity).valid,
            (std::vector<std::size_t>{100, 100}));
  EXPECT_EQ(Process(TestTones(1, 176, 44100), options, 50, Identity).valid,
            (std::vector<std::size_t>{100, 100, 26}));
  EXPECT_EQ(Process(TestTones(1, 30, 44100), options, 50, Identity).valid,
            (std::vector<std::size_t>{30}));
  EXPECT_TRUE(Process(AudioBuffer(1, 0), options, 50, Identity).valid.empty());
}

TEST(OverlapAdd, SenselessOptionsAreErrors) {
  const auto make = [](const OverlapAddOptions& options) {
    OverlapAdd overlap_add(options, Identity, [](const AudioBuffer&) {});
  };
  EXPECT_THROW(make({0, 0.25}), Error);
  EXPECT_THROW(make({100, 1.0}), Error);
  EXPECT_THROW(make({100, -0.1}), Error);
  EXPECT_THROW(make({100, std::nan("")}), Error);
  EXPECT_THROW(make({100, 0.25, "triangel"}), Error);
}

}  // namespace
}  // namespace stemsmith::testing
