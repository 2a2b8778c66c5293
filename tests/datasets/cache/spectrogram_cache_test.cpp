// Caches of spectrograms, as they are written and read.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

#include "audio/stft.h"
#include "core/random.h"
#include "datasets/cache/track.h"
#include "tests/datasets/loader/loader_fixture.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;
using testing::MessageOf;

constexpr SpectrogramFormat kFormat{.n_fft = 64, .hop = 16};

class SpectrogramCache : public ::testing::Test {
 protected:
  // Songs of 5000, 900 and 150 frames in train (the last shorter than a segment), noise throughout.
  std::unique_ptr<CacheReader> Make(const std::string& name,
                                    std::optional<SpectrogramFormat> spectrogram,
                                    CacheSampleType type = CacheSampleType::kFloat32) {
    TrackFormat format{.stems = {"drums", "bass", "rest"},
                       .sample_rate_hz = kRate,
                       .channels = kChannels,
                       .sample_type = type};
    format.spectrogram = spectrogram;
    CacheBuilder builder(folder_ / name, format);
    std::uint64_t seed = 1;
    for (const std::int64_t frames : {5000, 900, 150}) {
      RandomStream random({seed});
      std::vector<float> audio(static_cast<std::size_t>(kStems * kChannels * frames));
      for (float& sample : audio) sample = static_cast<float>(random.Uniform(-0.3, 0.3));
      builder.AddTrack("song" + std::to_string(seed++), "train", audio);
    }
    builder.Finish();
    return std::make_unique<CacheReader>(folder_ / name);
  }

  // Magnitudes as the definition has them, of audio that begins half a window before frame 0: [F,
  // N].
  static std::vector<double> Magnitudes(const float* audio, const SpectrogramFormat& format,
                                        std::int64_t frames) {
    std::vector<double> magnitudes;
    for (int f = 0; f < format.bins(); ++f) {
      for (std::int64_t n = 0; n < frames; ++n) {
        std::complex<double> sum = 0;
        for (int i = 0; i < format.n_fft; ++i) {
          const double turn = 2 * std::numbers::pi * i / format.n_fft;
          sum +=
              (0.5 - 0.5 * std::cos(turn)) * audio[n * format.hop + i] * std::polar(1.0, -turn * f);
        }
        magnitudes.push_back(std::abs(sum));
      }
    }
    return magnitudes;
  }

