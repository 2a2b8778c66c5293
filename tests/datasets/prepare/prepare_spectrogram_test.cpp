// Caches of spectrograms made from a dataset.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audio/encode.h"
#include "core/random.h"
#include "datasets/cache/builder.h"
#include "datasets/cache/cache.h"
#include "datasets/cache/index.h"
#include "datasets/prepare/prepare.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing::prepare_spectrogram_test {
namespace {

using ::testing::HasSubstr;

constexpr SpectrogramFormat kFormat{.n_fft = 512, .hop = 128};
constexpr std::size_t kFrames = 30'000;

class PrepareSpectrogram : public ::testing::Test {
 protected:
  PrepareSpectrogram() {
    for (const std::string song : {"a", "b"}) {
      for (const std::string stem : {"drums", "bass"}) {
        AudioBuffer audio(2, kFrames);
        RandomStream random({song == "a", stem == "bass"});
        for (float& sample : audio.samples())
          sample = static_cast<float>(random.Uniform(-0.9, 0.9));
        EncodeOptions options;
        options.sample_format = SampleFormat::kInt16;
        WriteAudio(root_ / song / (stem + ".wav"), audio, 44100, options);
      }
    }
  }
  PrepareOptions Options(std::optional<SpectrogramFormat> spectrogram,
                         CacheFormat format = CacheFormat::kAuto) {
    PrepareOptions options;
    options.reader.root = root_.path();
    options.out = out_ / "cache.h5";
    options.spectrogram = spectrogram;
    options.format = format;
    return options;
  }
  TemporaryFolder root_, out_;
};

TEST_F(PrepareSpectrogram, HoldsWhatACacheOfTheAudioWouldGive) {
  PrepareCache(Options(std::nullopt, CacheFormat::kFloat32));
  const CacheReader audio(out_ / "cache.h5");
  TrackFormat format{.stems = audio.stems(), .sample_type = CacheSampleType::kFloat32};
  format.spectrogram = kFormat;
  CacheBuilder builder(out_ / "built.h5", format);
  std::vector<float> stems(audio.stems().size() * 2 * kFrames);
  for (std::size_t track = 0; track < 2; ++track) {
    audio.ReadStems(track, 0, kFrames, stems.data());
    builder.AddTrack(audio.tracks()[track].name, "train", stems);
  }
  builder.Finish();
  const CacheReader built(out_ / "built.h5");

  // Stems of 16 bits and a mixture beyond full scale: kept as floats.
  for (const int compression : {0, 2}) {
    PrepareOptions options = Options(kFormat);
    options.out = out_ / "prepared.h5";
    options.compression = compression;
    EXPECT_EQ(PrepareCache(options).made, 2u);
    const CacheReader prepared(options.out);
    EXPECT_EQ(prepared.spectrogram(), kFormat);
    const std::int64_t frames = 260;
    const std::size_t size = static_cast<std::size_t>(2 * kFormat.bins() * frames);
    std::vector<float> mix(size), made(2 * size), expected_mix(size), expected(2 * size);
    for (std::size_t track = 0; track < 2; ++track) {
      EXPECT_EQ(prepared.tracks()[track].frames, static_cast<std::int64_t>(kFrames));
      prepared.ReadSpectrogram(track, -10, frames, mix.data(), made.data());
      built.ReadSpectrogram(track, -10, frames, expected_mix.data(), expected.data());
      EXPECT_EQ(mix, expected_mix);
      EXPECT_EQ(made, expected);
      EXPECT_EQ(prepared.ReadLevels(track), audio.ReadLevels(track));
    }
  }
}

TEST_F(PrepareSpectrogram, IsKeptUntilItsKindChanges) {
  EXPECT_EQ(PrepareCache(Options(kFormat, CacheFormat::kFloat16)).made, 2u);
  const CacheIndex index = ReadCacheIndex(out_ / "cache.h5");
  EXPECT_THAT(index.command, HasSubstr(" --spectrogram 512,128"));
  EXPECT_EQ(index.tracks[0].sample_type, CacheSampleType::kFloat16);
  EXPECT_EQ(PrepareCache(Options(kFormat, CacheFormat::kFloat16)).kept, 2u);
  SpectrogramFormat other = kFormat;
  other.hop = 256;
  EXPECT_EQ(PrepareCache(Options(other, CacheFormat::kFloat16)).made, 2u);
  EXPECT_EQ(CacheReader(out_ / "cache.h5").spectrogram(), other);
  EXPECT_EQ(PrepareCache(Options(std::nullopt)).made, 2u);
  EXPECT_EQ(CacheReader(out_ / "cache.h5").spectrogram(), std::nullopt);
}

TEST_F(PrepareSpectrogram, RefusesWhatCannotBeStored) {
  EXPECT_THAT(MessageOf([&] { PrepareCache(Options(kFormat, CacheFormat::kInt16)); }),
              HasSubstr("int16"));
  for (const SpectrogramFormat& format :
       {SpectrogramFormat{.n_fft = 511, .hop = 128}, SpectrogramFormat{.n_fft = 512, .hop = 0},
        SpectrogramFormat{.n_fft = 512, .hop = 257}, SpectrogramFormat{.n_fft = 0, .hop = 1},
        SpectrogramFormat{.n_fft = 1 << 20, .hop = 128}})
    EXPECT_THAT(MessageOf([&] { PrepareCache(Options(format)); }), HasSubstr("such as 4096,1024"));
}

}  // namespace
}  // namespace stemsmith::testing::prepare_spectrogram_test
