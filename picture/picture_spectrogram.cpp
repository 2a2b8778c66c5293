// WriteSpectrogramPng: log frequency axis, 80 dB below the loudest point of all rows.
#include <png.h>

#include <algorithm>
#include <cmath>

#include "audio/stft.h"
#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "picture/picture.h"
#include "picture/picture_axis.h"
#include "picture/picture_font.h"
#include "picture/stem_colours.h"

namespace stemsmith {
namespace {

constexpr int kPlotWidth = 1080, kPlotHeight = 190;
constexpr int kLeft = 62, kRight = 84, kTop = 12, kBottom = 44;
constexpr int kTitleHeight = 34;
constexpr int kBarWidth = 14;
constexpr int kFftSize = 4096;
constexpr Colour kInk{38, 42, 51};

struct FrequencyAxis {
  explicit FrequencyAxis(int rate)
      : sample_rate_hz(rate), low(LowestShownHz(rate)), high(HighestShownHz(rate)) {}
  // Height above the lower edge in pixels ↔ frequency.
  double Hertz(double height) const { return low * std::pow(high / low, height / kPlotHeight); }
  double Height(double hertz) const {
    return kPlotHeight * std::log(hertz / low) / std::log(high / low);
  }
  int sample_rate_hz;
  double low, high;
};

// Mean power per bin of the STFT frames whose centres lie in [begin, end), at least one frame. The
// signal is cut out and silent beyond its ends, so that memory does not grow with the length of the
// song.
std::vector<double> ColumnPower(const Stft& stft, const std::vector<float>& mono,
                                std::int64_t begin, std::int64_t end) {
  const std::int64_t margin = kFftSize / 2;
  std::vector<float> slice(static_cast<std::size_t>(end - begin + 2 * margin), 0.0f);
  for (std::size_t i = 0; i < slice.size(); ++i) {
    const std::int64_t t = begin - margin + static_cast<std::int64_t>(i);
    if (t >= 0 && t < static_cast<std::int64_t>(mono.size()))
      slice[i] = mono[static_cast<std::size_t>(t)];
  }
  const auto spectrum = stft.Forward(slice);
  const auto bins = static_cast<std::size_t>(stft.bins());
  const std::int64_t hop = kFftSize / 4;
  std::vector<double> power(bins, 0.0);
  int frames = 0;
  for (std::int64_t n = margin / hop; n == margin / hop || n * hop < margin + end - begin;
       ++n, ++frames) {
    for (std::size_t f = 0; f < bins; ++f) {
      power[f] += std::norm(spectrum[static_cast<std::size_t>(n) * bins + f]);
    }
  }
  for (double& value : power) value /= frames;
  return power;
}

// Power of every pixel, column after column from the left, each from low to high frequency.
std::vector<double> PixelPowers(const AudioBuffer& audio, const FrequencyAxis& axis,
                                std::size_t total_frames) {
  const Stft stft({.n_fft = kFftSize, .hop = kFftSize / 4});
  const std::vector<float> mono = MonoMix(audio);
  const double bins_per_hertz = static_cast<double>(kFftSize) / axis.sample_rate_hz;
  std::vector<double> pixels(static_cast<std::size_t>(kPlotWidth) * kPlotHeight, 0.0);
  for (int column = 0; column < kPlotWidth; ++column) {
    const auto begin = static_cast<std::int64_t>(total_frames) * column / kPlotWidth;
    const auto end = static_cast<std::int64_t>(total_frames) * (column + 1) / kPlotWidth;
    if (begin >= static_cast<std::int64_t>(mono.size())) break;
    const std::vector<double> power = ColumnPower(stft, mono, begin, end);
    for (int row = 0; row < kPlotHeight; ++row) {
      const double low = axis.Hertz(row) * bins_per_hertz,
                   high = axis.Hertz(row + 1) * bins_per_hertz;
      // The loudest bin within the pixel; between two bins where none lies within.
      const double middle =
          std::clamp(0.5 * (low + high), 0.0, static_cast<double>(power.size() - 1));
      const auto below = std::min(static_cast<std::size_t>(middle), power.size() - 2);
      const double share = middle - static_cast<double>(below);
      double value = power[below] * (1 - share) + power[below + 1] * share;
      for (auto f = static_cast<std::size_t>(std::ceil(low));
           static_cast<double>(f) < high && f < power.size(); ++f) {
        value = std::max(value, power[f]);
      }
      pixels[static_cast<std::size_t>(column) * kPlotHeight + static_cast<std::size_t>(row)] =
          value;
    }
  }
  return pixels;
}

void DrawFrequencyAxis(Bitmap& bitmap, int top, const FrequencyAxis& axis) {
  for (const double hertz : {50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0}) {
    if (hertz < axis.low || hertz > axis.high) continue;
    const int y = top + kPlotHeight - 1 -
                  std::min(kPlotHeight - 1, static_cast<int>(std::lround(axis.Height(hertz))));
    bitmap.FillRectangle(kLeft - 5, y, 5, 1, kTick);
    const std::string label =
        hertz < 1000 ? Formatted("%.0f Hz", hertz) : Formatted("%.0f kHz", hertz / 1000);
    DrawText(bitmap, kLeft - 10 - TextWidth(label, 8), y + 4.5, label, 8, kMuted);
  }
}

void DrawTimeAxis(Bitmap& bitmap, int bottom, double seconds) {
  const double step = NiceTimeStep(seconds, 12);
  for (int i = 0; i * step <= seconds * (1 + 1e-9); ++i) {
    const double time = i * step;
    const int x = kLeft + std::min(kPlotWidth - 1,
                                   static_cast<int>(std::lround(kPlotWidth * time / seconds)));
    bitmap.FillRectangle(x, bottom, 1, 5, kTick);
    std::string label = TickLabel(time, step);
    if (seconds > 90) {
      const long whole = std::lround(time);
      label = Formatted("%ld:%02ld", whole / 60, whole % 60);
    }
    DrawText(bitmap, x - TextWidth(label, 8) / 2, bottom + 18, label, 8, kMuted);
  }
  const std::string unit = seconds > 90 ? "minutes" : "seconds";
  DrawText(bitmap, kLeft + (kPlotWidth - TextWidth(unit, 8)) / 2, bottom + 35, unit, 8, kMuted);
}

void DrawColourBar(Bitmap& bitmap, int top, int bottom) {
  const int x = kLeft + kPlotWidth + 16, height = bottom - top;
  for (int y = 0; y < height; ++y) {
    bitmap.FillRectangle(x, top + y, kBarWidth, 1,
                         Magma(1.0 - static_cast<double>(y) / (height - 1)));
  }
  for (int db = 0; db <= static_cast<int>(kSpectrogramRangeDb); db += 20) {
    const int y = top + static_cast<int>(std::lround((height - 1) * db / kSpectrogramRangeDb));
    bitmap.FillRectangle(x + kBarWidth, y, 4, 1, kTick);
    const std::string label = db == 0 ? "0 dB" : "-" + std::to_string(db);
    DrawText(bitmap, x + kBarWidth + 8, std::clamp(y + 4.5, top + 8.0, bottom + 0.0), label, 8,
             kMuted);
  }
}

void WritePng(const std::filesystem::path& path, const Bitmap& bitmap) {
  PendingFile file(path);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(bitmap.width);
  image.height = static_cast<png_uint_32>(bitmap.height);
  image.format = PNG_FORMAT_RGB;
  errno = 0;
  const int done =
      png_image_write_to_file(&image, file.path().c_str(), 0, bitmap.pixels.data(), 0, nullptr);
  const int reason = errno;
  const std::string message = image.message;
  png_image_free(&image);
  if (done == 0) {
    errno = reason;
    throw Error::Write("cannot write the picture (" + message + ")", path.string());
  }
  file.Commit();
}

}  // namespace

void WriteSpectrogramPng(const std::filesystem::path& path, const std::vector<SpectrogramRow>& rows,
                         int sample_rate_hz) {
  if (rows.empty() || sample_rate_hz < 1) {
    throw Error::Input("a spectrogram needs audio and its sample rate", path.string());
  }
  const FrequencyAxis axis(sample_rate_hz);
  std::size_t frames = 1;
  for (const SpectrogramRow& row : rows) frames = std::max(frames, row.audio.frames());

  std::vector<std::vector<double>> powers;
  double loudest = 1e-12;
  for (const SpectrogramRow& row : rows) {
    powers.push_back(PixelPowers(row.audio, axis, frames));
    loudest = std::max(loudest, *std::max_element(powers.back().begin(), powers.back().end()));
  }

  const int row_height = kTitleHeight + kPlotHeight;
  const int count = static_cast<int>(rows.size());
  Bitmap bitmap(kLeft + kPlotWidth + kRight, kTop + count * row_height + kBottom, kPaper);
  for (int r = 0; r < count; ++r) {
    const auto index = static_cast<std::size_t>(r);
    const int top = kTop + r * row_height + kTitleHeight;
    int left = kLeft;
    if (const std::string& stem = rows[index].stem; !stem.empty()) {
      bitmap.FillRectangle(kLeft, top - 21, 11, 11,
                           StemColour(StemColourIndices({stem}).front(), /*on_dark=*/false));
      left += 20;
    }
    DrawText(bitmap, left, top - 10, rows[index].title, 11, kInk);
    for (int x = 0; x < kPlotWidth; ++x) {
      for (int y = 0; y < kPlotHeight; ++y) {
        const double power =
            powers[index][static_cast<std::size_t>(x) * kPlotHeight + static_cast<std::size_t>(y)];
        const double db = 10.0 * std::log10(std::max(power / loudest, 1e-12));
        bitmap.Set(kLeft + x, top + kPlotHeight - 1 - y, Magma(1.0 + db / kSpectrogramRangeDb));
      }
    }
    DrawFrequencyAxis(bitmap, top, axis);
  }
  const int bottom = kTop + count * row_height;
  DrawTimeAxis(bitmap, bottom, static_cast<double>(frames) / sample_rate_hz);
  DrawColourBar(bitmap, kTop + kTitleHeight, bottom);
  WritePng(path, bitmap);
}

}  // namespace stemsmith
