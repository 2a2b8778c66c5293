#include "models/layers/traced_size.h"

#include <torch/csrc/jit/frontend/tracer.h>

namespace stemsmith {
namespace {

// Records the size as an integer of the graph for the next operator's argument.
void StashSize(const char* argument, const torch::Tensor& like, std::int64_t dim) {
  if (!torch::jit::tracer::isTracing()) return;
  const torch::Tensor size = torch::jit::tracer::getSizeOf(like, dim);
  torch::jit::tracer::ArgumentStash::stashValue(argument, 1, size, c10::IntType::get());
}

}  // namespace

torch::Tensor SliceToSizeOf(const torch::Tensor& x, std::int64_t dim, const torch::Tensor& like,
                            std::int64_t like_dim) {
  StashSize("end", like, like_dim);
  return x.slice(dim, 0, like.size(like_dim));
}

torch::Tensor PositionsAlong(const torch::Tensor& like, std::int64_t dim,
                             torch::ScalarType type) {
  torch::Tensor line = like;
  for (std::int64_t d = 0; d < like.dim(); ++d)
    if (d != dim) line = line.slice(d, 0, 1);
  return torch::ones_like(line.flatten(), type).cumsum(0) - 1;
}

torch::Tensor CountOf(const torch::Tensor& positions) { return positions.select(0, -1) + 1; }

std::int64_t TracedLength(const torch::Tensor& like, std::int64_t dim) {
  StashSize("length", like, dim);
  return like.size(dim);
}

}  // namespace stemsmith
