// Gated linear units behind convolutions, in the forms that take the fewest passes over memory.
#pragma once

#include <optional>
#include <string>

#include "export/lowering.h"

namespace stemsmith {

// Makes `normalized`, which normalises the Conv node that gave `input` over all of its elements,
// known to GatedUnit, where that is worth it. `shape` is that of `input`, [B, C, T].
void RememberProjection(GraphBuilder& b, const std::string& normalized, const std::string& input,
                        const std::vector<std::int64_t>& shape, const torch::Tensor& weight,
                        const torch::Tensor& bias, double epsilon);

// The first half of `x` along dimension 1 times the sigmoid of the second; nothing where `x` does
// not come from a convolution, to be split by the caller. Halves of a convolution are convolutions
// with half of the weights, so that nothing is split or, for a runtime that joins a convolution
// with the sigmoid behind it, passed over once more.
std::optional<std::string> GatedUnit(GraphBuilder& b, const std::string& x);

// `x` times one factor per channel; nothing where `x` is not what GatedUnit gave. The factors go
// into the weights.
std::optional<std::string> ScaledUnit(GraphBuilder& b, const std::string& x,
                                      const torch::Tensor& factors);

}  // namespace stemsmith
