// Solves the normal equations of multichannel filters: G c = D, where G is symmetric, positive
// semidefinite and block Toeplitz.
#pragma once

#include <torch/torch.h>

namespace stemsmith {

struct ToeplitzSolution {
  torch::Tensor filters;      // [B, n, L, R]
  int iterations = 0;         // of conjugate gradients, after the direct solution
  double last_gain = 0;       // energy of the last step relative to the solution's, the largest
  double regularization = 0;  // added to the diagonal in the direct solution, relative to it
};

// B systems side by side: lags [B, n, n, 2L] with G[(i, l), (k, m)] = lags[i, k, l − m], a negative
// lag −d at 2L − d; right [B, n, L, R]. A direct solution of the slightly regularised system
// (multichannel Levinson recursion, Whittle 1963, with the Gohberg–Semencul form of the inverse)
// preconditions conjugate gradients on the system itself, which end when steps no longer matter.
// Throws Error where the matrix is far from positive semidefinite.
ToeplitzSolution SolveBlockToeplitz(const torch::Tensor& lags, const torch::Tensor& right);

}  // namespace stemsmith
