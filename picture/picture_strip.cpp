// SpectrogramStrips: one window per column, 256 colours.
#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "audio/stft.h"
#include "core/error.h"
#include "picture/picture.h"
#include "picture/picture_axis.h"

namespace stemsmith {
namespace {

constexpr int kFftSize = 2048;
constexpr int kLeft = 48, kRight = 16, kTop = 6, kBottom = 20;  // around a strip with axes
constexpr int kTickLength = 4, kCapHeight = 7;

// Squared magnitudes of every pixel, row after row from the top: for each column those of the
// window around its middle, of each row the loudest bin (between two bins where none lies within).
std::vector<float> StripPowers(const AudioBuffer& audio, std::size_t frames,
                               const StripOptions& options) {
  const std::vector<float> mono = MonoMix(audio);
  const double low = LowestShownHz(options.sample_rate_hz);
  const double ratio = HighestShownHz(options.sample_rate_hz) / low;
  const auto bin = [&](int height) {
    return low * std::pow(ratio, static_cast<double>(height) / options.height) * kFftSize /
           options.sample_rate_hz;
  };
  WindowMagnitudes window(kFftSize);
  std::vector<float> samples(kFftSize), magnitudes(kFftSize / 2 + 1);
  std::vector<float> powers(static_cast<std::size_t>(options.width) *
                            static_cast<std::size_t>(options.height));
  for (int x = 0; x < options.width; ++x) {
    const auto middle = static_cast<std::int64_t>(frames) * (2 * x + 1) / (2 * options.width);
    for (int i = 0; i < kFftSize; ++i) {
      const std::int64_t t = middle - kFftSize / 2 + i;
      const bool inside = t >= 0 && t < static_cast<std::int64_t>(mono.size());
      samples[static_cast<std::size_t>(i)] = inside ? mono[static_cast<std::size_t>(t)] : 0.0f;
    }
    window(samples.data(), magnitudes.data());
    for (int y = 0; y < options.height; ++y) {
      const double from = bin(y), to = bin(y + 1);
      const auto below =
          std::min(static_cast<std::size_t>(0.5 * (from + to)), magnitudes.size() - 2);
      const auto share =
          static_cast<float>(std::min(1.0, 0.5 * (from + to) - static_cast<double>(below)));
      float value = magnitudes[below] * (1 - share) + magnitudes[below + 1] * share;
      for (auto f = static_cast<std::size_t>(std::ceil(from));
           static_cast<double>(f) < to && f < magnitudes.size(); ++f)
        value = std::max(value, magnitudes[f]);
      powers[static_cast<std::size_t>(options.height - 1 - y) *
                 static_cast<std::size_t>(options.width) +
             static_cast<std::size_t>(x)] = value * value;
    }
  }
  return powers;
}

// `colours`: of PNG_FORMAT_RGB_COLORMAP, 256 of them; else empty.
std::string Png(PictureSize picture, png_uint_32 format, const std::vector<std::uint8_t>& pixels,
                const std::vector<std::uint8_t>& colours) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = format;
  image.colormap_entries = static_cast<png_uint_32>(colours.size() / 3);
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  const int done = png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0,
                                             colours.empty() ? nullptr : colours.data());
  const std::string message = image.message;
  png_image_free(&image);
  if (done == 0) throw Error::Input("cannot make a picture: " + message, "spectrogram");
  bytes.resize(size);
  return bytes;
}

std::string BareStrip(const std::vector<std::uint8_t>& levels, const StripOptions& options) {
  std::vector<std::uint8_t> colours;
  for (int i = 0; i < 256; ++i) {
    const Colour colour = Magma(i / 255.0);
    colours.insert(colours.end(), {colour.red, colour.green, colour.blue});
  }
  return Png(StripSize(options), PNG_FORMAT_RGB_COLORMAP, levels, colours);
}

std::string StripWithAxes(const std::vector<std::uint8_t>& levels, double seconds,
                          const StripOptions& options) {
  const PictureSize size = StripSize(options);
  const int bottom = kTop + options.height;
  Bitmap bitmap(size.width, size.height, kPaper);
  for (int y = 0; y < options.height; ++y)
    for (int x = 0; x < options.width; ++x)
      bitmap.Set(kLeft + x, kTop + y,
                 Magma(levels[static_cast<std::size_t>(y * options.width + x)] / 255.0));
  for (const AxisMark& mark : FrequencyMarks(options.sample_rate_hz)) {
    const int y = std::max(kTop, bottom - 1 - static_cast<int>(mark.place * options.height));
    bitmap.FillRectangle(kLeft - kTickLength, y, kTickLength, 1, kTick);
    DrawText(bitmap, kLeft - 2 * kTickLength - TextWidth(mark.label, kCapHeight),
             y + 0.5 * kCapHeight, mark.label, kCapHeight, kMuted);
  }
  for (const AxisMark& mark : TimeMarks(seconds)) {
    const int x = kLeft + std::min(options.width - 1, static_cast<int>(mark.place * options.width));
    bitmap.FillRectangle(x, bottom, 1, kTickLength, kTick);
    DrawText(bitmap, x - 0.5 * TextWidth(mark.label, kCapHeight), size.height - 4, mark.label,
             kCapHeight, kMuted);
  }
  return Png(size, PNG_FORMAT_RGB, bitmap.pixels, {});
}

}  // namespace

PictureSize StripSize(const StripOptions& options) {
  if (!options.axes) return {options.width, options.height};
  return {kLeft + options.width + kRight, kTop + options.height + kBottom};
}

std::vector<std::string> SpectrogramStrips(const std::vector<const AudioBuffer*>& signals,
                                           const StripOptions& options) {
  std::size_t frames = 1;
  for (const AudioBuffer* audio : signals) frames = std::max(frames, audio->frames());
  std::vector<std::vector<float>> powers;
  float loudest = 1e-12f;
  for (const AudioBuffer* audio : signals) {
    powers.push_back(StripPowers(*audio, frames, options));
    for (const float power : powers.back())
      if (std::isfinite(power)) loudest = std::max(loudest, power);
  }
  std::vector<std::string> pictures;
  for (const std::vector<float>& strip : powers) {
    std::vector<std::uint8_t> pixels(strip.size());
    for (std::size_t i = 0; i < strip.size(); ++i) {
      const double db = 10.0 * std::log10(std::max(strip[i] / loudest, 1e-12f));
      const double level =
          std::isfinite(db) ? std::clamp(1.0 + db / kSpectrogramRangeDb, 0.0, 1.0) : 0.0;
      pixels[i] = static_cast<std::uint8_t>(std::lround(255.0 * level));
    }
    pictures.push_back(
        options.axes
            ? StripWithAxes(pixels, static_cast<double>(frames) / options.sample_rate_hz, options)
            : BareStrip(pixels, options));
  }
  return pictures;
}

}  // namespace stemsmith
