#include "picture/picture.h"

#include <gmock/gmock.h>
#include <png.h>

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "picture/picture_axis.h"
#include "picture/picture_font.h"
#include "tests/audio/audio_fixtures.h"

namespace stemsmith::testing {
namespace {

TEST(Axis, TicksAreNice) {
  EXPECT_DOUBLE_EQ(NiceStep(10, 5), 2);
  EXPECT_DOUBLE_EQ(NiceStep(2, 4), 0.5);
  EXPECT_EQ(TickLabel(0.3, 0.1), "0.3");
  EXPECT_EQ(TickLabel(0.3, 0.05), "0.30");
  EXPECT_EQ(TickLabel(20000, 5000), "20k");
  EXPECT_EQ(TickLabel(1500, 500), "1500");
}

struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;
  int Brightness(int x, int y) const {
    const std::uint8_t* p = &pixels[3 * static_cast<std::size_t>(y * width + x)];
    return p[0] + p[1] + p[2];
  }
};

Image ReadPng(const std::filesystem::path& path) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  EXPECT_NE(png_image_begin_read_from_file(&png, path.c_str()), 0) << png.message;
  png.format = PNG_FORMAT_RGB;
  Image image{static_cast<int>(png.width), static_cast<int>(png.height), {}};
  image.pixels.resize(PNG_IMAGE_SIZE(png));
  EXPECT_NE(png_image_finish_read(&png, nullptr, image.pixels.data(), 0, nullptr), 0);
  return image;
}

TEST(Spectrogram, TonesAppearAtTheirHeightOnALogarithmicAxis) {
  TemporaryFolder folder;
  std::vector<SpectrogramRow> rows;
  for (const double hertz : {500.0, 1000.0, 2000.0}) {
    AudioBuffer audio(2, 44100);
    for (int c = 0; c < 2; ++c) {
      for (std::size_t t = 0; t < 44100; ++t) {
        audio.channel(c)[t] = static_cast<float>(
            0.5 * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(t) / 44100));
      }
    }
    rows.push_back({"tone", audio});
  }
  rows.push_back({"silence", AudioBuffer(2, 44100)});
  WriteSpectrogramPng(folder / "a.png", rows, 44100);
  const Image image = ReadPng(folder / "a.png");

  // In a column through the middle: the plots are the stretches that are not paper.
  const int x = image.width / 2;
  std::vector<int> brightest, top, height;
  for (int y = 0; y < image.height; ++y) {
    if (image.Brightness(x, y) == 3 * 255) continue;
    const int begin = y;
    int best = y;
    for (; y < image.height && image.Brightness(x, y) < 3 * 255; ++y) {
      if (image.Brightness(x, y) > image.Brightness(x, best)) best = y;
    }
    if (y - begin < 100) continue;  // the axis below
    top.push_back(begin);
    height.push_back(y - begin);
    brightest.push_back(best - begin);
  }
  ASSERT_EQ(top.size(), 4u);
  const int octave = brightest[0] - brightest[1];
  EXPECT_GT(octave, 15);
  EXPECT_NEAR(brightest[1] - brightest[2], octave, 1);
  EXPECT_LT(image.Brightness(x, top[3] + brightest[3]), 20) << "silence is dark";
}

TEST(Spectrogram, ShortEmptyAndEightKilohertzAudioIsDrawn) {
  TemporaryFolder folder;
  WriteSpectrogramPng(folder / "a.png", {{"", AudioBuffer(1, 3)}, {"none", AudioBuffer()}}, 8000);
  EXPECT_GT(ReadPng(folder / "a.png").height, 400);
  EXPECT_THROW(WriteSpectrogramPng(folder / "b.png", {}, 44100), Error);
  EXPECT_FALSE(std::filesystem::exists(folder / "b.png"));
}

