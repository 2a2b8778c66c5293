#include "separate/overlap_add.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "tests/audio/audio_fixtures.h"

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
        for (int c = 0; c < in.channels() && options.tail == Tail::kZeros; ++c) {
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
  for (const Window window : {Window::kTriangle, Window::kHann, Window::kRectangle}) {
    for (const std::size_t segment : {1UL, 2UL, 7UL, 64UL, 1000UL}) {
      for (const double overlap : {0.0, 0.1, 0.25, 0.5, 0.75, 0.99}) {
        for (const std::size_t frames : {0UL, 1UL, 63UL, 64UL, 65UL, 112UL, 1000UL, 2777UL}) {
          const AudioBuffer audio = TestTones(2, frames, 44100);
          const Result result = Process(audio, {segment, overlap, window, 2, 2}, 500, Identity);
          for (int c = 0; c < 2; ++c) {
            const auto& channel = result.channels[static_cast<std::size_t>(c)];
            ASSERT_EQ(channel.size(), frames) << NameOf(window) << segment << " " << overlap;
            for (std::size_t t = 0; t < frames; ++t) {
              ASSERT_NEAR(channel[t], audio.channel(c)[t], 1e-6)
                  << NameOf(window) << segment << " " << overlap;
            }
          }
        }
      }
    }
  }
}

TEST(OverlapAdd, BlockSizesOfTheInputChangeNoBit) {
  const AudioBuffer audio = TestTones(2, 5003, 44100);
  const OverlapAddOptions options{400, 0.25, Window::kTriangle, 2, 4};
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
  const Result result =
      Process(TestTones(1, 12, 44100), {8, 0.5, Window::kTriangle, 1, 1}, 12, function);
  const std::vector<float> expected = {
      1, 1, 1, 1, (4 + 3) / 5.0f, (3 + 6) / 5.0f, (2 + 9) / 5.0f, (1 + 12) / 5.0f, 3, 3, 3, 3};
  ASSERT_EQ(result.channels[0].size(), expected.size());
  for (std::size_t t = 0; t < expected.size(); ++t) {
    EXPECT_NEAR(result.channels[0][t], expected[t], 1e-6) << t;
  }
}

TEST(OverlapAdd, NoSegmentForWhatIsCoveredAlready) {
  // 100 + 75 frames are covered by two segments; one frame more asks for a third.
  const OverlapAddOptions options{100, 0.25, Window::kTriangle, 1, 1};
  EXPECT_EQ(Process(TestTones(1, 175, 44100), options, 50, Identity).valid,
            (std::vector<std::size_t>{100, 100}));
  EXPECT_EQ(Process(TestTones(1, 176, 44100), options, 50, Identity).valid,
            (std::vector<std::size_t>{100, 100, 26}));
  EXPECT_EQ(Process(TestTones(1, 30, 44100), options, 50, Identity).valid,
            (std::vector<std::size_t>{30}));
  EXPECT_TRUE(Process(AudioBuffer(1, 0), options, 50, Identity).valid.empty());
}

// Segments of 8 every 6 frames over 16 frames, as Python demucs cuts: [0, 8), [6, 14) and then what
// is left, [12, 16): two zeros behind it and the two frames before it fill it up.
TEST(OverlapAdd, TheTailSeesWhatLiesBeforeIt) {
  AudioBuffer audio(1, 16);
  for (std::size_t t = 0; t < 16; ++t) audio.channel(0)[t] = static_cast<float>(t + 1);
  OverlapAddOptions options{8, 0.25, Window::kTriangle, 1, 1};
  options.tail = Tail::kContext;
  std::vector<std::vector<float>> seen;
  const auto function = [&](const AudioBuffer& in, std::size_t, AudioBuffer& out) {
    seen.emplace_back(in.channel(0), in.channel(0) + in.frames());
    std::copy_n(in.channel(0), in.frames(), out.channel(0));
  };
  for (const std::size_t push : {1UL, 5UL, 16UL}) {
    seen.clear();
    const Result result = Process(audio, options, push, function);
    ASSERT_EQ(seen.size(), 3u) << push;
    EXPECT_THAT(seen[2], ::testing::ElementsAre(11, 12, 13, 14, 15, 16, 0, 0)) << push;
    EXPECT_EQ(result.valid, (std::vector<std::size_t>{8, 8, 4}));
    ASSERT_EQ(result.channels[0].size(), 16u);
    for (std::size_t t = 0; t < 16; ++t) EXPECT_NEAR(result.channels[0][t], t + 1, 1e-5) << t;
  }
  // Shorter where the model takes it; zeros where nothing lies before.
  options.run_frames = [](std::size_t frames) { return frames < 8 ? frames + 1 : frames; };
  seen.clear();
  Process(audio, options, 16, function);
  EXPECT_THAT(seen[2], ::testing::ElementsAre(13, 14, 15, 16, 0));
  options.run_frames = {};
  AudioBuffer four(1, 4);
  std::fill_n(four.channel(0), 4, 1.0f);
  seen.clear();
  EXPECT_EQ(Process(four, options, 4, function).channels[0].size(), 4u);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_THAT(seen[0], ::testing::ElementsAre(0, 0, 1, 1, 1, 1, 0, 0));
  // Covered already, yet another segment starts: 14 frames end with [12, 14).
  AudioBuffer fourteen(1, 14);
  EXPECT_EQ(Process(fourteen, options, 14, function).valid, (std::vector<std::size_t>{8, 8, 2}));
}