  // Largest difference between what a cache of spectrograms gives and the magnitudes of the audio.
  static double Difference(const CacheReader& audio, const CacheReader& cache, std::size_t track,
                           std::int64_t first, std::int64_t frames) {
    const SpectrogramFormat& format = *cache.spectrogram();
    const std::int64_t length = (frames - 1) * format.hop + format.n_fft;
    std::vector<float> stems(static_cast<std::size_t>(kStems * kChannels * length));
    audio.ReadStems(track, first * format.hop - format.half(), length, stems.data());
    for (int c = 0; c < kChannels; ++c) {
      for (std::int64_t t = 0; t < length; ++t) {
        float sum = 0;
        for (int s = 0; s < kStems; ++s) sum += stems[(s * kChannels + c) * length + t];
        stems.push_back(sum);  // the mixture follows the stems
      }
    }
    const std::size_t size = static_cast<std::size_t>(kChannels * format.bins() * frames);
    std::vector<float> given(kStems * size), mix(size);
    cache.ReadSpectrogram(track, first, frames, mix.data(), given.data());
    given.insert(given.end(), mix.begin(), mix.end());
    double worst = 0;
    for (int row = 0; row < (kStems + 1) * kChannels; ++row) {
      const auto expected = Magnitudes(stems.data() + row * length, format, frames);
      for (std::size_t i = 0; i < expected.size(); ++i)
        worst = std::max(worst, std::abs(expected[i] - given[row * expected.size() + i]));
    }
    return worst;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(SpectrogramCache, HoldsTheMagnitudesOfStemsAndMixture) {
  const auto audio = Make("audio.h5", std::nullopt);
  // The second hop does not divide half a window.
  for (const SpectrogramFormat& format : {kFormat, SpectrogramFormat{.n_fft = 48, .hop = 20}}) {
    const auto cache = Make("spectrogram.h5", format);
    EXPECT_EQ(cache->spectrogram(), format);
    // The beginning and what lies before, the middle, and the end with what lies behind.
    for (const std::int64_t first : {-10, 0, 100, 5000 / format.hop - 20})
      EXPECT_LT(Difference(*audio, *cache, 0, first, 40), 1e-5) << first;
    EXPECT_LT(Difference(*audio, *cache, 2, -15, 40), 1e-5) << "a short song in the middle";
  }
}

TEST_F(SpectrogramCache, KeepsFloat16WithinItsRounding) {
  const auto audio = Make("audio.h5", std::nullopt);
  const auto cache = Make("spectrogram.h5", kFormat, CacheSampleType::kFloat16);
  // Magnitudes reach 16; halves have 11 bits.
  EXPECT_LT(Difference(*audio, *cache, 0, 50, 100), 16.0 / 2048);
}

TEST_F(SpectrogramCache, ReadsRowsThatAreWiderThanAChunkShouldBe) {
  const auto audio = Make("audio.h5", std::nullopt);
  const auto cache = Make("spectrogram.h5", SpectrogramFormat{.n_fft = 16384, .hop = 256});
  EXPECT_GT(cache->thread_bytes(), 1 << 20);
  const SpectrogramFormat& format = *cache->spectrogram();
  const std::int64_t length = 17 * format.hop + format.n_fft, frames = 18;
  std::vector<float> samples(static_cast<std::size_t>(kStems * kChannels * length));
  audio->ReadStems(0, -format.half(), length, samples.data());
  const std::size_t size = static_cast<std::size_t>(kChannels * format.bins() * frames);
  std::vector<float> mix(size), stems(kStems * size);
  WindowMagnitudes magnitudes(format.n_fft);
  std::vector<float> expected(static_cast<std::size_t>(format.bins()));
  for (int pass = 0; pass < 2; ++pass) {  // verified, and again
    cache->ReadSpectrogram(0, 0, frames, mix.data(), stems.data());
    for (const std::int64_t n : {0, 15, 16, 17}) {
      magnitudes(samples.data() + (kStems * kChannels - 1) * length + n * format.hop,
                 expected.data());
      for (const int f : {0, 1, 100, format.bins() - 1}) {
        const std::size_t row = (kStems * kChannels - 1) * format.bins() + f;
        EXPECT_FLOAT_EQ(stems[row * frames + n], expected[f]) << n << " " << f;
      }
    }
  }
}

TEST_F(SpectrogramCache, KnowsLengthsAndLevelsOfTheAudio) {
  const auto audio = Make("audio.h5", std::nullopt);
  const auto cache = Make("spectrogram.h5", kFormat);
  for (std::size_t track = 0; track < 3; ++track) {
    EXPECT_EQ(cache->tracks()[track].frames, audio->tracks()[track].frames);
    EXPECT_EQ(cache->tracks()[track].rms_db, audio->tracks()[track].rms_db);
    EXPECT_EQ(cache->ReadLevels(track), audio->ReadLevels(track));
  }
  EXPECT_NE(cache->fingerprint(), audio->fingerprint());
}

TEST_F(SpectrogramCache, GivesNoAudio) {
  const auto cache = Make("spectrogram.h5", kFormat);
  std::vector<float> out(1000);
  EXPECT_THAT(MessageOf([&] { cache->ReadStems(0, 0, 10, out.data()); }),
              HasSubstr("spectrograms"));
  EXPECT_THAT(MessageOf([&] { cache->ReadStem(0, 0, 0, 10, out.data()); }),
              HasSubstr("without --spectrogram"));
}

TEST_F(SpectrogramCache, LoaderDrawsWhatItDrawsFromAudio) {
  const auto audio = Make("audio.h5", std::nullopt);
  const auto cache = Make("spectrogram.h5", kFormat);
  LoaderOptions options{.segment_frames = 24 * kFormat.hop,
                        .grid_frames = kFormat.hop,
                        .context_frames = kFormat.half(),
                        .batch_size = 3,
                        .samples_per_epoch = 12,
                        .seed = 5};
  for (const double min_rms_db : {kAnyLevelDb, -15.3}) {
    options.min_rms_db = min_rms_db;  // half a decibel below the noise: some draws are repeated
    Loader from_audio(*audio, {}, options), from_spectrograms(*cache, {}, options);
    EXPECT_EQ(from_audio.batches_per_epoch(), from_spectrograms.batches_per_epoch());
    for (int k = 0; k < 8; ++k) {
      const auto waves = from_audio.Next(), magnitudes = from_spectrograms.Next();
      ASSERT_EQ(waves->tracks, magnitudes->tracks);
      ASSERT_EQ(magnitudes->frames, 24);
      ASSERT_EQ(magnitudes->channels, kChannels * kFormat.bins());
      const std::size_t size = static_cast<std::size_t>(kFormat.bins()) * 24;
      for (int row = 0; row < 3 * kChannels; ++row) {
        const auto expected = Magnitudes(waves->mix.data() + row * waves->frames, kFormat, 24);
        for (std::size_t i = 0; i < size; ++i)
          ASSERT_NEAR(magnitudes->mix[row * size + i], expected[i], 1e-5);
      }
      const int row = k % (3 * kStems * kChannels);
      const auto expected = Magnitudes(waves->stem_audio.data() + row * waves->frames, kFormat, 24);
      for (std::size_t i = 0; i < size; ++i)
        ASSERT_NEAR(magnitudes->stem_audio[row * size + i], expected[i], 1e-5);
    }
  }
}

TEST_F(SpectrogramCache, LoaderRefusesAugmentationAndOtherGrids) {
  const auto cache = Make("spectrogram.h5", kFormat);
  LoaderOptions options{.segment_frames = 24 * kFormat.hop,
                        .grid_frames = kFormat.hop,
                        .context_frames = kFormat.half(),
                        .samples_per_epoch = 12};
  const Config config = Config::Parse("augment: [{name: gain, probability: 0.5}]", "test");
  EXPECT_THAT(MessageOf([&] { Loader(*cache, AugmentChain(config.List("augment")), options); }),
              HasSubstr("do not add"));
  options.grid_frames = 1;
  EXPECT_THAT(MessageOf([&] { Loader(*cache, {}, options); }), HasSubstr("grid"));
}

}  // namespace
}  // namespace stemsmith
