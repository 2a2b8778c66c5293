// The multichannel Wiener filter of Open-Unmix (openunmix/filtering.py, after Uhlich et al. 2017
// and Nugraha et al. 2016): expectation–maximisation over a local Gaussian model, where each source
// has a power per bin and frame and a spatial covariance per bin. Traceable for any batch and
// length.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace stemsmith {

struct WienerOptions {
  std::int64_t iterations = 1;  // of expectation–maximisation, at least 1
  // Frames that share their spatial covariances; 0: all. Shorter follows sources that move.
  std::int64_t window_frames = 300;
};

// mix [B, C, F, N, 2] and first estimates [B, S, C, F, N, 2], real and imaginary parts in the last
// dimension, C 1 or 2 → refined estimates of the same shape.
torch::Tensor RefineByWiener(const torch::Tensor& mix, const torch::Tensor& estimates,
                             const WienerOptions& options);

}  // namespace stemsmith
