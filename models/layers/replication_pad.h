// Padding by copies of the edges, in a form that gives the same gradients every time.
#pragma once

#include <torch/torch.h>

namespace stemsmith {

// LibTorch's replication_pad1d of x [B, C, T] by {before, after}, or 2d of x [B, C, F, N] by those
// of N, then of F. Where LibTorch is to be deterministic on a GPU, as copies, since its own
// backward pass is not.
torch::Tensor ReplicationPad(const torch::Tensor& x, torch::IntArrayRef pad);

// The same by copies, anywhere.
torch::Tensor ReplicationPadByCopies(const torch::Tensor& x, torch::IntArrayRef pad);

}  // namespace stemsmith
