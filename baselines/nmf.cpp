#include "baselines/nmf.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "baselines/baseline.h"
#include "baselines/matrix_product.h"
#include "core/flush_denormals.h"
#include "core/random.h"
#include "core/vector_clones.h"
#include "core/vector_types.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBlockFrames = 128;
constexpr float kSmallest = std::numeric_limits<float>::epsilon();  // of a divisor
// Factors below this are zero, as scikit-learn has it.
constexpr auto kZero = static_cast<float>(std::numeric_limits<double>::epsilon());

constexpr std::size_t kLanes = 8;
using Lanes = Vector<float, kLanes>;

// model becomes v / model, the model not below kSmallest. By vectors, because compilers leave the
// comparison a branch.
STEMSMITH_VECTOR_CLONES
void Ratios(const float* v, std::size_t count, float* model) {
  const Lanes smallest = Lanes{} + kSmallest;
  std::size_t i = 0;
  for (Lanes above, below; i + kLanes <= count; i += kLanes) {
    std::memcpy(&above, v + i, sizeof above);
    std::memcpy(&below, model + i, sizeof below);
    above /= below < smallest ? smallest : below;
    std::memcpy(model + i, &above, sizeof above);
  }
  for (; i < count; ++i) model[i] = v[i] / std::max(model[i], kSmallest);
}

// ratios = v / model², and model becomes 1 / model, the model not below kSmallest.
STEMSMITH_VECTOR_CLONES
void SquareRatios(const float* v, std::size_t count, float* model, float* ratios) {
  const Lanes smallest = Lanes{} + kSmallest;
  std::size_t i = 0;
  for (Lanes above, inverse; i + kLanes <= count; i += kLanes) {
    std::memcpy(&above, v + i, sizeof above);
    std::memcpy(&inverse, model + i, sizeof inverse);
    inverse = 1.0f / (inverse < smallest ? smallest : inverse);
    above *= inverse * inverse;
    std::memcpy(ratios + i, &above, sizeof above);
    std::memcpy(model + i, &inverse, sizeof inverse);
  }
  for (; i < count; ++i) {
    const float inverse = 1 / std::max(model[i], kSmallest);
    ratios[i] = v[i] * (inverse * inverse);
    model[i] = inverse;
  }
}

// x *= up / down, or its root.
void Update(const float* up, const float* down, std::size_t count, bool root, float* x) {
  for (std::size_t i = 0; i < count; ++i) {
    const float ratio = up[i] / (down[i] == 0 ? kSmallest : down[i]);
    x[i] *= root ? std::sqrt(ratio) : ratio;
  }
}

void ZeroSmall(std::vector<float>& values) {
  for (float& value : values)
    if (value < kZero) value = 0;
}

// One iteration over all frames; what it needs in memory beside the factors.
class Iteration {
 public:
  Iteration(const MagnitudeMatrix& v, Divergence divergence, Factors& factors)
      : v_(v),
        divergence_(divergence),
        factors_(factors),
        k_(factors.components),
        wide_(divergence == Divergence::kItakuraSaito ? 2 : 1),
        model_(divergence == Divergence::kFrobenius ? 0 : wide_ * kBlockFrames * v.bins),
        up_(wide_ * kBlockFrames * k_),
        down_(kBlockFrames * k_),
        spectra_up_(wide_ * k_ * v.bins),
        spectra_down_(k_ * v.bins),
        square_(k_ * k_),
        sums_(k_) {}

  void Run() {
    Begin();
    for (std::size_t n = 0; n < v_.frames; n += kBlockFrames)
      Block(n, std::min(kBlockFrames, v_.frames - n));
    End();
  }

 private:
  MatrixView Spectra(bool transposed = false) const {
    return {factors_.spectra.data(), k_, v_.bins, v_.bins, transposed};
  }
  MatrixView Activations(std::size_t n, std::size_t count, bool transposed = false) const {
    return {factors_.activations.data() + n * k_, count, k_, k_, transposed};
  }

