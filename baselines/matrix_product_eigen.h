// The body of both kernels. To be included with STEMSMITH_EIGEN_NAMESPACE defined, by one source
// file each: Eigen's templates get another name in each, because the linker keeps one of several
// functions of one name, and that might be one for another processor.
#define Eigen STEMSMITH_EIGEN_NAMESPACE
// Buffers of a product lie on the stack: freshly allocated pages of this size would be cleared by
// the system in every call.
#define EIGEN_STACK_ALLOCATION_LIMIT (1 << 20)
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>

#include "baselines/matrix_product_kernel.h"

namespace stemsmith {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Stride = Eigen::OuterStride<>;
using Input = Eigen::Map<const Matrix, 0, Stride>;

Input View(const MatrixView& view) {
  return {view.data, static_cast<Eigen::Index>(view.rows), static_cast<Eigen::Index>(view.columns),
          Stride(static_cast<Eigen::Index>(view.stride))};
}

template <typename A, typename B>
void Multiply(const A& a, const B& b, float* out, std::size_t stride, bool add) {
  Eigen::Map<Matrix, 0, Stride> result(out, a.rows(), b.cols(),
                                       Stride(static_cast<Eigen::Index>(stride)));
  if (add) {
    result.noalias() += a * b;
  } else {
    result.noalias() = a * b;
  }
}

inline void Product(const MatrixView& a, const MatrixView& b, float* out, std::size_t stride,
                    bool add) {
  const Input left = View(a), right = View(b);
  if (a.transposed && b.transposed) {
    Multiply(left.transpose(), right.transpose(), out, stride, add);
  } else if (a.transposed) {
    Multiply(left.transpose(), right, out, stride, add);
  } else if (b.transposed) {
    Multiply(left, right.transpose(), out, stride, add);
  } else {
    Multiply(left, right, out, stride, add);
  }
}

}  // namespace
}  // namespace stemsmith
