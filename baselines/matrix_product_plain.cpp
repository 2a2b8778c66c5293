#define STEMSMITH_EIGEN_NAMESPACE EigenPlain
#include "baselines/matrix_product_eigen.h"

namespace stemsmith {

void MatrixProductPlain(const MatrixView& a, const MatrixView& b, float* out, std::size_t stride,
                        bool add) {
  Product(a, b, out, stride, add);
}

}  // namespace stemsmith
