// Sizes that stay sizes in a trace. A number taken from `x.size(d)` would end up in the graph as a
// constant; these operators hand the tracer the size itself. Outside of a trace they are plain.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace stemsmith {

// The first elements of `x` along `dim`, as many as `like` has along `like_dim` (both from 0).
torch::Tensor SliceToSizeOf(const torch::Tensor& x, std::int64_t dim, const torch::Tensor& like,
                            std::int64_t like_dim);

// 0, 1, 2 … [N] on its device, as many as `like` has along `dim` (from 0): arange would bake the
// device, too.
torch::Tensor PositionsAlong(const torch::Tensor& like, std::int64_t dim,
                             torch::ScalarType type = torch::kLong);

// N of such positions, not 0, as a tensor of one integer to compute with.
torch::Tensor CountOf(const torch::Tensor& positions);

// The next operator called takes its argument `length` as the size of `like` along `dim`; returns
// that size for the call itself.
std::int64_t TracedLength(const torch::Tensor& like, std::int64_t dim);

}  // namespace stemsmith
