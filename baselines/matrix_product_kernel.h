// The same product for two kinds of processor: matrix_product_plain.cpp and
// matrix_product_avx2.cpp. To be called by MatrixProduct alone.
#pragma once

#include <cstddef>

namespace stemsmith {

// [rows, columns] row by row, `stride` from row to row; `transposed`: it stands for its transpose.
struct MatrixView {
  const float* data;
  std::size_t rows, columns, stride;
  bool transposed = false;
};

void MatrixProductPlain(const MatrixView& a, const MatrixView& b, float* out, std::size_t stride,
                        bool add);
// Only on processors with AVX2 and FMA.
void MatrixProductAvx2(const MatrixView& a, const MatrixView& b, float* out, std::size_t stride,
                       bool add);

}  // namespace stemsmith