// Segments of 8 every 6 frames for a model that takes lengths of 2 + 5 · k: 12 of them, two frames
// before and two behind the segment.
TEST(OverlapAdd, SegmentsSeeWhatLiesAroundThem) {
  AudioBuffer audio(1, 21);
  std::iota(audio.samples().begin(), audio.samples().end(), 1.0f);
  OverlapAddOptions options{8, 0.25, Window::kTriangle, 1, 1, Tail::kContext};
  options.run_frames = [](std::size_t frames) { return 2 + (frames + 2) / 5 * 5; };
  std::vector<std::vector<float>> seen;
  const auto function = [&](const AudioBuffer& in, std::size_t, AudioBuffer& out) {
    ASSERT_EQ(out.frames(), in.frames());
    for (int c = 0; c < in.channels(); ++c)
      seen.emplace_back(in.channel(c), in.channel(c) + in.frames());
    out = in;
  };
  using ::testing::ElementsAre;
  for (const std::size_t batch : {1UL, 2UL, 5UL}) {
    for (const std::size_t push : {1UL, 5UL, 21UL}) {
      options.batch = batch;
      seen.clear();
      const Result result = Process(audio, options, push, function);
      ASSERT_EQ(seen.size(), 4u) << batch;
      EXPECT_THAT(seen[0], ElementsAre(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
      EXPECT_THAT(seen[1], ElementsAre(5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16));
      // The song ends one frame behind this segment.
      EXPECT_THAT(seen[2], ElementsAre(11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 0));
      EXPECT_THAT(seen[3], ElementsAre(17, 18, 19, 20, 21, 0, 0));  // three are left
      ASSERT_EQ(result.channels[0].size(), 21u);
      for (std::size_t t = 0; t < 21; ++t)
        EXPECT_NEAR(result.channels[0][t], static_cast<float>(t + 1), 1e-5) << t;
    }
  }
  // A rule whose shortest length is longer than the segment, and the song, and what lies before.
  options.batch = 1;
  options.run_frames = [](std::size_t) { return 30; };
  seen.clear();
  Process(audio, options, 4, function);
  EXPECT_EQ(seen[1],
            (std::vector<float>{0,  0,  0,  0,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 0,  0,  0,  0}));
}

// However many segments the function gets at once, each is the same, and so are all bits of the
// result.
TEST(OverlapAdd, BatchesChangeNoBit) {
  std::vector<int> counts;
  // Of a stereo segment two stereo stems; what comes out depends on the frame's place.
  const auto function = [&](const AudioBuffer& in, std::size_t, AudioBuffer& out) {
    counts.push_back(in.channels() / 2);
    ASSERT_EQ(out.channels(), 2 * in.channels());
    for (int c = 0; c < out.channels(); ++c) {
      const float* from = in.channel(c / 4 * 2 + c % 2);
      for (std::size_t t = 0; t < in.frames(); ++t) {
        out.channel(c)[t] = from[t] * (0.3f + static_cast<float>(t + c % 4) / 100.0f);
      }
    }
  };
  for (const Tail tail : {Tail::kZeros, Tail::kContext}) {
    for (const double overlap : {0.0, 0.25, 0.9}) {
      for (const std::size_t frames : {1UL, 99UL, 100UL, 101UL, 175UL, 400UL, 1003UL, 1075UL}) {
        OverlapAddOptions options{100, overlap, Window::kTriangle, 2, 4, tail};
        const AudioBuffer audio = TestTones(2, frames, 44100);
        counts.clear();
        const Result expected = Process(audio, options, 64, function);
        const std::size_t segments = counts.size();
        for (const std::size_t batch : {2UL, 3UL, 16UL}) {
          options.batch = batch;
          counts.clear();
          const Result result = Process(audio, options, 64, function);
          EXPECT_EQ(result.channels, expected.channels) << frames << " " << overlap << " " << batch;
          EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), segments);
          const auto most = static_cast<int>(batch);
          EXPECT_LE(*std::max_element(counts.begin(), counts.end()), most);
          if (frames > 1000 && overlap > 0.5) {
            EXPECT_EQ(counts.front(), most);
          }
        }
      }
    }
  }
}

TEST(OverlapAdd, SenselessOptionsAreErrors) {
  const auto make = [](const OverlapAddOptions& options) {
    OverlapAdd overlap_add(options, Identity, [](const AudioBuffer&) {});
  };
  EXPECT_THROW(make({0, 0.25}), Error);
  EXPECT_THROW(make({100, 1.0}), Error);
  EXPECT_THROW(make({100, -0.1}), Error);
  EXPECT_THROW(make({100, std::nan("")}), Error);
  OverlapAddOptions nothing{100, 0.25};
  nothing.batch = 0;
  EXPECT_THROW(make(nothing), Error);
}

}  // namespace
}  // namespace stemsmith::testing
