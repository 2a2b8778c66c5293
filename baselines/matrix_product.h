// Products of dense float32 matrices, by Eigen, on one thread: the same bits whenever the same
// processor computes the same shapes. Compiled once for every processor and once for those with
// AVX2 and FMA; the right one is taken when it is called.
#pragma once

#include <cstddef>

#include "baselines/matrix_product_kernel.h"

namespace stemsmith {

// out = a · b, or += with `add`; out is row by row, `stride` from row to row, and none of a and b.
// The shapes must fit.
void MatrixProduct(const MatrixView& a, const MatrixView& b, float* out, std::size_t stride,
                   bool add = false);

}  // namespace stemsmith
