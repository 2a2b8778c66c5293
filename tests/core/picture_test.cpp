#include "core/picture.h"

#include <gmock/gmock.h>
#include <png.h>

#include <limits>

#include "core/error.h"
#include "core/picture_axis.h"
#include "core/picture_font.h"
#include "tests/core/audio_fixtures.h"

namespace stemsmith::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::size_t Count(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t i = text.find(part); i != std::string::npos; i = text.find(part, i + 1)) ++count;
  return count;
}

// Pairs of numbers of the first polyline's points.
std::vector<std::pair<double, double>> FirstLine(const std::string& svg) {
  std::vector<std::pair<double, double>> points;
  const std::size_t begin = svg.find("points=\"") + 8;
  std::istringstream text(svg.substr(begin, svg.find('"', begin) - begin));
  double x = 0, y = 0;
  char comma = 0;
  while (text >> x >> comma >> y) points.emplace_back(x, y);
  return points;
}

TEST(LineChart, ShowsTitleLabelsAndSeriesEscaped) {
  const std::string svg = LineChartSvg({{"loss <a> & \"b\"", {0, 1, 2}, {3, 2, 1}}},
                                       {"Title & more", "step", "loss", false});
  EXPECT_THAT(svg, HasSubstr(">loss &lt;a&gt; &amp; &quot;b&quot;</text>"));
  EXPECT_THAT(svg, HasSubstr(">Title &amp; more</text>"));
  EXPECT_THAT(svg, HasSubstr(">step</text>"));
  const auto points = FirstLine(svg);
  ASSERT_EQ(points.size(), 3u);
  EXPECT_LT(points[0].first, points[1].first);    // x grows to the right,
  EXPECT_LT(points[0].second, points[2].second);  // y upwards: 3 lies above 1
  EXPECT_NEAR(points[1].second, (points[0].second + points[2].second) / 2, 0.11);
}

TEST(LineChart, LeavesOutWhatHasNoFinitePointAndBreaksLinesAtOthers) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string svg = LineChartSvg(
      {{"nothing", {0, 1}, {nan, nan}}, {"broken", {0, 1, 2, 3, 4}, {1, 2, nan, 2, 1}}}, {});
  EXPECT_THAT(svg, Not(HasSubstr("nothing")));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_EQ(Count(svg, "<polyline"), 2u);
}

TEST(LineChart, LogarithmicAxisSpacesDecadesEvenlyAndSkipsZero) {
  ChartOptions options;
  options.log_y = true;
  const auto points =
      FirstLine(LineChartSvg({{"a", {0, 1, 2}, {1, 0.1, 0.01}}, {"b", {0, 1}, {0, -1}}}, options));
  ASSERT_EQ(points.size(), 3u);
  EXPECT_NEAR(points[1].second - points[0].second, points[2].second - points[1].second, 0.11);
}

TEST(LineChart, ManyPointsStaySmallAndKeepTheirTrend) {
  ChartSeries series{"a", {}, {}};
  for (int i = 0; i < 100000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i % 2 == 0 ? 1.0 : 3.0);
  }
  const std::string svg = LineChartSvg({series}, {});
  EXPECT_LT(svg.size(), 100000u);
  EXPECT_EQ(Count(svg, "<polyline"), 2u);
}

TEST(LineChart, DegenerateRangesAreDrawn) {
  for (const std::string& svg : {LineChartSvg({}, {"empty"}), LineChartSvg({{"one", {5}, {7}}}, {}),
                                 LineChartSvg({{"flat", {0, 1}, {0, 0}}}, {}),
                                 LineChartSvg({{"big", {0, 1e12}, {1e-12, 1e12}}}, {})}) {
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
    EXPECT_THAT(svg, HasSubstr("</svg>"));
  }
}

TEST(Axis, TicksAreNice) {
  EXPECT_THAT(NiceTicks(0, 10, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(NiceTicks(-1, 1, 4), ElementsAre(-1, -0.5, 0, 0.5, 1));
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
