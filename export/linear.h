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

// Factors [K] that its input was multiplied with go into the weights.
std::string EmitLinear(GraphBuilder& b, KnownLinear linear);

// A linear result's columns from `begin` on, as a linear of its own; nothing where `x` is not of
// EmitLinear.
std::optional<std::string> LinearPiece(GraphBuilder& b, const std::string& x, std::int64_t begin,
                                       std::int64_t size);
// What gave `x`, where EmitLinear did.
std::optional<KnownLinear> LinearBehind(const GraphBuilder& b, const std::string& x);

// A linear result's pieces of these sizes along the last dimension, and the result times a factor
// per element of it, [N]; nothing where `x` is not of EmitLinear, or the factors are not that.
std::optional<std::vector<std::string>> LinearPieces(GraphBuilder& b, const std::string& x,
                                                     const std::vector<std::int64_t>& sizes);
std::optional<std::string> ScaledLinear(GraphBuilder& b, const std::string& x,
                                        const torch::Tensor& factors);

}  // namespace stemsmith
