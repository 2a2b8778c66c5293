#include "baselines/magnitudes.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "audio/planar_reader.h"
#include "baselines/baseline.h"
#include "baselines/spectral_song.h"

namespace stemsmith {
namespace {

// A PlanarReader with the channels' addresses that it looks at.
class BufferReader : public AudioReader {
 public:
  BufferReader(const AudioBuffer& audio, int sample_rate_hz)
      : channels_(Channels(audio)),
        reader_(channels_.data(), audio.channels(), audio.frames(), sample_rate_hz) {}
  const AudioInfo& info() const override { return reader_.info(); }
  std::size_t Read(float* out, std::size_t frames) override { return reader_.Read(out, frames); }
  void Rewind() override { reader_.Rewind(); }

 private:
  static std::vector<const float*> Channels(const AudioBuffer& audio) {
    std::vector<const float*> channels;
    for (int c = 0; c < audio.channels(); ++c) channels.push_back(audio.channel(c));
    return channels;
  }
  std::vector<const float*> channels_;
  PlanarReader reader_;
};

}  // namespace

void Magnitudes::Mean(std::size_t n, float* out) const {
  std::copy_n(Frame(0, n), bins, out);
  for (std::size_t c = 1; c < channels; ++c)
    for (std::size_t f = 0; f < bins; ++f) out[f] += Frame(c, n)[f];
  const float scale = 1 / static_cast<float>(channels);
  for (std::size_t f = 0; f < bins; ++f) out[f] *= scale;
}

Magnitudes ReadMagnitudes(const AudioBuffer& audio, int sample_rate_hz, const StftOptions& options,
                          const Host& host) {
  const auto reader = ReaderOf(audio, sample_rate_hz);
  SpectrumReader spectra(*reader, options);
  Magnitudes magnitudes;
  magnitudes.channels = static_cast<std::size_t>(audio.channels());
  magnitudes.frames = 1 + audio.frames() / static_cast<std::size_t>(options.hop);
  magnitudes.bins = spectra.bins();
  magnitudes.values.resize(magnitudes.channels * magnitudes.frames * magnitudes.bins);
  std::vector<std::complex<float>> frame(magnitudes.channels * magnitudes.bins);
  for (std::size_t n = 0; spectra.Next(frame); ++n) {
    if (n % 256 == 0) StopIfAsked(host);
    for (std::size_t c = 0; c < magnitudes.channels; ++c) {
      float* out = magnitudes.values.data() + (c * magnitudes.frames + n) * magnitudes.bins;
      for (std::size_t f = 0; f < magnitudes.bins; ++f) {
        const std::complex<float> bin = frame[c * magnitudes.bins + f];
        out[f] = std::sqrt(bin.real() * bin.real() + bin.imag() * bin.imag());
      }
    }
  }
  return magnitudes;
}

std::unique_ptr<AudioReader> ReaderOf(const AudioBuffer& audio, int sample_rate_hz) {
  return std::make_unique<BufferReader>(audio, sample_rate_hz);
}

}  // namespace stemsmith
