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

std::int64_t TracedLength(const torch::Tensor& like, std::int64_t dim) {
  StashSize("length", like, dim);
  return like.size(dim);
}

}  // namespace stemsmith
