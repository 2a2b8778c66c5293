// Convolutions in the forms that take runtimes the least time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "export/lowering.h"

namespace stemsmith {

// The arguments of a convolution, each spatial one per dimension.
struct Convolution {
  LoweredTensor input, weight;
  std::string bias;  // empty where there is none
  std::vector<std::int64_t> strides, dilations;
  std::vector<std::int64_t> pads;  // at the begin of each dimension, then at the end of each
  std::int64_t groups = 1;
  bool transposed = false;
  std::vector<std::int64_t> output_padding;  // where transposed
};

// The convolution's result. With weights known:
// - One along time to far fewer channels, of the same fixed length, becomes one of width 1
//   with a result per tap; what is shifted and added up is then narrow.
// - A strided one of few channels has its stride's neighbours in time as channels and becomes one
// of
//   stride 1, which is right also in runtimes that compute it in bfloat16.
// - A transposed one that moves along one dimension only becomes a convolution per phase, which are
//   interleaved: nothing is scattered.
std::string Convolve(GraphBuilder& b, const Convolution& c);

}  // namespace stemsmith
