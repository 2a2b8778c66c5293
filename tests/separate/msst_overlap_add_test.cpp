// Its numbers are compared with Python in tests/reference/test_overlap_styles.py.
#include "separate/msst_overlap_add.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "tests/audio/audio_fixtures.h"

namespace stemsmith::testing {
namespace {

// What comes of the audio, pushed in pieces, through a model that knows where a segment begins.
std::vector<float> Process(const AudioBuffer& audio, int num_overlap, std::size_t batch,
                           std::size_t push, bool identity) {
  std::vector<float> result;
  OverlapAddOptions options{.segment_frames = 100, .channels_in = 1, .channels_out = 1};
  options.num_overlap = num_overlap;
  options.batch = batch;
  MsstOverlapAdd overlap_add(
      options,
      [&](const AudioBuffer& in, std::size_t, AudioBuffer& out) {
        EXPECT_LE(in.channels(), static_cast<int>(batch));
        for (int k = 0; k < in.channels(); ++k)
          for (std::size_t t = 0; t < in.frames(); ++t)
            out.channel(k)[t] =
                in.channel(k)[t] * (identity ? 1.0f : 1.0f + static_cast<float>(t) / 100);
      },
      [&](const AudioBuffer& out) {
        result.insert(result.end(), out.channel(0), out.channel(0) + out.frames());
      });
  for (std::size_t t = 0; t < audio.frames(); t += push) {
    AudioBuffer piece(1, std::min(push, audio.frames() - t));
    std::copy_n(audio.channel(0) + t, piece.frames(), piece.channel(0));
    overlap_add.Push(piece);
  }
  overlap_add.Finish();
  return result;
}

TEST(MsstOverlapAdd, IdentityGivesTheInputToTheFrame) {
  for (const int num_overlap : {2, 3, 4, 10}) {
    for (const std::size_t frames : {0u, 1u, 49u, 50u, 51u, 99u, 101u, 150u, 151u, 180u, 1003u}) {
      const AudioBuffer audio = TestTones(1, frames, 44100);
      const std::vector<float> result = Process(audio, num_overlap, 1, 64, true);
      ASSERT_EQ(result.size(), frames);
      for (std::size_t t = 0; t < frames; ++t)
        ASSERT_NEAR(result[t], audio.channel(0)[t], 1e-6) << num_overlap << " " << frames;
    }
  }
}

TEST(MsstOverlapAdd, BatchesAndBlockSizesChangeNoBit) {
  const AudioBuffer audio = TestTones(1, 2003, 44100);
  const std::vector<float> expected = Process(audio, 4, 1, 2003, false);
  for (const std::size_t batch : {1u, 2u, 5u})
    for (const std::size_t push : {1u, 37u, 100u, 2003u})
      EXPECT_EQ(Process(audio, 4, batch, push, false), expected) << batch << " " << push;
}

TEST(MsstOverlapAdd, NeedsAStride) {
  EXPECT_THROW(Process(AudioBuffer(1, 10), 101, 1, 10, true), Error);
}

}  // namespace
}  // namespace stemsmith::testing
