#include <algorithm>
#include <cmath>

#include "audio/decode.h"
#include "tests/audio/audio_fixtures.h"

namespace stemsmith::testing {
namespace {

// Gives a buffer in blocks of uneven sizes, with or without saying its length.
class BufferReader : public AudioReader {
 public:
  BufferReader(AudioBuffer audio, int sample_rate_hz, bool says_length) : audio_(std::move(audio)) {
    info_.sample_rate_hz = sample_rate_hz;
    info_.channels = audio_.channels();
    info_.frames = says_length ? static_cast<std::int64_t>(audio_.frames()) : -1;
  }
  const AudioInfo& info() const override { return info_; }
  std::size_t Read(float* out, std::size_t frames) override {
    const std::size_t count = std::min({frames, audio_.frames() - position_, 1 + position_ % 4097});
    for (std::size_t t = 0; t < count; ++t) {
      for (int c = 0; c < audio_.channels(); ++c) {
        *out++ = audio_.channel(c)[position_ + t];
      }
    }
    position_ += count;
    return count;
  }
  void Rewind() override { position_ = 0; }

 private:
  AudioBuffer audio_;
  AudioInfo info_;
  std::size_t position_ = 0;
};

std::unique_ptr<AudioReader> Tones(int channels, std::size_t frames, int rate, bool says = true) {
  return std::make_unique<BufferReader>(TestTones(channels, frames, rate), rate, says);
}

AudioBuffer Sine(std::size_t frames, int rate, double hertz) {
  AudioBuffer audio(1, frames);
  for (std::size_t t = 0; t < frames; ++t) {
    audio.channel(0)[t] = static_cast<float>(
        0.5 * std::sin(2.0 * std::numbers::pi * hertz * static_cast<double>(t) / rate));
  }
  return audio;
}

TEST(ConvertAudio, GivesTheReaderBackWhenNothingDiffers) {
  auto reader = Tones(2, 100, 44100);
  const AudioReader* before = reader.get();
  EXPECT_EQ(ConvertAudio(std::move(reader), 44100, 2).get(), before);
}

TEST(ConvertAudio, LengthIsExactForAllRatesAndLengths) {
  for (const auto& [in, out] : {std::pair{44100, 48000},
                                {48000, 44100},
                                {8000, 44100},
                                {44100, 8000},
                                {96000, 44100},
                                {22050, 44100},
                                {44100, 44101}}) {
    for (const std::size_t frames : {1UL, 2UL, 99UL, 4410UL, 50001UL}) {
      for (const bool says : {true, false}) {
        const auto reader = ConvertAudio(Tones(1, frames, in, says), out, 1);
        const auto expected =
            static_cast<std::size_t>(std::llround(static_cast<double>(frames) * out / in));
        EXPECT_EQ(reader->info().frames, says ? static_cast<std::int64_t>(expected) : -1);
        EXPECT_EQ(Drain(*reader).size(), expected) << in << " → " << out << ", " << frames;
      }
    }
  }
}

// A sine comes out as the sine of the new rate: pitch, level and time are kept. The ends ring, as
// they must where a tone starts at once.
TEST(ConvertAudio, SineStaysTheSineInPlace) {
  for (const auto& [in, out] :
       {std::pair{44100, 48000}, {48000, 44100}, {8000, 44100}, {96000, 44100}}) {
    const auto frames = static_cast<std::size_t>(in);
    const auto reader =
        ConvertAudio(std::make_unique<BufferReader>(Sine(frames, in, 997.0), in, true), out, 1);
    const AudioBuffer result = ReadAll(*reader);
    const AudioBuffer expected = Sine(result.frames(), out, 997.0);
    double largest = 0;
    for (std::size_t t = result.frames() / 10; t < result.frames() * 9 / 10; ++t) {
      largest = std::max(
          largest, std::abs(static_cast<double>(result.channel(0)[t]) - expected.channel(0)[t]));
    }
    EXPECT_LT(largest, 2e-6) << in << " → " << out;
  }
}

TEST(ConvertAudio, BlockSizesAndRewindChangeNothing) {
  const auto reader = ConvertAudio(Tones(2, 60000, 48000), 44100, 2);
  const std::vector<float> expected = Drain(*reader, 100000);
  for (const std::size_t block : {1UL, 13UL, 4096UL, 16385UL}) {
    reader->Rewind();
    EXPECT_EQ(LargestDifference(Drain(*reader, block), expected), 0.0) << block;
  }
}

TEST(ConvertAudio, ChannelsAreRemixedOnEitherSideOfTheResampler) {
  const AudioBuffer mono = ReadAll(*ConvertAudio(Tones(1, 5000, 48000), 44100, 1));
  const AudioBuffer stereo = ReadAll(*ConvertAudio(Tones(1, 5000, 48000), 44100, 2));
  ASSERT_EQ(stereo.frames(), mono.frames());
  for (std::size_t t = 0; t < mono.frames(); ++t) {
    ASSERT_EQ(stereo.channel(0)[t], mono.channel(0)[t]);
    ASSERT_EQ(stereo.channel(1)[t], mono.channel(0)[t]);
  }
  const AudioBuffer pair = ReadAll(*ConvertAudio(Tones(2, 5000, 48000), 44100, 2));
  const AudioBuffer mean = ReadAll(*ConvertAudio(Tones(2, 5000, 48000), 44100, 1));
  const AudioBuffer front = ReadAll(*ConvertAudio(Tones(8, 5000, 48000), 48000, 2));
  EXPECT_EQ(front.channels(), 2);
  EXPECT_EQ(front.channel(1)[77], TestTones(8, 5000, 48000).channel(1)[77]);
  for (std::size_t t = 0; t < mean.frames();
       ++t) {  // linear: the order of the two steps does not matter
    ASSERT_NEAR(mean.channel(0)[t], 0.5f * (pair.channel(0)[t] + pair.channel(1)[t]), 1e-6);
  }
}

}  // namespace
}  // namespace stemsmith::testing
