// Vector<float, 8>: eight floats side by side, as GCC and Clang know them on every processor.
//
// Aligned to its whole size wherever it is compiled. A bare vector type is aligned to its size at
// most where the registers of the processor compiled for hold it (16 bytes of x86-64), but
// functions with STEMSMITH_VECTOR_CLONES are compiled once more for larger registers, and their
// instructions may demand the larger alignment of the same memory.
//
// Variables, arrays and structs of it, and containers of such structs, have that alignment. A
// template argument has not (std::vector<Vector<float, 8>>; compilers warn of it): put the vector
// into a struct. Samples are no vectors: std::memcpy takes them in and out.
#pragma once

#include <cstddef>

namespace stemsmith {

// Within a struct, since GCC ignores the attributes on an alias template.
template <typename Number, std::size_t kCount>
struct VectorOf {
  static constexpr std::size_t kBytes = kCount * sizeof(Number);
  typedef Number Type __attribute__((vector_size(kBytes), aligned(kBytes)));
};
template <typename Number, std::size_t kCount>
using Vector = typename VectorOf<Number, kCount>::Type;

}  // namespace stemsmith
