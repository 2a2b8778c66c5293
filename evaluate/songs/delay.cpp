// The delay between two signals by the phase of their cross-spectrum (Knapp, Carter: The
// generalized correlation method for estimation of time delay, 1976).
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "evaluate/songs/stem_files.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBlock = 32768;
constexpr std::size_t kBlocks = 160;     // two minutes at 44.1 kHz
constexpr double kMuchMoreAlike = 0.05;  // of a correlation coefficient

}  // namespace

std::int64_t FindDelay(StemPair& song, std::int64_t most, double* likeness) {
  torch::InferenceMode inference;
  const auto around = static_cast<std::size_t>(most);
  const auto size = static_cast<std::int64_t>(kBlock + 2 * around);
  const std::size_t rows = static_cast<std::size_t>(song.sources() * song.channels());
  torch::Tensor spectrum = torch::zeros({size / 2 + 1}, torch::kComplexDouble);
  double energies[2] = {0, 0};
  std::vector<float> samples;
  for (std::size_t begin = 0; begin < std::min(song.frames(), kBlocks * kBlock); begin += kBlock) {
    const std::size_t lead = std::min(begin, around), from = begin - lead;
    const std::size_t to = std::min(song.frames(), begin + kBlock + around), read = to - from;
    samples.resize(2 * rows * read);
    song.Read(from, to, samples.data());
    torch::Tensor signals = torch::zeros({2, size}, torch::kDouble);  // references, estimates
    double* sums = signals.data_ptr<double>();
    const std::size_t length = std::min(kBlock, song.frames() - begin);
    for (std::size_t r = 0; r < rows; ++r) {
      const float* reference = samples.data() + r * read + lead;
      for (std::size_t t = 0; t < length; ++t) sums[t] += reference[t];
      const float* estimate = samples.data() + (rows + r) * read;
      double* out = sums + size + static_cast<std::int64_t>(around - lead);
      for (std::size_t t = 0; t < read; ++t) out[t] += estimate[t];
    }
    for (std::size_t t = 0; t < length; ++t) {
      energies[0] += sums[t] * sums[t];
      const double e = sums[static_cast<std::size_t>(size) + around + t];
      energies[1] += e * e;
    }
    const torch::Tensor spectra = torch::fft_rfft(signals);
    spectrum += spectra[0].conj() * spectra[1];
  }
  // Index m is a delay of m − most.
  const torch::Tensor plain = torch::fft_irfft(spectrum, size).slice(0, 0, 2 * most + 1);
  const torch::Tensor sharp =
      torch::fft_irfft(spectrum / (spectrum.abs() + 1e-30), size).slice(0, 0, 2 * most + 1);
  const double scale = std::sqrt(energies[0] * energies[1]);
  if (likeness != nullptr) *likeness = 0;
  if (!(scale > 0)) return 0;
  const auto found = sharp.argmax().item<std::int64_t>();
  const auto at = [&](std::int64_t m) { return plain[m].item<double>() / scale; };
  const bool moved = at(found) - at(most) > kMuchMoreAlike;
  if (likeness != nullptr) *likeness = at(moved ? found : most);
  return moved ? found - most : 0;
}

}  // namespace stemsmith
