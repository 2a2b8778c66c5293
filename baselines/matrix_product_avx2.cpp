#define STEMSMITH_EIGEN_NAMESPACE EigenAvx2
#include "baselines/matrix_product_eigen.h"

namespace stemsmith {

void MatrixProductAvx2(const MatrixView& a, const MatrixView& b, float* out, std::size_t stride,
                       bool add) {
  Product(a, b, out, stride, add);
}

}  // namespace stemsmith