  void Begin() {
    std::fill(spectra_up_.begin(), spectra_up_.end(), 0.0f);
    if (divergence_ == Divergence::kFrobenius) {
      MatrixProduct(Spectra(), Spectra(true), square_.data(), k_);
    } else if (divergence_ == Divergence::kKullbackLeibler) {
      for (std::size_t k = 0; k < k_; ++k) {
        double sum = 0;
        for (std::size_t f = 0; f < v_.bins; ++f) sum += factors_.spectra[k * v_.bins + f];
        sums_[k] = static_cast<float>(sum);
      }
    }
    gram_.assign(k_ * k_, 0.0f);
    activation_sums_.assign(k_, 0.0);
  }

  // V over activations · spectra as they are now; for Itakura–Saito, frame by frame, V over its
  // square and one over it.
  void FormModel(std::size_t n, std::size_t count) {
    const std::size_t bins = v_.bins;
    if (divergence_ == Divergence::kKullbackLeibler) {
      MatrixProduct(Activations(n, count), Spectra(), model_.data(), bins);
      for (std::size_t i = 0; i < count; ++i)
        Ratios(v_.data + (n + i) * v_.stride, bins, model_.data() + i * bins);
    } else {  // each frame's ratios, and behind them its model
      MatrixProduct(Activations(n, count), Spectra(), model_.data() + bins, 2 * bins);
      for (std::size_t i = 0; i < count; ++i) {
        float* ratios = model_.data() + 2 * i * bins;
        SquareRatios(v_.data + (n + i) * v_.stride, bins, ratios + bins, ratios);
      }
    }
  }

  void Block(std::size_t n, std::size_t count) {
    float* activations = factors_.activations.data() + n * k_;
    const MatrixView v = {v_.data + n * v_.stride, count, v_.bins, v_.stride};
    const MatrixView model = {model_.data(), count, v_.bins, v_.bins};
    switch (divergence_) {
      case Divergence::kFrobenius:
        MatrixProduct(v, Spectra(true), up_.data(), k_);
        MatrixProduct(Activations(n, count), {square_.data(), k_, k_, k_}, down_.data(), k_);
        Update(up_.data(), down_.data(), count * k_, false, activations);
        MatrixProduct(Activations(n, count, true), v, spectra_up_.data(), v_.bins, true);
        MatrixProduct(Activations(n, count, true), Activations(n, count), gram_.data(), k_, true);
        break;
      case Divergence::kKullbackLeibler:
        FormModel(n, count);
        MatrixProduct(model, Spectra(true), up_.data(), k_);
        for (std::size_t i = 0; i < count; ++i)
          Update(up_.data() + i * k_, sums_.data(), k_, false, activations + i * k_);
        FormModel(n, count);
        MatrixProduct(Activations(n, count, true), model, spectra_up_.data(), v_.bins, true);
        for (std::size_t i = 0; i < count; ++i)
          for (std::size_t k = 0; k < k_; ++k) activation_sums_[k] += activations[i * k_ + k];
        break;
      case Divergence::kItakuraSaito:
        // Numerators and denominators in one product each: row by row one of each for the
        // activations, side by side for the spectra.
        FormModel(n, count);
        MatrixProduct({model_.data(), 2 * count, v_.bins, v_.bins}, Spectra(true), up_.data(), k_);
        for (std::size_t i = 0; i < count; ++i)
          Update(up_.data() + 2 * i * k_, up_.data() + (2 * i + 1) * k_, k_, true,
                 activations + i * k_);
        for (std::size_t i = 0; i < count * k_; ++i)
          if (activations[i] < kZero) activations[i] = 0;
        FormModel(n, count);
        MatrixProduct(Activations(n, count, true), {model_.data(), count, 2 * v_.bins, 2 * v_.bins},
                      spectra_up_.data(), 2 * v_.bins, true);
        break;
    }
  }

  void End() {
    std::vector<float>& spectra = factors_.spectra;
    if (divergence_ == Divergence::kFrobenius) {
      MatrixProduct({gram_.data(), k_, k_, k_}, Spectra(), spectra_down_.data(), v_.bins);
    } else if (divergence_ == Divergence::kKullbackLeibler) {
      for (std::size_t k = 0; k < k_; ++k) {
        const auto sum = static_cast<float>(activation_sums_[k]);
        std::fill_n(spectra_down_.begin() + static_cast<std::ptrdiff_t>(k * v_.bins), v_.bins,
                    sum == 0 ? 1.0f : sum);
      }
    }
    for (std::size_t k = 0; k < k_; ++k) {
      float* spectrum = spectra.data() + k * v_.bins;
      if (divergence_ == Divergence::kItakuraSaito) {
        const float* up = spectra_up_.data() + 2 * k * v_.bins;
        Update(up, up + v_.bins, v_.bins, true, spectrum);
      } else {
        Update(spectra_up_.data() + k * v_.bins, spectra_down_.data() + k * v_.bins, v_.bins, false,
               spectrum);
      }
    }
    if (divergence_ != Divergence::kFrobenius) ZeroSmall(spectra);
  }

