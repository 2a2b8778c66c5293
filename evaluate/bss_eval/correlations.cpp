#include "evaluate/bss_eval/correlations.h"

#include <algorithm>
#include <bit>

#include "core/vector_clones.h"

namespace stemsmith {
namespace {

constexpr std::int64_t kBlocksAtOnce = 8, kTileBins = 32;
constexpr std::int64_t kPlane = 2 * kTileBins;  // re of a tile, then im

// A power of two, of which the lags are a quarter: large enough that they add little, small enough
// for a processor's cache and for the transforms back, one for each pair.
std::int64_t FftSize(int filter_length) {
  return static_cast<std::int64_t>(std::bit_ceil(8 * static_cast<std::size_t>(filter_length)));
}

using Vector = double __attribute__((vector_size(32), aligned(8)));
const Vector& At(const double* values) { return *reinterpret_cast<const Vector*>(values); }

// The sums Σ_q conj(x[q, i]) y[q, k] of a tile of `bins` bins for all pairs (i, k). x [blocks, I,
// F] and y [blocks, 2·I, F] from the tile's first bin on, sums [pairs, F] likewise; re and im in
// turns. `tiles` has room for the tiles of all rows of x and y.
STEMSMITH_VECTOR_CLONES void AddProducts(const double* x, const double* y, std::int64_t blocks,
                                         std::int64_t channels,
                                         const std::vector<std::pair<int, int>>& pairs,
                                         std::int64_t bins, std::int64_t all, double* tiles,
                                         double* sums) {
  const std::int64_t x_rows = blocks * channels;
  double* const y_tiles = tiles + x_rows * kPlane;
  for (std::int64_t row = 0; row < 3 * x_rows; ++row) {
    const double* from = row < x_rows ? x + 2 * row * all : y + 2 * (row - x_rows) * all;
    for (std::int64_t f = 0; f < bins; ++f) {
      tiles[row * kPlane + f] = from[2 * f];
      tiles[row * kPlane + kTileBins + f] = from[2 * f + 1];
    }
  }
  for (const auto& [i, k] : pairs) {
    for (std::int64_t f = 0; f < kTileBins; f += 8) {
      Vector re[2] = {}, im[2] = {};
      const double *xq = tiles + i * kPlane + f, *yq = y_tiles + k * kPlane + f;
      for (std::int64_t q = 0; q < blocks; ++q) {
        for (int half = 0; half < 2; ++half) {
          const Vector x_re = At(xq + 4 * half), x_im = At(xq + kTileBins + 4 * half);
          const Vector y_re = At(yq + 4 * half), y_im = At(yq + kTileBins + 4 * half);
          re[half] += x_re * y_re + x_im * y_im;
          im[half] += x_re * y_im - x_im * y_re;
        }
        xq += channels * kPlane;
        yq += 2 * channels * kPlane;
      }
      for (std::int64_t g = 0; g < 8 && f + g < bins; ++g) {
        sums[2 * (f + g)] += re[g / 4][g % 4];
        sums[2 * (f + g) + 1] += im[g / 4][g % 4];
      }
    }
    sums += 2 * all;
  }
}

const double* Values(const torch::Tensor& complex) {
  return reinterpret_cast<const double*>(complex.const_data_ptr<c10::complex<double>>());
}

}  // namespace

void Correlations::Add(const Correlations& other) {
  if (!references.defined()) {
    *this = {other.references.clone(), other.errors.clone(), other.error_energies.clone(),
             other.has_silence};
    return;
  }
  references.add_(other.references);
  errors.add_(other.errors);
  if (other.error_energies.defined()) error_energies.add_(other.error_energies);
}

void CorrelationRows::Add(const Correlations& window) {
  if (!references_.defined()) {
    references_ = torch::empty({most_, window.references.numel()}, torch::kDouble);
    errors_ = torch::empty({most_, window.errors.numel()}, torch::kDouble);
    error_energies_ = torch::empty({most_, window.error_energies.numel()}, torch::kDouble);
  }
  references_[count()].copy_(window.references.flatten());
  errors_[count()].copy_(window.errors.flatten());
  error_energies_[count()].copy_(window.error_energies);
  has_silence_.push_back(window.has_silence);
}

std::vector<std::pair<int, int>> ReferencePairs(int channels) {
  std::vector<std::pair<int, int>> pairs;
  for (int i = 0; i < channels; ++i)
    for (int k = i; k < channels; ++k) pairs.emplace_back(i, k);
  return pairs;
}

torch::Tensor CircularLags(const torch::Tensor& references, int first, int n, int channels) {
  const std::int64_t size = references.size(1) + 1, length = size / 2;
  torch::Tensor lags = torch::zeros({n, n, size}, torch::kDouble);
  std::int64_t row = 0;
  for (const auto& [i, k] : ReferencePairs(channels)) {
    const torch::Tensor pair = references[row++];
    if (i < first || k >= first + n) continue;
    const torch::Tensor later = pair.slice(0, length - 1), earlier = pair.slice(0, 0, length - 1);
    lags[i - first][k - first].slice(0, 0, length).copy_(later);
    lags[i - first][k - first].slice(0, length + 1).copy_(earlier);
    if (i == k) continue;  // x_k[t − d] x_i[t] summed is x_i[t + d] x_k[t] summed
    lags[k - first][i - first].slice(0, 0, length).copy_(pair.flip(0).slice(0, length - 1));
    lags[k - first][i - first].slice(0, length + 1).copy_(pair.flip(0).slice(0, 0, length - 1));
  }
  return lags;
}

Correlator::Correlator(StemPair& song, int filter_length)
    : song_(song),
      channels_(song.sources() * song.channels()),
      filter_length_(filter_length),
      fft_size_(FftSize(filter_length)),
      pairs_(ReferencePairs(channels_)) {
  for (int i = 0; i < channels_; ++i)
    for (int u = 0; u < channels_; ++u) pairs_.emplace_back(i, channels_ + u);
  const std::int64_t bins = fft_size_ / 2 + 1;
  x_ = torch::zeros({kBlocksAtOnce, channels_, fft_size_}, torch::kDouble);
  y_ = torch::zeros({kBlocksAtOnce, 2 * channels_, fft_size_}, torch::kDouble);
  x_spectra_ = torch::zeros({kBlocksAtOnce, channels_, bins}, torch::kComplexDouble);
  y_spectra_ = torch::zeros({kBlocksAtOnce, 2 * channels_, bins}, torch::kComplexDouble);
  spectrum_ = torch::zeros({static_cast<std::int64_t>(pairs_.size()), bins}, torch::kComplexDouble);
}

const std::vector<double>& Correlator::ReadErrors(std::size_t from, std::size_t to) {
  const std::size_t half = static_cast<std::size_t>(channels_) * (to - from);
  samples_.resize(2 * half);
  errors_.resize(2 * half);
  song_.Read(from, to, samples_.data());
  std::copy_n(samples_.begin(), half, errors_.begin());
  for (std::size_t i = 0; i < half; ++i)
    errors_[half + i] = static_cast<double>(samples_[half + i]) - samples_[i];
  return errors_;
}

void Correlator::AddSpectra(std::int64_t blocks, torch::Tensor& to) {
  torch::Tensor x = x_spectra_.slice(0, 0, blocks), y = y_spectra_.slice(0, 0, blocks);
  torch::fft_rfft_out(x, x_.slice(0, 0, blocks));
  torch::fft_rfft_out(y, y_.slice(0, 0, blocks));
  const std::int64_t all = x.size(2);
  double* sums = reinterpret_cast<double*>(to.data_ptr<c10::complex<double>>());
  std::vector<double> tiles(static_cast<std::size_t>(3 * blocks * channels_ * kPlane), 0.0);
  for (std::int64_t bin = 0; bin < all; bin += kTileBins) {
    AddProducts(Values(x) + 2 * bin, Values(y) + 2 * bin, blocks, channels_, pairs_,
                std::min(kTileBins, all - bin), all, tiles.data(), sums + 2 * bin);
  }
}

Correlations Correlator::Lags(const torch::Tensor& spectrum, std::int64_t from_end) const {
  const std::int64_t length = filter_length_, lags = 2 * length - 1;
  torch::Tensor all = torch::fft_irfft(spectrum, fft_size_);
  if (from_end != 0) all = all.roll(from_end, 1);
  all = all.slice(1, 0, lags);
  const std::int64_t references = channels_ * (channels_ + 1) / 2;
  Correlations result;
  result.references = all.slice(0, 0, references).clone();
  result.errors =
      all.slice(0, references).reshape({channels_, channels_, lags}).slice(2, length - 1).clone();
  return result;
}

Correlations Correlator::Stretch(std::size_t begin, std::size_t end) {
  const std::size_t around = static_cast<std::size_t>(filter_length_) - 1;
  const auto size = static_cast<std::size_t>(fft_size_);
  const std::size_t block = size - 2 * around, rows = static_cast<std::size_t>(channels_);
  const int sources = song_.sources(), channels = song_.channels();
  std::vector<char> sounds(static_cast<std::size_t>(2 * sources), 0);
  torch::Tensor energies = torch::zeros({channels_}, torch::kDouble);
  double* energy = energies.data_ptr<double>();
  double *xs = x_.data_ptr<double>(), *ys = y_.data_ptr<double>();
  spectrum_.zero_();
  for (std::size_t from = begin; from < end; from += kBlocksAtOnce * block) {
    const std::size_t to = std::min(end, from + kBlocksAtOnce * block);
    const std::size_t read_from = from - std::min(around, from - begin);
    const std::size_t read_to = std::min(end, to + around), read = read_to - read_from;
    const std::vector<double>& signals = ReadErrors(read_from, read_to);
    if (from == begin && begin == tail_end_ && !tail_.empty())
      AddBoundary(signals.data(), std::min(around, end - begin), read);
    std::size_t q = 0;
    for (std::size_t a = from; a < to; a += block, ++q) {
      const std::size_t b = std::min(to, a + block);
      const std::size_t lead = std::min(around, a - begin), tail = std::min(around, end - b);
      for (std::size_t c = 0; c < 2 * rows; ++c) {
        const double* in = signals.data() + c * read + (a - read_from);
        // y: L − 1 frames before, the block, L − 1 frames behind; x: the block alone.
        double* y = std::fill_n(ys + (q * 2 * rows + c) * size, around - lead, 0.0);
        y = std::copy(in - lead, in + (b - a) + tail, y);
        std::fill(y, ys + (q * 2 * rows + c + 1) * size, 0.0);
        if (c < rows) {
          double* x = std::copy(in, in + (b - a), xs + (q * rows + c) * size);
          std::fill(x, xs + (q * rows + c + 1) * size, 0.0);
        } else {
          for (const double* u = in; u < in + (b - a); ++u) energy[c - rows] += *u * *u;
        }
      }
    }
    for (int s = 0; s < 2 * sources; ++s) {
      for (std::size_t t = from - read_from; !sounds[s] && t < to - read_from; ++t) {
        double sum = 0;
        for (int c = 0; c < channels; ++c)
          sum += samples_[static_cast<std::size_t>(s * channels + c) * read + t];
        sounds[s] = sum != 0;
      }
    }
    AddSpectra(static_cast<std::int64_t>(q), spectrum_);
    if (to < end || end - begin < around) continue;
    tail_.resize(2 * rows * around);
    for (std::size_t c = 0; c < 2 * rows; ++c)
      std::copy_n(signals.data() + c * read + (end - around - read_from), around,
                  tail_.data() + c * around);
    tail_end_ = end;
  }
  Correlations result = Lags(spectrum_, 0);
  result.error_energies = energies;
  result.has_silence = std::find(sounds.begin(), sounds.end(), 0) != sounds.end();
  return result;
}

void Correlator::AddBoundary(const double* next, std::size_t frames, std::size_t step) {
  const std::size_t around = static_cast<std::size_t>(filter_length_) - 1;
  const auto size = static_cast<std::size_t>(fft_size_), rows = static_cast<std::size_t>(channels_);
  double *xs = x_.data_ptr<double>(), *ys = y_.data_ptr<double>();
  // Two blocks: x before the boundary with y behind it, and the other way round.
  std::fill_n(xs, 2 * rows * size, 0.0);
  std::fill_n(ys, 4 * rows * size, 0.0);
  for (std::size_t c = 0; c < 2 * rows; ++c, next += step) {
    const double* tail = tail_.data() + c * around;
    if (c < rows) {
      std::copy_n(tail, around, xs + c * size);
      std::copy_n(next, frames, xs + (rows + c) * size + around);
    }
    std::copy_n(next, frames, ys + c * size + around);
    std::copy_n(tail, around, ys + (2 * rows + c) * size);
  }
  if (!between_.defined()) between_ = torch::zeros_like(spectrum_);
  AddSpectra(2, between_);
}

Correlations Correlator::Between() {
  return Lags(between_.defined() ? between_ : torch::zeros_like(spectrum_), filter_length_ - 1);
}

}  // namespace stemsmith
