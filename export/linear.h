// Matrix products with known weights: what follows them goes into the weights.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "export/lowering.h"

namespace stemsmith {

// input · weight + bias, [.., K] → [.., N].
struct KnownLinear {
  std::string input;
  torch::Tensor weight;  // [K, N]
  torch::Tensor bias;    // [N], or undefined
};

std::string EmitLinear(GraphBuilder& b, const KnownLinear& linear);

// A linear result's pieces of these sizes along the last dimension, and the result times a factor
// per element of it, [N]; nothing where `x` is not of EmitLinear, or the factors are not that.
std::optional<std::vector<std::string>> LinearPieces(GraphBuilder& b, const std::string& x,
                                                     const std::vector<std::int64_t>& sizes);
std::optional<std::string> ScaledLinear(GraphBuilder& b, const std::string& x,
                                        const torch::Tensor& factors);

}  // namespace stemsmith
