#include "baselines/matrix_product.h"

namespace stemsmith {
namespace {

using Kernel = void (*)(const MatrixView&, const MatrixView&, float*, std::size_t, bool);

Kernel Choose() {
#ifdef STEMSMITH_MATRIX_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return MatrixProductAvx2;
#endif
  return MatrixProductPlain;
}

}  // namespace

void MatrixProduct(const MatrixView& a, const MatrixView& b, float* out, std::size_t stride,
                   bool add) {
  static const Kernel kernel = Choose();
  kernel(a, b, out, stride, add);
}

}  // namespace stemsmith