  const MagnitudeMatrix& v_;
  Divergence divergence_;
  Factors& factors_;
  std::size_t k_;
  std::size_t wide_;  // for Itakura–Saito numerators and denominators lie in one matrix
  // Of a block: what FormModel makes of it; numerators and denominators of the activations.
  std::vector<float> model_, up_, down_;
  std::vector<float> spectra_up_, spectra_down_;  // of the spectra, summed over blocks
  std::vector<float> square_, sums_;              // spectra · spectraᵀ; their sums
  std::vector<float> gram_;                       // activationsᵀ · activations
  std::vector<double> activation_sums_;
};

// The same with another number of components: the first ones, or silent ones behind them, which
// every update leaves silent.
Factors WithComponents(const Factors& factors, std::size_t components, const MagnitudeMatrix& v) {
  const std::size_t before = factors.components, kept = std::min(before, components);
  Factors other{components, std::vector<float>(v.frames * components, 0.0f), factors.spectra};
  for (std::size_t n = 0; n < v.frames; ++n)
    std::copy_n(factors.activations.data() + n * before, kept,
                other.activations.data() + n * components);
  other.spectra.resize(components * v.bins, 0.0f);
  return other;
}

}  // namespace

NmfOptions ReadNmfOptions(const Config& settings) {
  NmfOptions options;
  const std::string divergence =
      settings.Choice("divergence", "kl", {"frobenius", "kl", "itakura_saito"});
  if (divergence == "frobenius") options.divergence = Divergence::kFrobenius;
  if (divergence == "itakura_saito") options.divergence = Divergence::kItakuraSaito;
  options.iterations =
      static_cast<int>(settings.IntegerIn("iterations", options.iterations, 1, 100'000));
  options.seed =
      static_cast<std::uint64_t>(settings.IntegerIn("seed", static_cast<std::int64_t>(options.seed),
                                                    0, std::numeric_limits<std::int64_t>::max()));
  return options;
}

Factors RandomFactors(const MagnitudeMatrix& magnitudes, std::size_t components,
                      std::uint64_t seed) {
  double sum = 0;
  for (std::size_t n = 0; n < magnitudes.frames; ++n)
    for (std::size_t f = 0; f < magnitudes.bins; ++f)
      sum += magnitudes.data[n * magnitudes.stride + f];
  const double mean =
      sum / static_cast<double>(std::max<std::size_t>(1, magnitudes.frames * magnitudes.bins));
  const double scale = std::sqrt(mean / static_cast<double>(components));
  const RandomStream random({seed});
  RandomStream activations = random.Fork(0), spectra = random.Fork(1);
  Factors factors;
  factors.components = components;
  factors.activations.resize(magnitudes.frames * components);
  factors.spectra.resize(components * magnitudes.bins);
  for (float& value : factors.activations)
    value = static_cast<float>(scale * std::abs(activations.Normal()));
  for (float& value : factors.spectra)
    value = static_cast<float>(scale * std::abs(spectra.Normal()));
  return factors;
}

void Factorize(const MagnitudeMatrix& magnitudes, Divergence divergence, int iterations,
               Factors& factors, const Host& host) {
  const FlushDenormals flush;
  // Products are faster where the components fill the lanes, if few are added for that.
  const std::size_t wanted = factors.components;
  const std::size_t full = (wanted + kLanes - 1) / kLanes * kLanes;
  if (full != wanted && full - wanted <= wanted / kLanes) {
    Factors filled = WithComponents(factors, full, magnitudes);
    Factorize(magnitudes, divergence, iterations, filled, host);
    factors = WithComponents(filled, wanted, magnitudes);
    return;
  }
  Iteration iteration(magnitudes, divergence, factors);
  for (int i = 0; i < iterations; ++i) {
    StopIfAsked(host);
    iteration.Run();
  }
}

}  // namespace stemsmith
