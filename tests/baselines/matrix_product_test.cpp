#include "baselines/matrix_product.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/random.h"

namespace stemsmith {
namespace {

// The processor's own kernel and the one for every processor.
TEST(MatrixProduct, OfEveryLayoutIsThatByHand) {
  constexpr std::size_t kRows = 37, kInner = 53, kColumns = 21, kStride = 64;
  RandomStream random({3});
  std::vector<float> left(kStride * kStride), right(kStride * kStride);
  for (float& value : left) value = static_cast<float>(random.Normal());
  for (float& value : right) value = static_cast<float>(random.Normal());
  for (const auto product : {MatrixProduct, MatrixProductPlain}) {
    for (const bool left_transposed : {false, true}) {
      for (const bool right_transposed : {false, true}) {
        const MatrixView a = left_transposed ? MatrixView{left.data(), kInner, kRows, kStride, true}
                                             : MatrixView{left.data(), kRows, kInner, kStride};
        const MatrixView b = right_transposed
                                 ? MatrixView{right.data(), kColumns, kInner, kStride, true}
                                 : MatrixView{right.data(), kInner, kColumns, kStride};
        std::vector<float> out(kRows * kStride, 1.0f);
        product(a, b, out.data(), kStride, true);
        for (std::size_t i = 0; i < kRows; ++i) {
          for (std::size_t j = 0; j < kColumns; ++j) {
            double sum = 1;
            for (std::size_t k = 0; k < kInner; ++k)
              sum +=
                  static_cast<double>(left[left_transposed ? k * kStride + i : i * kStride + k]) *
                  right[right_transposed ? j * kStride + k : k * kStride + j];
            ASSERT_NEAR(out[i * kStride + j], sum, 1e-4);
          }
          ASSERT_EQ(out[i * kStride + kColumns], 1.0f);  // nothing beside it is touched
        }
      }
    }
  }
}

}  // namespace
}  // namespace stemsmith
