// Non-negative matrix factorisation of magnitudes by multiplicative updates: D. D. Lee & H. S.
// Seung 2001, "Algorithms for non-negative matrix factorization" (NIPS); for the Itakura–Saito
// divergence with the exponent 1/2 of C. Févotte & J. Idier 2011, "Algorithms for nonnegative
// matrix factorization with the beta-divergence" (Neural Computation 23). The updates and their
// guards against zeros are those of sklearn.decomposition.non_negative_factorization (solver="mu").
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/config.h"
#include "core/host.h"

namespace stemsmith {

enum class Divergence {
  kFrobenius,        // looks at loud bins
  kKullbackLeibler,  // at all of them, as far as they are loud
  kItakuraSaito,     // at quiet bins as much as at loud ones
};

struct NmfOptions {
  Divergence divergence = Divergence::kKullbackLeibler;
  int iterations = 100;  // more fit closer, at a cost that grows alike
  std::uint64_t seed = 1;
};
// The settings divergence (frobenius, kl, itakura_saito), iterations and seed; throws Error.
NmfOptions ReadNmfOptions(const Config& settings);

// Magnitudes V [N, F], none negative or NaN, `stride` from frame to frame.
struct MagnitudeMatrix {
  const float* data;
  std::size_t frames, bins, stride;
};

// V ≈ activations · spectra.
struct Factors {
  std::size_t components = 0;      // K
  std::vector<float> activations;  // [N, K]
  std::vector<float> spectra;      // [K, F]
};

// Normally distributed, without signs, so that the product is about as large as V.
Factors RandomFactors(const MagnitudeMatrix& magnitudes, std::size_t components,
                      std::uint64_t seed);

// Updates the factors so many times: the activations first, then the spectra. Frames are gone
// through in blocks that stay in the processor's cache: V is read once per iteration, and
// activations · spectra is formed once per update and never stored. One thread; the same bits
// again. Throws Error::Stopped where the host asks to stop.
void Factorize(const MagnitudeMatrix& magnitudes, Divergence divergence, int iterations,
               Factors& factors, const Host& host = {});

}  // namespace stemsmith
