#include "separate/spectrum_runtime.h"

#include <algorithm>
#include <complex>
#include <span>
#include <utility>
#include <vector>

#include "audio/stft.h"

namespace stemsmith {
namespace {

using Spectrum = std::vector<std::complex<float>>;  // [N, all bins], as of Stft

class SpectrumRuntime : public Runtime {
 public:
  SpectrumRuntime(std::unique_ptr<Runtime> graph, Manifest manifest)
      : graph_(std::move(graph)),
        manifest_(std::move(manifest)),
        stft_({.n_fft = manifest_.spectrum->n_fft, .hop = manifest_.spectrum->hop}),
        bins_(static_cast<std::size_t>(manifest_.layout.bins)) {}

  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::string>& stems() const override { return graph_->stems(); }
  std::string description() const override { return graph_->description(); }
  Engine engine() const override { return graph_->engine(); }
  Precision precision() const override { return graph_->precision(); }
  int segments_at_once() const override { return graph_->segments_at_once(); }

  void Run(const float* mix, std::int64_t batch, std::int64_t frames, float* estimates) override {
    const auto length = static_cast<std::size_t>(frames);
    const auto channels = static_cast<std::size_t>(batch * manifest_.channels);
    const std::size_t columns = stft_.frames_for(length), size = 2 * bins_ * columns;
    in_.resize(channels * size);
    out_.resize(in_.size() * stems().size());
    for (std::size_t c = 0; c < channels; ++c)
      Give(stft_.Forward({mix + c * length, length}), columns, in_.data() + c * size);
    graph_->Run(in_.data(), batch, static_cast<std::int64_t>(columns), out_.data());
    for (std::size_t c = 0; c < channels * stems().size(); ++c) {
      const auto audio = stft_.Inverse(Taken(out_.data() + c * size, columns), length);
      std::transform(audio.begin(), audio.end(), estimates + c * length, [this](float sample) {
        return sample * manifest_.spectrum->compensate;
      });
    }
  }

 private:
  // → real and imaginary part [2, F, N].
  void Give(const Spectrum& spectrum, std::size_t columns, float* parts) const {
    const auto zeroed = static_cast<std::size_t>(manifest_.spectrum->zeroed_bins);
    const auto all = static_cast<std::size_t>(stft_.bins());
    float* const imaginary = parts + bins_ * columns;
    for (std::size_t f = 0; f < bins_; ++f) {
      for (std::size_t n = 0; n < columns; ++n) {
        const auto value = f < zeroed ? 0.0f : spectrum[n * all + f];
        parts[f * columns + n] = value.real();
        imaginary[f * columns + n] = value.imag();
      }
    }
  }

  Spectrum Taken(const float* parts, std::size_t columns) const {
    const auto all = static_cast<std::size_t>(stft_.bins());
    const float* const imaginary = parts + bins_ * columns;
    Spectrum spectrum(columns * all);
    for (std::size_t f = 0; f < bins_; ++f)
      for (std::size_t n = 0; n < columns; ++n)
        spectrum[n * all + f] = {parts[f * columns + n], imaginary[f * columns + n]};
    return spectrum;
  }

  const std::unique_ptr<Runtime> graph_;
  const Manifest manifest_;
  const Stft stft_;
  const std::size_t bins_;
  std::vector<float> in_, out_;
};

}  // namespace

Manifest GraphOfSpectra(const Manifest& manifest) {
  Manifest graph = manifest;
  graph.channels *= 2;
  graph.segment_frames = manifest.segment_frames / manifest.spectrum->hop + 1;
  graph.spectrum.reset();
  return graph;
}

std::unique_ptr<Runtime> OverSpectra(std::unique_ptr<Runtime> graph, Manifest manifest) {
  return std::make_unique<SpectrumRuntime>(std::move(graph), std::move(manifest));
}

}  // namespace stemsmith