TEST(SpectrogramStrips, AreOnePictureForEachSignalOnOneScale) {
  AudioBuffer loud(1, 8000), quiet(1, 4000);
  for (std::size_t t = 0; t < 8000; ++t)
    loud.channel(0)[t] = static_cast<float>(
        0.5 * std::sin(2 * std::numbers::pi * 1000.0 * static_cast<double>(t) / 8000));
  for (std::size_t t = 0; t < 4000; ++t) quiet.channel(0)[t] = 0.01f * loud.channel(0)[t];
  const AudioBuffer none;
  const auto pictures = SpectrogramStrips({&loud, &quiet, &none},
                                          {.sample_rate_hz = 8000, .width = 100, .height = 64});
  ASSERT_EQ(pictures.size(), 3u);
  const TemporaryFolder folder;
  std::vector<Image> images;
  for (const std::string& png : pictures) {
    WriteFileAtomically(folder / "a.png", png);
    images.push_back(ReadPng(folder / "a.png"));
    EXPECT_EQ(images.back().width, 100);
    EXPECT_EQ(images.back().height, 64);
  }
  // 1 kHz between 40 Hz and 4 kHz: log(1000 / 40) / log(100) of the height.
  int brightest = 0;
  for (int y = 0; y < 64; ++y)
    if (images[0].Brightness(25, y) > images[0].Brightness(25, brightest)) brightest = y;
  EXPECT_NEAR(brightest, 64 * (1 - std::log(25.0) / std::log(100.0)), 1.5);
  EXPECT_GT(images[1].Brightness(25, brightest), 100);
  EXPECT_GT(images[0].Brightness(25, brightest), images[1].Brightness(25, brightest) + 100);
  // The short one is silent in its second half, the empty one everywhere.
  EXPECT_LT(images[1].Brightness(80, brightest), 20);
  EXPECT_LT(images[2].Brightness(25, brightest), 20);
}

TEST(SpectrogramStrips, HaveAxesWhereAskedFor) {
  AudioBuffer loud(1, 16000);
  for (std::size_t t = 0; t < 16000; ++t)
    loud.channel(0)[t] = static_cast<float>(
        0.5 * std::sin(2 * std::numbers::pi * 1000.0 * static_cast<double>(t) / 8000));
  StripOptions options{.sample_rate_hz = 8000, .width = 100, .height = 64};
  const TemporaryFolder folder;
  const auto draw = [&] {
    WriteFileAtomically(folder / "a.png", SpectrogramStrips({&loud}, options).front());
    return ReadPng(folder / "a.png");
  };
  const Image bare = draw();
  options.axes = true;
  const Image framed = draw();
  const PictureSize size = StripSize(options);
  ASSERT_EQ(framed.width, size.width);
  ASSERT_EQ(framed.height, size.height);
  const int left = 48, top = 6;
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 100; ++x)
      ASSERT_EQ(framed.Brightness(left + x, top + y), bare.Brightness(x, y));
  // A tick beside 1 kHz, where the tone is, and words left of it; ticks and words below.
  int brightest = 0;
  for (int y = 0; y < 64; ++y)
    if (bare.Brightness(25, y) > bare.Brightness(25, brightest)) brightest = y;
  const auto ink = [&](int x0, int x1, int y0, int y1) {
    int count = 0;
    for (int y = y0; y < y1; ++y)
      for (int x = x0; x < x1; ++x) count += framed.Brightness(x, y) < 600;
    return count;
  };
  EXPECT_GT(ink(left - 4, left, top + brightest - 2, top + brightest + 3), 2);
  EXPECT_GT(ink(0, left - 8, top + brightest - 6, top + brightest + 7), 20);
  EXPECT_EQ(framed.Brightness(left, top + 65), 3 * 150 + 24);  // 0 s
  EXPECT_GT(ink(0, size.width, top + 64 + 6, size.height), 20);
  // As in reports.
  EXPECT_EQ(FrequencyMarks(8000).size(), 2u);
  EXPECT_EQ(TimeMarks(2.0).back().label, "2.0 s");
}

TEST(Font, DrawsEveryCharacterWithinItsWidth) {
  for (char c = '!'; c <= '~'; ++c) {
    Bitmap bitmap(60, 60, {255, 255, 255});
    DrawText(bitmap, 20, 35, std::string(1, c), 18, {0, 0, 0});
    int ink = 0, rightmost = 0;
    for (int y = 0; y < 60; ++y) {
      for (int x = 0; x < 60; ++x) {
        if (bitmap.pixels[3 * static_cast<std::size_t>(y * 60 + x)] > 128) continue;
        ++ink;
        rightmost = std::max(rightmost, x);
      }
    }
    EXPECT_GT(ink, 3) << c;
    EXPECT_LE(rightmost, 20 + TextWidth(std::string(1, c), 18) + 2) << c;
  }
}

}  // namespace
}  // namespace stemsmith::testing
