#include "core/vector_types.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/vector_clones.h"

namespace stemsmith {
namespace {

// Whatever the processor compiled for.
static_assert(alignof(Vector<std::int16_t, 8>) == 16);
static_assert(alignof(Vector<float, 4>) == 16);
static_assert(alignof(Vector<float, 8>) == 32);
static_assert(alignof(Vector<double, 4>) == 32);
static_assert(alignof(Vector<double, 8>) == 64);

template <typename Number, std::size_t kCount>
struct Sum {
  Number before = 0;
  Vector<Number, kCount> value = {};
};
static_assert(alignof(Sum<float, 4>) == 16);
static_assert(alignof(Sum<double, 4>) == 32 && sizeof(Sum<double, 4>) == 64);
static_assert(alignof(Sum<double, 8>) == 64);

STEMSMITH_VECTOR_CLONES void AddOne(Sum<float, 8>* sums, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sums[i].value += 1.0f;
}
STEMSMITH_VECTOR_CLONES void AddOne(Sum<double, 4>* sums, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sums[i].value += 1.0;
}
STEMSMITH_VECTOR_CLONES void AddOne(Sum<double, 8>* sums, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sums[i].value += 1.0;
}

// Functions compiled for larger registers work on memory of containers, wherever the heap puts it.
template <typename OneSum>
void AddOnTheHeap() {
  std::vector<std::unique_ptr<char[]>> between;
  std::vector<std::vector<OneSum>> all;
  for (std::size_t count = 1; count < 40; ++count) {
    between.push_back(std::make_unique<char[]>(16 * count % 112 + 8));
    auto& sums = all.emplace_back(count % 5 + 1);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(&sums[0].value) % sizeof(sums[0].value), 0u);
    AddOne(sums.data(), sums.size());
    for (const OneSum& sum : sums) ASSERT_EQ(sum.value[3], 1);
  }
}
TEST(VectorTypes, LieOnTheHeapAsLargerRegistersDemand) {
  AddOnTheHeap<Sum<float, 8>>();
  AddOnTheHeap<Sum<double, 4>>();
  AddOnTheHeap<Sum<double, 8>>();
}

}  // namespace
}  // namespace stemsmith
