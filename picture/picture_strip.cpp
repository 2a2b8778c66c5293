// SpectrogramStrip: one window per column, 256 colours.
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

// Squared magnitudes of every pixel, row after row from the top: for each column those of the
// window around its middle, of each row the loudest bin (between two bins where none lies within).
struct SpectrogramStrip::Impl {
  Impl(std::int64_t all_frames, const StripOptions& given)
      : frames(std::max<std::int64_t>(all_frames, 1)),
        options(given),
        powers(static_cast<std::size_t>(options.width) * static_cast<std::size_t>(options.height)) {
    const double low = LowestShownHz(options.sample_rate_hz);
    const double ratio = HighestShownHz(options.sample_rate_hz) / low;
    for (int height = 0; height <= options.height; ++height)
      bins.push_back(low * std::pow(ratio, static_cast<double>(height) / options.height) *
                     kFftSize / options.sample_rate_hz);
  }

  // The first frame of the window of a column.
  std::int64_t Begin(int x) const {
    return frames * (2 * x + 1) / (2 * options.width) - kFftSize / 2;
  }

  // Draws the columns whose windows are complete, and forgets what no window needs any more.
  void Draw() {
    const auto end = held_begin + static_cast<std::int64_t>(held.size());
    for (; column < options.width && Begin(column) + kFftSize <= end; ++column)
      DrawColumn(column, held.data() + (Begin(column) - held_begin));
    const std::int64_t needed = column < options.width ? Begin(column) : end;
    const auto spent = std::clamp<std::int64_t>(needed - held_begin, 0, end - held_begin);
    held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(spent));
    held_begin += spent;
  }

  void DrawColumn(int x, const float* samples) {
    window(samples, magnitudes.data());
    for (int y = 0; y < options.height; ++y) {
      const double from = bins[static_cast<std::size_t>(y)],
                   to = bins[static_cast<std::size_t>(y) + 1];
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

  float Loudest() const {
    float loudest = 1e-12f;
    for (const float power : powers)
      if (std::isfinite(power)) loudest = std::max(loudest, power);
    return loudest;
  }

  // Silence follows the last sample.
  void Finish() {
    while (column < options.width) {
      held.insert(held.end(), kFftSize, 0.0f);
      Draw();
    }
  }

  std::string Png(float loudest) const {
    std::vector<std::uint8_t> pixels(powers.size());
    for (std::size_t i = 0; i < powers.size(); ++i) {
      const double db = 10.0 * std::log10(std::max(powers[i] / loudest, 1e-12f));
      const double level =
          std::isfinite(db) ? std::clamp(1.0 + db / kSpectrogramRangeDb, 0.0, 1.0) : 0.0;
      pixels[i] = static_cast<std::uint8_t>(std::lround(255.0 * level));
    }
    return options.axes ? StripWithAxes(pixels,
                                        static_cast<double>(frames) / options.sample_rate_hz,
                                        options)
                        : BareStrip(pixels, options);
  }

  const std::int64_t frames;
  const StripOptions options;
  std::vector<double> bins;  // the lower edge of each row, from the lowest, and the upper edge
  WindowMagnitudes window{kFftSize};
  std::vector<float> magnitudes = std::vector<float>(kFftSize / 2 + 1);
  std::vector<float> powers;
  int column = 0;  // the next
  // Mono samples that windows still need. Silence comes before the first.
  std::vector<float> held = std::vector<float>(kFftSize / 2);
  std::int64_t held_begin = -kFftSize / 2;
};

SpectrogramStrip::SpectrogramStrip(std::int64_t frames, const StripOptions& options)
    : impl_(std::make_unique<Impl>(frames, options)) {}
SpectrogramStrip::~SpectrogramStrip() = default;
SpectrogramStrip::SpectrogramStrip(SpectrogramStrip&&) noexcept = default;

void SpectrogramStrip::Add(const float* interleaved, int channels, std::size_t frames) {
  const auto step = static_cast<std::size_t>(channels);
  for (std::size_t t = 0; t < frames; ++t) {
    float sum = 0;
    for (std::size_t c = 0; c < step; ++c) sum += interleaved[t * step + c];
    impl_->held.push_back(sum / static_cast<float>(channels));
  }
  impl_->Draw();
}

std::string SpectrogramStrip::Finish() {
  impl_->Finish();
  return impl_->Png(impl_->Loudest());
}

std::vector<std::string> SpectrogramStrips(const std::vector<const AudioBuffer*>& signals,
                                           const StripOptions& options) {
  std::size_t frames = 1;
  for (const AudioBuffer* audio : signals) frames = std::max(frames, audio->frames());
  std::vector<SpectrogramStrip> strips;
  float loudest = 0;
  for (const AudioBuffer* audio : signals) {
    SpectrogramStrip& strip = strips.emplace_back(static_cast<std::int64_t>(frames), options);
    strip.Add(MonoMix(*audio).data(), 1, audio->frames());
    strip.impl_->Finish();
    loudest = std::max(loudest, strip.impl_->Loudest());
  }
  std::vector<std::string> pictures;
  for (const SpectrogramStrip& strip : strips) pictures.push_back(strip.impl_->Png(loudest));
  return pictures;
}

}  // namespace stemsmith
